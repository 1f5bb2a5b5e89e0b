"""Models from the custom-model downloader of Firebase ML, as long as that service exists: until 2027-06-15.

The service answers with a link that is valid for a while, a size, and an ETag. The ETag is opaque, so only its change
shows that there is another model. Google's own clients accept whatever the link delivers; here its size must be the
announced one, and it passes every check of any other candidate.

The download is a .tflite file alone. Its labels are those in its metadata; without any, those of the running model, if
it has as many outputs. If the labels are those of the running model, the same label means that nothing is there.
Thresholds are not adopted: they belong to the scores of one model.
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
from appliance.errors import BundleError, HttpStatusError, SourceChangedError, SourceError, SourceSettingsError
from appliance.settings.schema import UpdateSettings
from appliance.transport.download import DownloadSpec, download
from appliance.transport.http import Http
from appliance.transport.responses import HttpResponse, Validators
from appliance.updates.firebase.identity import Identity
from appliance.updates.firebase.installation import Installation, error_detail
from appliance.updates.firebase.shutdown import FIREBASE_ML_END, shutdown_notice
from appliance.updates.sources.source import Offer, Progress

log = logging.getLogger("appliance.updates")

# A link that expires while it is used is renewed this often.
MAX_RENEWALS = 2


@dataclass(frozen=True, slots=True)
class _PublishedModel:
    """The service's answer about the published model.

    Attributes:
        etag: The ETag of this state.
        link: The address of the file, for a while; it has a signature, so it is never shown.
        expires_s: The end of the link, Unix time; None if the service does not give it.
        size_bytes: The size of the file.
    """

    etag: str
    link: str = field(repr=False)
    expires_s: float | None
    size_bytes: int


class FirebaseMlSource:
    """One custom model of one project."""

    def __init__(
        self,
        settings: UpdateSettings,
        installation: Installation,
        http: Http,
        running_bundle: Callable[[], Bundle] | None,
        clock: Callable[[], float] = time.time,
    ):
        """Keep the parts; nothing is requested yet.

        Args:
            settings: With firebase.project_id, api_key and app_id, and model_name.
            installation: This device's identity.
            http: Sends the requests; closed with this source.
            running_bundle: Returns the running model, whose labels replace those that a file lacks; None if none runs.
            clock: Returns Unix time in seconds.

        Raises:
            SourceSettingsError: No setting names the model.
        """
        name = settings.firebase.model_name
        if not name:
            raise SourceSettingsError(
                "no model is named: set update.firebase.model_name, or model_name in Remote Config"
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
            raise SourceSettingsError(f"{notice}; its last answer: {error}") from error
        if published.size_bytes > self._settings.max_bytes:
            limit = self._settings.max_bytes
            raise SourceSettingsError(
                f"{self.origin} has {published.size_bytes} bytes, more than the {limit} of update.max_bytes"
            )
        return Offer(hash=self._hash(published), name=self._name, size_bytes=published.size_bytes, private=published)

    def fetch(self, offer: Offer, folder: Path, progress: Progress) -> Path:
        """Download the model and write a bundle with its labels (see Source.fetch)."""
        bundle = folder / self._name
        bundle.mkdir(exist_ok=True)
        model = bundle / "model.tflite"
        if not model.is_file():  # a download appears as a whole or not at all
            self._download(offer, model, progress)
        self._write_manifest(bundle, model)
        return bundle

    def close(self) -> None:
        """End a request under way (see Source.close)."""
        self._http.close()

    # The offer

    def _request(self, known: _PublishedModel | None) -> _PublishedModel:
        """Ask the service; return `known` if it is unchanged."""
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
            raise SourceError(f"Firebase ML sends no ETag for {self.origin}, so a new model would not be noticed")
        if not isinstance(values, dict):
            raise SourceError(f"Firebase ML's answer about {self.origin} is not a JSON object")
        link, size, kind = values.get("downloadUri"), str(values.get("sizeBytes")), values.get("modelFormat", "TFLITE")
        if not isinstance(link, str) or not link:
            raise SourceError(f"Firebase ML sends no link to {self.origin}")
        if not size.isdecimal() or len(size) > 15:
            raise SourceError(f"Firebase ML sends no size of {self.origin} (sizeBytes is {values.get('sizeBytes')!r})")
        if kind != "TFLITE":
            raise SourceError(f"{self.origin} has the format {kind!r}; only TFLITE can run here")
        # A cache on the way that compresses the response marks the ETag; the mark is not part of it.
        etag = re.sub(r'--gzip("?)$', r"\1", etag)
        return _PublishedModel(etag, link, _parse_expiry(values.get("expireTime"), self.origin), int(size))

    def _convert_error(self, error: HttpStatusError) -> SourceError | SourceSettingsError:
        detail = f"({error.status}{error_detail(error)})"
        if error.status == 400:
            return SourceSettingsError(f"Firebase ML refuses {self.origin} {detail}: check update.firebase.model_name")
        if error.status in (401, 403):
            return SourceSettingsError(
                f"Firebase ML refuses this device {self.origin} {detail}: enable the Firebase ML API for the project "
                "and allow it for update.firebase.api_key in the Google Cloud console, then run: appliance model check"
            )
        if error.status == 404:
            return SourceError(
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
                # The next check gets a new link in any case: this device's clock may not show that it has expired.
                self._published = None
                has_expired = published.expires_s is not None and self._clock() >= published.expires_s
                if error.status not in (400, 403) or not has_expired or not renewals:
                    raise
            log.info("the link to %s has expired; requesting another one", self.origin)
            self._published = published = self._request(None)
            if self._hash(published) != offer.hash:
                raise SourceChangedError(f"{self.origin} was replaced while it was fetched")

    def _write_manifest(self, bundle: Path, model: Path) -> None:
        """Turn the file into a bundle: its name, labels if it lacks them, and the label that means nothing is there."""
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
            raise BundleError("it has no labels, and no model runs here whose labels it could use")
        if outputs != len(running.labels):
            raise BundleError(
                f"it has no labels, and its {outputs} outputs are not the {len(running.labels)} of "
                f"{running.identity.name} {running.identity.version}, which runs now: put its labels into its metadata"
            )
        log.info("%s has no labels; those of %s, which runs now, are used", self.origin, running.identity.name)
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
        raise SourceError(f"Firebase ML sends an invalid time for {origin} (expireTime is {text!r})") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
