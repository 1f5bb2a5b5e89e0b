"""Get models from the custom-model downloader of Firebase ML, until that service is shut down on 2027-06-15.

The service answers with a temporary link, a size, and an ETag. The ETag is opaque, so only a change of it shows that
there is a different model. Google's own clients accept whatever the link delivers; here the size must match, and the
model must pass the same checks as any other candidate.

The download is only a .tflite file. Its labels come from its metadata, or, if it has none, from the running model if
that has the same number of outputs. If the labels equal those of the running model, the background label is also taken
over. Thresholds are not, because they depend on the scores of one model.
"""

import json
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from appliance.bundle.bundle import Bundle
from appliance.bundle.flatbuffer import MalformedError
from appliance.bundle.label_file import parse_labels
from appliance.bundle.tflite_metadata import extract_labels, read_facts
from appliance.errors import (
    BundleError,
    HttpStatusError,
    SourceChangedError,
    SourceError,
    SourceGoneError,
    SourceSettingsError,
)
from appliance.settings.schema import UpdateSettings
from appliance.transport.download import DownloadSpec, download
from appliance.transport.http import Http
from appliance.transport.responses import HttpResponse, Validators
from appliance.updates.firebase.identity import Identity
from appliance.updates.firebase.installation import Installation, error_detail
from appliance.updates.firebase.shutdown import FIREBASE_ML_END, shutdown_notice
from appliance.updates.sources.source import Offer, Progress

log = logging.getLogger("appliance.updates")

# How many times a link that expires during a download is renewed.
MAX_RENEWALS = 2


@dataclass(frozen=True, slots=True)
class _PublishedModel:
    """The service's response about the published model.

    Attributes:
        etag: The ETag of the published model.
        link: The temporary address of the file; it contains a signature, so it is never shown.
        expires_s: When the link expires, Unix time; None if the service does not state it.
        size_bytes: The size of the file.
    """

    etag: str
    link: str = field(repr=False)
    expires_s: float | None
    size_bytes: int


