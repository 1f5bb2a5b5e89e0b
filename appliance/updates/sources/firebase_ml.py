"""Models from the custom-model downloader of Firebase ML, for as long as that service exists: until 2027-06-15.

The service answers with a link that holds for a while, a size, and an ETag; the ETag is opaque, so nothing but its change
says that there is another model. Google's own clients take whatever the link gives; here its size must be the announced
one, and it goes through every check that any other candidate goes through.

What comes is a .tflite alone. Its labels are those in its metadata; where it carries none, those of the model that runs
now, if it has as many outputs. Where the labels are those of the model that runs now, the same one of them means that
nothing is there. Thresholds are not taken over: they belong to the scores of one model.
"""

import json
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
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
from appliance.updates.firebase.installation import Identity, Installation, error_detail
from appliance.updates.firebase.shutdown import FIREBASE_ML_END, shutdown_notice
from appliance.updates.sources.source import Offer, Progress

log = logging.getLogger(__name__)

# A link that expires while it is used is asked for again this often.
MAX_RENEWALS = 2


@dataclass(frozen=True, slots=True)
class _Info:
    """What the service says of the published model.

    Attributes:
        etag: What it calls this state.
        link: Where the file is, for a while; it carries a signature, so it is never shown.
        expires_s: When the link ends, Unix time; None where the service does not say.
        size_bytes: Of the file.
    """

    etag: str
    link: str
    expires_s: float | None
    size_bytes: int


