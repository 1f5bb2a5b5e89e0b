"""Publishing to Firebase ML, for as long as that service exists: until 2027-06-15. The only importer of firebase_admin.

Firebase ML takes the .tflite file alone. So the labels travel inside it, as TFLite metadata holds them: a zip behind the
model's end. What is pushed is what was tried before. Version, thresholds and background label stay behind.

The Admin SDK uploads the file to a bucket of the project, from where Firebase ML takes a copy of its own.
"""

import contextlib
import io
import re
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.bundle.bundle import Bundle, read_bundle
from appliance.bundle.identity import ModelIdentity
from appliance.bundle.label_file import parse_labels
from appliance.bundle.tflite_metadata import packed_labels, read_facts
from appliance.errors import PublishError, how_to_install
from appliance.labeling.probe import probe

WAIT_S = 300.0
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_LABELS_NAME = "labels.txt"


@dataclass(frozen=True, slots=True)
class FirebasePush:
    """What was published.

    Attributes:
        name, tags: Under which it is found.
        project_id, model_id: Where it is.
        created: Whether there was none of this name before.
        identity: The model; its sha256 is that of the file with its labels.
        size_bytes: Of that file.
        invoke_ms: One picture, here.
        left_behind: What of the bundle does not travel, in words.
    """

    name: str
    tags: tuple[str, ...]
    project_id: str
    model_id: str
    created: bool
    identity: ModelIdentity
    size_bytes: int
    invoke_ms: float
    left_behind: tuple[str, ...]


def push(
    source: Path,
    *,
    name: str | None = None,
    tags: Sequence[str] = (),
    bucket: str | None = None,
    credentials: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> FirebasePush:
    """Tries a bundle and publishes it under a name; what was published under it before is replaced.

    Args:
        source: A folder, a .zip or a .tflite.
        name: Under which devices ask for it; None: the bundle's.
        tags: To find it by; none: those that it has stay.
        bucket: A bucket of the project's Cloud Storage; None: PROJECT.firebasestorage.app.
        credentials: A service account's key; None: as GOOGLE_APPLICATION_CREDENTIALS says.
        say: Told what takes a while.

    Raises:
        BundleError, ProbeError: The bundle is no good, or could not be tried.
        PublishError: A name will not do, the Admin SDK is missing, or Google says no.
    """
    bundle = read_bundle(source)
    name = name or bundle.identity.name
    for what, text in (("name of a model", name), *(("tag", tag) for tag in tags)):
        if not _NAME.fullmatch(text):
            raise PublishError(
                f"{text!r} cannot be the {what} in Firebase ML: use 1 to 32 letters, digits, hyphens, underscores"
            )
    with tempfile.TemporaryDirectory(prefix="appliance-publish-") as scratch, _google(credentials) as app:
        file = Path(scratch, f"{name}.tflite")
        file.write_bytes(with_labels(bundle))
        tried = probe(file)
        bucket = bucket or f"{app.project_id}.firebasestorage.app"
        model, created = _publish(app, file, bucket, name, list(tags), say)
        return FirebasePush(
            name, tuple(model.tags or ()), app.project_id, model.model_id, created, tried.identity, file.stat().st_size,
            tried.invoke_ms, _left_behind(bundle),
        )  # fmt: skip


def with_labels(bundle: Bundle) -> bytes:
    """The .tflite file with the bundle's labels in it.

    Raises:
        PublishError: It carries others.
    """
    content = bundle.model_bytes()
    packed = packed_labels(content, read_facts(content))
    if packed is None:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as files:
            entry = zipfile.ZipInfo(_LABELS_NAME, (1980, 1, 1, 0, 0, 0))
            files.writestr(entry, "".join(f"{label}\n" for label in bundle.labels))
        return content + archive.getvalue()
    if parse_labels(packed[1], f"{bundle.source}: {packed[0]} inside the model") != bundle.labels:
        raise PublishError(
            f"{bundle.source}: the labels inside the model are not those of its label file, and Firebase ML delivers only those "
            "inside: make the two the same"
        )
    return content


def _left_behind(bundle: Bundle) -> tuple[str, ...]:
    found = {
        f"version {bundle.version}": bundle.version,
        f"confidenceThreshold {bundle.confidence_threshold}": bundle.confidence_threshold is not None,
        "labelThresholds": bundle.label_thresholds,
        f"backgroundLabel {bundle.background_label!r}": bundle.background_label,
    }
    return tuple(text for text, there in found.items() if there)


def _publish(
    app: Any, file: Path, bucket: str, name: str, tags: list[str], say: Callable[[str], None]
) -> tuple[Any, bool]:
    from firebase_admin import ml

    say(f"uploading {file.stat().st_size / 1e6:.1f} MB …")
    model_format = ml.TFLiteFormat(ml.TFLiteGCSModelSource.from_tflite_model_file(str(file), bucket, app))
    # All are looked through: there are few, and a filter's syntax is the server's own business.
    model = next((each for each in ml.list_models(app=app).iterate_all() if each.display_name == name), None)
    created = model is None
    if model is None:
        model = ml.create_model(ml.Model(name, tags or None, model_format), app)
    else:
        model.wait_for_unlocked(WAIT_S)
        model.model_format = model_format
        if tags:
            model.tags = tags
        model = ml.update_model(model, app)
    say("Firebase ML looks at it …")
    model.wait_for_unlocked(WAIT_S)
    if model.validation_error:
        raise PublishError(f"Firebase ML does not take {name}: {model.validation_error}")
    published = ml.publish_model(model.model_id, app)
    published.wait_for_unlocked(WAIT_S)
    return published, created


@contextlib.contextmanager
def _google(key: Path | None) -> Iterator[Any]:
    """The project, and what goes wrong with it in one sentence each."""
    try:
        with warnings.catch_warnings():
            # It warns of the end of Firebase ML at each call; this program says it once itself.
            warnings.simplefilter("ignore", DeprecationWarning)
            import firebase_admin
            from firebase_admin import credentials, exceptions
            from google.api_core.exceptions import GoogleAPIError
            from google.auth.exceptions import GoogleAuthError
            from google.cloud import storage  # noqa: F401 - the SDK needs it, and says so only after a part of the work
    except ImportError as error:
        raise PublishError(
            f"publishing to Firebase ML needs Google's Admin SDK ({error.name} is missing); {how_to_install('firebase')}"
        ) from error
    try:
        found = credentials.Certificate(str(key)) if key else None
    except (OSError, ValueError) as error:
        raise PublishError(f"{key} is not a service account's key: {error}") from error
    app = firebase_admin.initialize_app(found)
    try:
        if not app.project_id:
            raise PublishError(
                "nothing says which Firebase project is meant: name a service account's key with --credentials"
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield app
    except (exceptions.FirebaseError, GoogleAPIError, GoogleAuthError, OSError, ValueError, AttributeError) as error:
        if isinstance(error, AttributeError) and "private key" not in str(error):
            raise
        text = " ".join(str(error).split()).rstrip(".")
        raise PublishError(f"Google does not publish it: {text}{_advice(text)}") from error
    finally:
        firebase_admin.delete_app(app)


def _advice(text: str) -> str:
    if "bucket does not exist" in text or "404" in text:
        return "; name the project's bucket with --bucket (older projects: PROJECT.appspot.com)"
    if "private key" in text:
        return "; use a service account's key: --credentials FILE"
    return ""