class FirebaseMlSource:
    """One custom model in one project."""

    def __init__(
        self,
        settings: UpdateSettings,
        installation: Installation,
        http: Http,
        running_bundle: Callable[[], Bundle] | None,
        clock: Callable[[], float] = time.time,
    ):
        """Keep references to the arguments; nothing is requested yet.

        Args:
            settings: The update section, with firebase.project_id, api_key, app_id and model_name.
            installation: This device's identity.
            http: Sends the requests; closed with this source.
            running_bundle: Returns the running model, whose labels are used if a file has none; None if no model runs.
            clock: Returns Unix time in seconds.

        Raises:
            SourceSettingsError: No model name is set.
        """
        name = settings.firebase.model_name
        if not name:
            raise SourceSettingsError(
                "no model name is set; set update.firebase.model_name, or model_name in Remote Config"
            )
        self._name, self._project = name, settings.firebase.project_id or ""
        self._settings = settings
        self._installation = installation
        self._http = http
        self._running_bundle = running_bundle
        self._clock = clock
        self._published: _PublishedModel | None = None
        self.origin = f"the model {name} of the Firebase project {self._project}"

    def check(self, requested: bool = False) -> Offer:
        """Return the published model (see Source.check)."""
        if requested:
            self._installation.clear_backoff()
        try:
            self._published = published = self._request(self._published)
        except (SourceError, SourceSettingsError) as error:
            today = datetime.fromtimestamp(self._clock(), UTC).date()
            if today < FIREBASE_ML_END:
                raise
            notice = shutdown_notice(self._settings, today)
            raise SourceSettingsError(f"{notice}; the last error was: {error}") from error
        if published.size_bytes > self._settings.max_bytes:
            limit = self._settings.max_bytes
            raise SourceSettingsError(
                f"{self.origin} has {published.size_bytes} bytes, more than update.max_bytes allows ({limit})"
            )
        return Offer(hash=self._hash(published), name=self._name, size_bytes=published.size_bytes, private=published)

    def forget(self) -> None:
        """Keep the ETag: the service itself makes a new one for each published model (see Source.forget)."""

    def is_unchanged(self) -> bool:
        """Return False, because a check is already conditional (see Source.is_unchanged)."""
        return False

    def has_withdrawn(self, offer_hash: str) -> bool:
        """Return False, because something is always offered (see Source.has_withdrawn)."""
        return False

    def fetch(self, offer: Offer, folder: Path, progress: Progress) -> Path:
        """Download the model and write a bundle with its labels (see Source.fetch)."""
        bundle = folder / self._name
        bundle.mkdir(exist_ok=True)
        model = bundle / "model.tflite"
        if not model.is_file():  # a download appears complete or not at all
            self._download(offer, model, progress)
        self._write_manifest(bundle, model)
        return bundle

    def close(self) -> None:
        """End a current request (see Source.close)."""
        self._http.close()

    # The offer

    def _request(self, known: _PublishedModel | None) -> _PublishedModel:
        """Query the service; return `known` if the published model is unchanged."""
        endpoint = self._installation.endpoints.ml
        url = f"{endpoint}/v1beta2/projects/{quote(self._project)}/models/{quote(self._name)}:download"

        def send(identity: Identity) -> HttpResponse:
            headers = self._installation.headers | {"X-Goog-Firebase-Installations-Auth": identity.token}
            return self._http.get(url, headers=headers, known=Validators(known.etag) if known else None)

        try:
            response = self._installation.send(send)
        except HttpStatusError as error:
            raise self._convert_error(error) from error
        return known if response.is_unchanged and known else self._parse(response)

    def _parse(self, response: HttpResponse) -> _PublishedModel:
        values, etag = response.json(), response.headers.get("etag", "").strip()
        if not etag:
            raise SourceError(f"Firebase ML sent no ETag for {self.origin}, so a new model would not be noticed")
        if not isinstance(values, dict):
            raise SourceError(f"Firebase ML's response for {self.origin} is not a JSON object")
        link, size, kind = values.get("downloadUri"), str(values.get("sizeBytes")), values.get("modelFormat", "TFLITE")
        if not isinstance(link, str) or not link:
            raise SourceError(f"Firebase ML sent no link to {self.origin}")
        if not size.isdecimal() or len(size) > 15:
            raise SourceError(f"Firebase ML sent no size for {self.origin} (sizeBytes is {values.get('sizeBytes')!r})")
        if kind != "TFLITE":
            raise SourceError(f"{self.origin} has the format {kind!r}; only TFLITE is supported")
        # An intermediate cache that compresses the response appends a suffix to the ETag.
        etag = re.sub(r'--gzip("?)$', r"\1", etag)
        return _PublishedModel(etag, link, _parse_expiry(values.get("expireTime"), self.origin), int(size))

    def _convert_error(self, error: HttpStatusError) -> SourceError | SourceSettingsError:
        detail = f"({error.status}{error_detail(error)})"
        if error.status == 400:
            return SourceSettingsError(f"Firebase ML refuses {self.origin} {detail}; check update.firebase.model_name")
        if error.status in (401, 403):
            return SourceSettingsError(
                f"Firebase ML denies this device {self.origin} {detail}; enable the Firebase ML API for the project "
                "and allow it for update.firebase.api_key in the Google Cloud console, then run: appliance model check"
            )
        if error.status == 404:
            return SourceGoneError(
                f"there is no published model {self._name} in the Firebase project {self._project} {detail}"
            )
        if error.status == 429:
            return SourceError(f"the quota of Firebase ML is used up {detail}", error.retry_after_s)
        return SourceError(f"Firebase ML answers {error.status}{error_detail(error)}", error.retry_after_s)

    def _hash(self, published: _PublishedModel) -> str:
        return sha256(json.dumps(["firebase-ml", self._project, self._name, published.etag]).encode()).hexdigest()

    # The download

    def _download(self, offer: Offer, target: Path, progress: Progress) -> None:
        published: _PublishedModel = offer.private
        for renewals in range(MAX_RENEWALS, -1, -1):
            try:
                spec = DownloadSpec(self._settings.max_bytes, exact_bytes=published.size_bytes, watch_disk=True)
                download(self._http, published.link, target, spec, progress)
                return
            except HttpStatusError as error:
                # The next check always gets a new link, because this device's clock may not show that it has expired.
                self._published = None
                has_expired = published.expires_s is not None and self._clock() >= published.expires_s
                if error.status not in (400, 403) or not has_expired or not renewals:
                    raise
            log.info("the link to %s has expired; requesting a new one", self.origin)
            self._published = published = self._request(None)
            if self._hash(published) != offer.hash:
                raise SourceChangedError(f"{self.origin} was replaced during the download")

    def _write_manifest(self, bundle: Path, model: Path) -> None:
        """Turn the file into a bundle: add its name, the labels if it has none, and the background label."""
        manifest: dict[str, Any] = {"modelType": "IMAGE_LABELING", "modelFile": model.name, "name": self._name}
        running = self._running_bundle() if self._running_bundle else None
        labels, outputs = _read_labels_and_outputs(model)
        if labels is None and outputs:
            labels = self._borrow_labels(outputs, running)
            (bundle / "dict.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
            manifest |= {"labelsFile": "dict.txt"}
        if running and labels == running.labels and running.background_label is not None:
            manifest |= {"backgroundLabel": running.background_label}
        (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")

    def _borrow_labels(self, outputs: int, running: Bundle | None) -> tuple[str, ...]:
        if running is None:
            raise BundleError("it has no labels, and there is no running model whose labels it could use")
        if outputs != len(running.labels):
            raise BundleError(
                f"it has no labels, and its {outputs} outputs do not match the {len(running.labels)} labels of the "
                f"running model {running.identity.name} {running.identity.version}; add labels to its metadata"
            )
        log.info("%s has no labels; using those of the running model %s", self.origin, running.identity.name)
        return running.labels


def _read_labels_and_outputs(model: Path) -> tuple[tuple[str, ...] | None, int | None]:
    """Return the labels in a file and its number of outputs; None and None if the file is malformed."""
    content = model.read_bytes()
    try:
        facts = read_facts(content)
        packed = extract_labels(content, facts)
    except MalformedError:
        return None, None
    labels = parse_labels(packed[1], packed[0]) if packed else None
    shape = facts.output_shapes[0] if len(facts.output_shapes) == 1 else ()
    return labels, shape[-1] if shape and shape[-1] > 0 else None


def _parse_expiry(text: Any, origin: str) -> float | None:
    """Parse an RFC 3339 time, with or without a fraction and offset, into Unix time."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise SourceError(f"Firebase ML sent an invalid time for {origin} (expireTime is {text!r})") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
