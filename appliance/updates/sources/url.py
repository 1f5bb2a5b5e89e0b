"""Get models from a plain address on any static host: a manifest.json, a bundle's .zip, or a bare .tflite.

The offer is identified without a download: by the hashes in the manifest, or else by the server's validators for each
file (`x-goog-hash`, ETag, Last-Modified). So a new AutoML export under the old names is noticed although its manifest
never changes. If a server sends no validators, the files are read completely at each check, because nothing else
reveals a change.

Nothing is signed: anyone who can write to the host, or tamper with the connection, decides which model runs. If that is
not good enough, use the repository source.
"""

import hashlib
import json
import math
import posixpath
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote, urljoin, urlsplit

from appliance.bundle.files import MODEL_SUFFIXES
from appliance.bundle.flatbuffer import MalformedError
from appliance.bundle.manifest import MAX_BYTES as MAX_MANIFEST_BYTES
from appliance.bundle.manifest import parse_manifest
from appliance.bundle.tflite_metadata import MAX_LABEL_FILE_BYTES, extract_labels, read_facts
from appliance.errors import (
    BundleError,
    DiskFullError,
    HttpStatusError,
    SourceChangedError,
    SourceError,
    SourceGoneError,
)
from appliance.settings.schema import UpdateSettings
from appliance.system.urls import redact
from appliance.transport.download import DownloadSpec, download
from appliance.transport.http import Http
from appliance.transport.responses import Validators
from appliance.updates.sources.content_memory import ContentMemory, is_hash_of
from appliance.updates.sources.file_names import guess_manifest, make_safe_name
from appliance.updates.sources.file_state import (
    FilePart,
    FileState,
    ManifestSet,
    extract_digest,
    find_token,
    list_files,
    read_goog_md5,
)
from appliance.updates.sources.source import Offer, Progress

MAX_FILES = 20
_ONE_SLOW_READ_S = 600.0
_REMOVED = (404, 410)
# Contents are compared at most this often, except when the owner asks.
_COMPARE_EVERY_S = 3600.0