class FirebaseMlSource:
    """One custom model of one project."""

    def __init__(
        self,
        settings: UpdateSettings,
        installation: Installation,
        http: Http,
        running: Callable[[], Bundle] | None,
        clock: Callable[[], float] = time.time,
    ):
        """Args:
            settings: With firebase.project_id, api_key and app_id, and model_name.
            installation: Who asks.
            http: Makes the requests; closed with this source.
            running: The model that runs now: its labels stand in for those that a file lacks. None where nothing runs.
            clock: Unix time in seconds.

        Raises:
            SourceSettingsError: Nothing says which model.
        """
        name = settings.firebase.model_name
        if not name:
            raise SourceSettingsError(
                "neither update.firebase.model_name nor Remote Config's model_name says which model"
            )
        self._name, self._project = name, settings.firebase.project_id or ""
        self._settings = settings
        self._installation = installation
        self._http = http
        self._running = running
        self._clock = clock
        self._info: _Info | None = None
        self.origin = f"the model {name} of the Firebase project {self._project}"

    def check(self, requested: bool = False) -> Offer:
        """As Source.check: the published model."""
        if requested:
            self._installation.clear_backoff()
        try:
            self._info = info = self._asked(self._info)
        except (SourceError, SourceSettingsError) as error:
            today = datetime.fromtimestamp(self._clock(), UTC).date()
            if today < FIREBASE_ML_END:
                raise
            raise SourceSettingsError(f"{shutdown_notice(self._settings, today)}; its last answer: {error}") from error
        if info.size_bytes > self._settings.max_bytes:
            limit = self._settings.max_bytes
            raise SourceSettingsError(
                f"{self.origin} has {info.size_bytes} bytes, more than the {limit} of update.max_bytes"
            )
        return Offer(hash=self._hash(info), name=self._name, size_bytes=info.size_bytes, private=info)

    def fetch(self, offer: Offer, folder: Path, progress: Progress) -> Path:
        """As Source.fetch: the model with its labels, as a bundle."""
        bundle = folder / self._name
        bundle.mkdir(exist_ok=True)
        model = bundle / "model.tflite"
        if not model.is_file():  # a download appears whole or not at all
            self._download(offer, model, progress)
        self._add_manifest(bundle, model)
        return bundle

    def close(self) -> None:
        """As Source.close."""
        self._http.close()

    # What is offered

    def _asked(self, known: _Info | None) -> _Info:
        """The service's answer; `known` where that still holds."""
        url = f"{self._installation.endpoints.ml}/v1beta2/projects/{quote(self._project)}/models/{quote(self._name)}:download"

        def send(identity: Identity) -> HttpResponse:
            headers = self._installation.headers | {"X-Goog-Firebase-Installations-Auth": identity.token}
            return self._http.get(url, headers=headers, known=Validators(known.etag) if known else None)

        try:
            answer = self._installation.ask(send)
        except HttpStatusError as error:
            raise self._meaning(error) from error
        return known if answer.unchanged and known else self._parsed(answer)

    def _parsed(self, answer: HttpResponse) -> _Info:
        said, etag = answer.json(), answer.headers.get("etag", "").strip()
        if not etag:
            raise SourceError(f"Firebase ML names no state (ETag) of {self.origin}, so a new one would not be noticed")
        if not isinstance(said, dict):
            raise SourceError(f"what Firebase ML answers about {self.origin} is not a JSON object")
        link, size, kind = said.get("downloadUri"), str(said.get("sizeBytes")), said.get("modelFormat", "TFLITE")
        if not isinstance(link, str) or not link:
            raise SourceError(f"Firebase ML gives no link to {self.origin}")
        if not size.isdecimal() or len(size) > 15:
            raise SourceError(f"Firebase ML gives no size of {self.origin} (sizeBytes is {said.get('sizeBytes')!r})")
        if kind != "TFLITE":
            raise SourceError(f"{self.origin} is of the format {kind!r}; only TFLITE can run here")
        # A cache on the way that compressed the answer marks the ETag; the mark is not part of it.
        return _Info(re.sub(r'--gzip("?)$', r"\1", etag), link, _expiry(said.get("expireTime"), self.origin), int(size))

    def _meaning(self, error: HttpStatusError) -> SourceError | SourceSettingsError:
        said = error_detail(error)
        if error.status == 400:
            return SourceSettingsError(
                f"Firebase ML does not take {self.origin} (400{said}): check update.firebase.model_name"
            )
        if error.status in (401, 403):
            return SourceSettingsError(
                f"Firebase ML does not let this device have {self.origin} ({error.status}{said}): enable the Firebase ML API "
                "for the project and allow it for update.firebase.api_key in the Google Cloud console, then run: appliance model check"
            )
        if error.status == 404:
            return SourceError(
                f"there is no published model {self._name} in the Firebase project {self._project} (404{said})"
            )
        if error.status == 429:
            return SourceError(f"the quota of Firebase ML is used up (429{said})", error.retry_after_s)
        return SourceError(f"Firebase ML answers {error.status}{said}", error.retry_after_s)

    def _hash(self, info: _Info) -> str:
        return sha256(json.dumps(["firebase-ml", self._project, self._name, info.etag]).encode()).hexdigest()

    # Its bytes

    def _download(self, offer: Offer, target: Path, progress: Progress) -> None:
        info: _Info = offer.private
        for renewals in range(MAX_RENEWALS, -1, -1):
            try:
                wanted = DownloadSpec(self._settings.max_bytes, exact_bytes=info.size_bytes, watch_disk=True)
                download(self._http, info.link, target, wanted, progress)
                return
            except HttpStatusError as error:
                # Whatever it was, the next check gets a new link: this device's clock may not know that it has expired.
                self._info = None
                expired = info.expires_s is not None and self._clock() >= info.expires_s
                if error.status not in (400, 403) or not expired or not renewals:
                    raise
            log.info("the link to %s has expired; asking for another", self.origin)
            self._info = info = self._asked(None)
            if self._hash(info) != offer.hash:
                raise SourceChangedError(f"{self.origin} was replaced while it was fetched")

    def _add_manifest(self, bundle: Path, model: Path) -> None:
        """Makes a bundle of the file: its name, labels where it carries none, and which label means nothing is there."""
        manifest: dict[str, Any] = {"modelType": "IMAGE_LABELING", "modelFile": model.name, "name": self._name}
        running = self._running() if self._running else None
        labels, outputs = _labels_and_outputs(model)
        if labels is None and outputs:
            labels = self._borrowed(outputs, running)
            (bundle / "dict.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
            manifest |= {"labelsFile": "dict.txt"}
        if running and labels == running.labels and running.background_label is not None:
            manifest |= {"backgroundLabel": running.background_label}
        (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")

    def _borrowed(self, outputs: int, running: Bundle | None) -> tuple[str, ...]:
        if running is None:
            raise BundleError("it carries no labels, and nothing runs here whose labels it could have")
        if outputs != len(running.labels):
            raise BundleError(
                f"it carries no labels, and its {outputs} outputs are not the {len(running.labels)} of "
                f"{running.identity.name} {running.identity.version}, which runs now: put its labels into its metadata"
            )
        log.info("%s carries no labels; those of %s, which runs now, are used", self.origin, running.identity.name)
        return running.labels


def _labels_and_outputs(model: Path) -> tuple[tuple[str, ...] | None, int | None]:
    """The labels that a file carries, and how many outputs it has; None and None where reading it will say what is wrong."""
    content = model.read_bytes()
    try:
        facts = read_facts(content)
        packed = extract_labels(content, facts)
    except MalformedError:
        return None, None
    labels = parse_labels(packed[1], packed[0]) if packed else None
    shape = facts.output_shapes[0] if len(facts.output_shapes) == 1 else ()
    return labels, shape[-1] if shape and shape[-1] > 0 else None


def _expiry(text: Any, origin: str) -> float | None:
    """An RFC 3339 time with or without a fraction (of any number of digits) as Unix time."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError):
        raise SourceError(f"Firebase ML gives a time that is none for {origin} (expireTime is {text!r})") from None
