"""Publish to Firebase ML, until that service shuts down on 2027-06-15. Only this module imports firebase_admin.

Firebase ML accepts only the .tflite file, so the labels are embedded in the way of TFLite metadata: as a zip that is
appended to the model. The file with the labels is tested before it is pushed. The version, the thresholds, and the
background label are lost.

The Admin SDK uploads the file to a bucket of the project, from which Firebase ML copies it.
"""

import contextlib
import io
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.bundle.archive import write_zip
from appliance.bundle.bundle import Bundle, read_bundle
from appliance.bundle.identity import ModelIdentity
from appliance.bundle.label_file import parse_labels
from appliance.bundle.tflite_metadata import extract_labels, read_facts
from appliance.errors import PublishError, suggest_install
from appliance.labeling.probe import probe

WAIT_S = 300.0
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_LABELS_NAME = "labels.txt"


@dataclass(frozen=True, slots=True)
class FirebasePush:
    """The published model.

    Attributes:
        name, tags: The model's name and tags in Firebase ML.
        project_id, model_id: Its location.
        created: Whether there was no model with this name before.
        identity: The model; its sha256 is that of the file with its labels.
        size_bytes: The size of that file.
        invoke_ms: The inference time on this machine.
        left_behind: The properties of the bundle that are lost, for people.
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


def push_to_firebase(
    source: Path,
    *,
    name: str | None = None,
    tags: Sequence[str] = (),
    bucket: str | None = None,
    credentials: Path | None = None,
    report: Callable[[str], None] = lambda text: None,
) -> FirebasePush:
    """Test a bundle and publish it under a name, replacing the previous model with this name.

    Args:
        source: A folder, a .zip, or a .tflite.
        name: The name that devices request; None for the bundle's name.
        tags: The model's tags; if empty, an existing model keeps its tags.
        bucket: A bucket of the project's Cloud Storage; None for PROJECT.firebasestorage.app.
        credentials: A service account key; None for the key in GOOGLE_APPLICATION_CREDENTIALS.
        report: Called with a line of text for each slow step.

    Raises:
        BundleError, ProbeError: The bundle is invalid or could not be tested.
        PublishError: A name is invalid, the Admin SDK is missing, or Google refuses.
    """
    bundle = read_bundle(source)
    if bundle.input.as_manifest():
        raise PublishError(
            f"{source}: its manifest states the input ({bundle.input.describe()}), and Firebase ML delivers only the "
            ".tflite file; write the input into the model's TFLite metadata, or publish to a repository or a URL"
        )
    name = name or bundle.identity.name
    for kind, text in (("name of a model", name), *(("tag", tag) for tag in tags)):
        if not _NAME.fullmatch(text):
            raise PublishError(
                f"{text!r} cannot be the {kind} in Firebase ML; use 1 to 32 letters, digits, hyphens, underscores"
            )
    with tempfile.TemporaryDirectory(prefix="appliance-publish-") as scratch, _open_app(credentials) as app:
        file = Path(scratch, f"{name}.tflite")
        file.write_bytes(embed_labels(bundle))
        probed = probe(file)
        model_format = _upload(app, file, bucket or f"{app.project_id}.firebasestorage.app", report)
        model, created = _publish(app, model_format, name, list(tags), report)
        return FirebasePush(
            name=name,
            tags=tuple(model.tags or ()),
            project_id=app.project_id,
            model_id=model.model_id,
            created=created,
            identity=probed.identity,
            size_bytes=file.stat().st_size,
            invoke_ms=probed.invoke_ms,
            left_behind=_list_lost_properties(bundle),
        )


def embed_labels(bundle: Bundle) -> bytes:
    """Return the .tflite file with the bundle's labels embedded.

    Raises:
        PublishError: The file already contains other labels.
    """
    content = bundle.read_model()
    embedded = extract_labels(content, read_facts(content))
    if embedded is None:
        archive = io.BytesIO()
        labels = "".join(f"{label}\n" for label in bundle.labels).encode()
        write_zip(archive, [(_LABELS_NAME, labels)], mode=0o600)
        return content + archive.getvalue()
    if parse_labels(embedded[1], f"{bundle.source}: {embedded[0]} inside the model") != bundle.labels:
        raise PublishError(
            f"{bundle.source}: the labels inside the model differ from its label file, and Firebase ML delivers only "
            "the labels inside; make both the same"
        )
    return content


def _list_lost_properties(bundle: Bundle) -> tuple[str, ...]:
    properties = {
        f"version {bundle.version}": bundle.version,
        f"confidenceThreshold {bundle.confidence_threshold}": bundle.confidence_threshold is not None,
        "labelThresholds": bundle.label_thresholds,
        f"backgroundLabel {bundle.background_label!r}": bundle.background_label,
    }
    return tuple(text for text, is_set in properties.items() if is_set)


def _upload(app: Any, file: Path, bucket: str, report: Callable[[str], None]) -> Any:
    from firebase_admin import ml

    report(f"uploading {file.stat().st_size / 1e6:.1f} MB …")
    return ml.TFLiteFormat(ml.TFLiteGCSModelSource.from_tflite_model_file(str(file), bucket, app))


def _publish(
    app: Any, model_format: Any, name: str, tags: list[str], report: Callable[[str], None]
) -> tuple[Any, bool]:
    """Create or replace the model and publish it; return it, and whether it was created."""
    from firebase_admin import ml

    # List all models, because there are few and the filter syntax is specific to the server.
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
    report("waiting for Firebase ML to check the model …")
    model.wait_for_unlocked(WAIT_S)
    if model.validation_error:
        raise PublishError(f"Firebase ML refuses {name}: {model.validation_error}")
    published = ml.publish_model(model.model_id, app)
    published.wait_for_unlocked(WAIT_S)
    return published, created


@contextlib.contextmanager
def _open_app(key: Path | None) -> Iterator[Any]:
    """Open the Firebase project; convert its errors into a PublishError with one sentence."""
    try:
        with warnings.catch_warnings():
            # The SDK warns of the shutdown of Firebase ML at each call; the command prints this itself, once.
            warnings.simplefilter("ignore", DeprecationWarning)
            import firebase_admin
            from firebase_admin import credentials, exceptions
            from google.api_core.exceptions import GoogleAPIError
            from google.auth.exceptions import GoogleAuthError
            from google.cloud import storage  # noqa: F401 - the SDK reports it missing only after the upload
    except ImportError as error:
        raise PublishError(
            f"publishing to Firebase ML needs Google's Admin SDK ({error.name} is missing); "
            f"{suggest_install('firebase')}"
        ) from error
    try:
        certificate = credentials.Certificate(str(key)) if key else None
    except (OSError, ValueError) as error:
        raise PublishError(f"{key} is not a service account key: {error}") from error
    app = firebase_admin.initialize_app(certificate)
    try:
        if not app.project_id:
            raise PublishError("the Firebase project is unknown; pass a service account key with --credentials")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield app
    except (exceptions.FirebaseError, GoogleAPIError, GoogleAuthError, OSError, ValueError, AttributeError) as error:
        if isinstance(error, AttributeError) and "private key" not in str(error):
            raise
        text = " ".join(str(error).split()).rstrip(".")
        raise PublishError(f"Google refuses to publish the model: {text}{_suggest_remedy(text)}") from error
    finally:
        firebase_admin.delete_app(app)


def _suggest_remedy(text: str) -> str:
    if "bucket does not exist" in text or "404" in text:
        return "; pass the project's bucket with --bucket (older projects: PROJECT.appspot.com)"
    if "private key" in text:
        return "; use a service account key: --credentials FILE"
    return ""