class UrlSource:
    """A source that reads one address."""

    def __init__(
        self,
        settings: UpdateSettings,
        http: Http,
        state: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Set the address from `settings.url`; nothing is requested yet.

        Args:
            settings: The update section.
            http: Sends the requests; closed with this source.
            state: The state folder, for what is known of the server's files; None to keep it in memory only.
            clock: Returns monotonic time in seconds.
        """
        self._url = settings.url or ""
        self._max_bytes = settings.max_bytes
        self._http = http
        self._set: ManifestSet | None = None
        self._state: FileState | None = None
        self._is_manifest = guess_manifest(self._url)
        self._memory = ContentMemory(state)
        self._clock = clock
        self._read_again_s = -math.inf
        self._was_forgotten = self._compares = False
        self.origin = redact(self._url)

    def check(self, requested: bool = False) -> Offer:
        """Return the current offer (see Source.check)."""
        self._compares = self._was_forgotten and (requested or self._clock() >= self._read_again_s)
        self._was_forgotten = False
        if self._compares:
            self._read_again_s = self._clock() + _COMPARE_EVERY_S
        try:
            return self._check()
        except HttpStatusError as error:
            if error.status in _REMOVED:
                raise SourceGoneError(str(error)) from error
            raise
        finally:
            self._compares = False

    def _check(self) -> Offer:
        if self._is_manifest is None:
            content_type = self._http.head(self._url).headers.get("content-type", "")
            self._is_manifest = content_type.partition(";")[0].strip().lower().endswith("json")
        if not self._is_manifest:
            self._state = state = self._read_file_state(self._url, self._state)
            return Offer(_hash(self._url, state.token), size_bytes=state.length, is_bound=state.is_bound, private=state)
        self._set = found = self._read_set(self._set)
        manifest = found.manifest
        return Offer(
            hash=_hash(hashlib.sha256(found.text).hexdigest(), *found.tokens.values()),
            version=manifest.version,
            name=manifest.name,
            size_bytes=found.size_bytes,
            sha256=manifest.sha256.get(manifest.model_file),
            is_bound=all(state.is_bound for state in found.states.values()),
            private=found,
        )

    def forget(self) -> None:
        """Ask for everything unconditionally, and compare contents (see Source.forget)."""
        self._set = self._state = None
        self._is_manifest = guess_manifest(self._url)
        self._was_forgotten = True

    def is_unchanged(self) -> bool:
        """Return False, because a check is already conditional (see Source.is_unchanged)."""
        return False

    def has_withdrawn(self, offer_hash: str) -> bool:
        """Return False, because something is always offered (see Source.has_withdrawn)."""
        return False

    def fetch(self, offer: Offer, folder: Path, progress: Progress) -> Path:
        """Download the file, or the manifest's files (see Source.fetch)."""
        if isinstance(offer.private, ManifestSet):
            return self._fetch_set(offer.private, folder, progress)
        return self._fetch_file(offer.private, folder, progress)

    def close(self) -> None:
        """End a current request (see Source.close)."""
        self._http.close()

    # The offer

    def _read_set(self, before: ManifestSet | None) -> ManifestSet:
        known = before.validators if before else None
        response = self._http.get(self._url, known=known, max_bytes=MAX_MANIFEST_BYTES)
        if response.is_unchanged and before:
            url, text, manifest, validators = before.url, before.text, before.manifest, before.validators
        else:
            try:
                manifest = parse_manifest(response.body, self.origin)
            except BundleError as error:
                # Not a rejection, because the response may be an error page of the host or an incomplete upload.
                raise SourceError(f"the offer is not a bundle: {error}") from error
            url, text, validators = response.url, response.body, response.validators
        files = list_files(manifest)
        if len(files) > MAX_FILES:
            raise SourceError(f"{self.origin} lists {len(files)} files, more than the limit of {MAX_FILES}")
        states = {
            name: self._read_file_state(urljoin(url, quote(name)), before.states.get(name) if before else None)
            for name in files
            if name not in manifest.sha256
        }
        return ManifestSet(url, validators, text, manifest, states)

    def _read_file_state(self, url: str, before: FileState | None) -> FileState:
        known = before.validators if before and before.url == url and before.validators else None
        response = self._http.head(url, known=known)
        if response.is_unchanged and before:
            return before
        token = find_token(response)
        if token is None:
            token = f"sha256:{self._hash_contents(url)}"
        if token.startswith(("md5:", "sha256:")):
            return FileState(url, token, token, True, response.validators, response.length)
        content = self._memory.find(url, token)
        if content and self._compares and not content.is_proven:
            content = self._memory.record(url, token, self._hash_contents(url, content.labels), labels=content.labels)
        if content is None:
            return FileState(url, token, token, False, response.validators, response.length)
        return FileState(url, content.token, token, content.is_bound, response.validators, response.length)

    def _hash_contents(self, url: str, labels: str = "") -> str:
        """Return the SHA-256 of the content of a file and of the label file beside it."""
        digest, received_bytes = hashlib.sha256(), 0
        with self._http.stream(url, {}, _ONE_SLOW_READ_S) as response:
            if response.status != 200:
                raise SourceError(f"{redact(response.url)}: the server answers {response.status}")
            for chunk in response.iterate_chunks():
                digest.update(chunk)
                received_bytes += len(chunk)
                if received_bytes > self._max_bytes:
                    raise SourceError(
                        f"{redact(response.url)} sends more than update.max_bytes allows ({self._max_bytes} bytes)"
                    )
        if labels:
            beside = urljoin(url, quote(labels))
            digest.update(self._http.get(beside, max_bytes=MAX_LABEL_FILE_BYTES, statuses=(403, 404)).body)
        return digest.hexdigest()

    # The download

    def _fetch_file(self, state: FileState, folder: Path, progress: Progress) -> Path:
        target = folder / make_safe_name(posixpath.basename(unquote(urlsplit(state.url).path)))
        self._fetch_one(FilePart(state.url, target, state, None), self._max_bytes, progress)
        labels = self._fetch_labels(state.url, target) if target.suffix.lower() in MODEL_SUFFIXES else ""
        self._remember(state, target, labels)
        return target

    def _fetch_set(self, found: ManifestSet, folder: Path, progress: Progress) -> Path:
        # A bundle with no name in its manifest is named after its folder, as on disk.
        bundle = folder / make_safe_name(posixpath.basename(posixpath.dirname(unquote(urlsplit(found.url).path))))
        left_bytes = self._max_bytes
        for name in found.files:
            target = bundle / name
            target.parent.mkdir(parents=True, exist_ok=True)
            url = urljoin(found.url, quote(name))
            part = FilePart(url, target, found.states.get(name), found.manifest.sha256.get(name))
            is_model = name == found.manifest.model_file
            try:
                self._fetch_one(part, left_bytes, progress if is_model else _ignore_progress)
            except SourceError as error:
                if not isinstance(error, SourceChangedError | DiskFullError):
                    self._require_unchanged(found)
                raise
            if part.state:
                self._remember(part.state, target)
            left_bytes -= target.stat().st_size
        self._require_unchanged(found)
        (bundle / "manifest.json").write_bytes(found.text)
        return bundle

    def _require_unchanged(self, found: ManifestSet) -> None:
        """Raise if the set changed, because files that are uploaded one by one may be a mix of old and new."""
        now = self._read_set(found)
        if now.text != found.text or now.tokens != found.tokens:
            raise SourceChangedError(f"{self.origin} was replaced during the download")

    def _fetch_one(self, part: FilePart, max_bytes: int, progress: Progress) -> None:
        note = part.target.with_name(part.target.name + ".whole")
        if part.target.is_file() and note.is_file() and note.read_bytes() == part.token.encode():
            return  # an earlier attempt downloaded it
        spec = DownloadSpec(
            max_bytes,
            part.state.length if part.state else None,
            part.state.validators if part.state else Validators(),
            immutable=part.sha256 is not None,
            watch_disk=True,
        )
        part.target.unlink(missing_ok=True)
        response = download(self._http, part.url, part.target, spec, progress)
        expected_sha256 = part.sha256 or extract_digest(part.token, "sha256")
        for algorithm, expected in (("sha256", expected_sha256), ("md5", read_goog_md5(response))):
            if expected and _hash_file(part.target, algorithm) != expected:
                part.target.unlink()
                raise SourceError(
                    f"{redact(part.url)} does not match the announced {algorithm}: it was damaged in transit, or the "
                    "upload is incomplete"
                )
        note.write_text(part.token, encoding="utf-8")

    def _remember(self, state: FileState, target: Path, labels: str = "") -> None:
        """Record which content was delivered under which validator.

        Raises:
            SourceChangedError: Other content was delivered under the same validator before.
        """
        if state.validator.startswith(("md5:", "sha256:")):
            return
        digest = hashlib.sha256(target.read_bytes())
        if labels:
            digest.update((target.parent / labels).read_bytes())
        is_proven = is_hash_of(state.validators.etag, target)
        known = self._memory.record(state.url, state.validator, digest.hexdigest(), is_proven, labels)
        if known.token != state.token:
            raise SourceChangedError(f"{redact(state.url)} was replaced under the same {state.validator.split(':')[0]}")

    def _fetch_labels(self, url: str, model: Path) -> str:
        """Fetch the label file of a .tflite file without labels from the same folder, under common names.

        Returns:
            The name of the label file; empty if there is none, or the model has its labels.
        """
        try:
            content = model.read_bytes()
            if extract_labels(content, read_facts(content)) is not None:
                return ""
        except MalformedError:
            return ""  # reading the bundle reports it
        for name in (f"{model.stem}.txt", "dict.txt", "labels.txt"):
            response = self._http.get(urljoin(url, quote(name)), max_bytes=MAX_LABEL_FILE_BYTES, statuses=(403, 404))
            if response.status == 200 and "html" not in response.headers.get("content-type", ""):
                (model.parent / name).write_bytes(response.body)
                return name
        return ""


def _ignore_progress(_received_bytes: int, _total_bytes: int | None) -> None:
    """Ignore the progress of small files, because the progress of the model is enough."""


def _hash(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _hash_file(file: Path, algorithm: str) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, algorithm).hexdigest()
