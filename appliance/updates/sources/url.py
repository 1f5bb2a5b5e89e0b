"""Models from a plain address on any static host: a manifest.json, a bundle's .zip, or a bare .tflite.

What is offered is known without a download: by the hashes that the manifest gives, else by what the server calls the
state of each file (`x-goog-hash`, ETag, Last-Modified). So an AutoML export that is put up again under the same names is
noticed, although its manifest never changes. A server that names no state at all has its files read to the end at each
check, since nothing else would tell.

Nothing is signed here: who can write to the host, or speak for it, chooses the model. The repository source is for
where that is not enough.
"""

import base64
import hashlib
import json
import logging
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urljoin, urlsplit

from appliance.bundle import manifest as manifests
from appliance.bundle.flatbuffer import MalformedError
from appliance.bundle.manifest import Manifest, parse_manifest
from appliance.bundle.tflite_metadata import MAX_LABEL_FILE_BYTES, extract_labels, read_facts
from appliance.errors import BundleError, DiskFullError, SourceChangedError, SourceError
from appliance.settings.schema import UpdateSettings
from appliance.system.urls import redact
from appliance.transport.download import DownloadSpec, download
from appliance.transport.http import Http
from appliance.transport.responses import HttpResponse, Validators
from appliance.updates.sources.source import Offer, Progress

log = logging.getLogger(__name__)

MAX_FILES = 20
_ONE_SLOW_READ_S = 600.0


@dataclass(frozen=True, slots=True)
class _State:
    """What a server calls the present state of one file.

    Attributes:
        url: Where the file is.
        token: Equal as long as the file is the same.
        validators: For conditional requests.
        length: In bytes, None where the server does not say.
    """

    url: str
    token: str
    validators: Validators
    length: int | None


@dataclass(frozen=True, slots=True)
class _Set:
    """A manifest with the files that belong to it; `sha256` where the manifest gives it, else `state` says which one."""

    url: str
    validators: Validators
    text: bytes
    manifest: Manifest
    states: dict[str, _State]

    @property
    def files(self) -> tuple[str, ...]:
        """Paths inside the bundle, the model first."""
        return _files(self.manifest)


class UrlSource:
    """One address."""

    def __init__(self, settings: UpdateSettings, http: Http):
        self._url = settings.url or ""
        self._max_bytes = settings.max_bytes
        self._http = http
        self._set: _Set | None = None
        self._state: _State | None = None
        self._manifest: bool | None = None
        name = unquote(urlsplit(self._url).path).lower()
        if name.endswith(".json"):
            self._manifest = True
        elif name.endswith((".zip", ".tflite")):
            self._manifest = False
        self.origin = redact(self._url)

    def check(self, requested: bool = False) -> Offer:
        """What is there now (see Source.check)."""
        if self._manifest is None:
            kind = self._http.head(self._url).headers.get("content-type", "")
            self._manifest = kind.partition(";")[0].strip().lower().endswith("json")
        if not self._manifest:
            self._state = self._state_of(self._url, self._state)
            return Offer(_hashed(self._url, self._state.token), size_bytes=self._state.length, private=self._state)
        self._set = found = self._read_set(self._set)
        manifest = found.manifest
        lengths = [found.states[name].length if name in found.states else None for name in found.files]
        return Offer(
            hash=_hashed(
                hashlib.sha256(found.text).hexdigest(), *(found.states[name].token for name in sorted(found.states))
            ),
            version=manifest.version,
            name=manifest.name,
            size_bytes=None if None in lengths else sum(lengths),
            sha256=manifest.sha256.get(manifest.model_file),
            private=found,
        )

    def fetch(self, offer: Offer, folder: Path, progress: Progress) -> Path:
        """Downloads the file, or the manifest's files (see Source.fetch)."""
        if isinstance(offer.private, _Set):
            return self._fetch_set(offer.private, folder, progress)
        return self._fetch_file(offer.private, folder, progress)

    def close(self) -> None:
        """Ends a request under way."""
        self._http.close()

    # What is offered

    def _read_set(self, before: _Set | None) -> _Set:
        answer = self._http.get(self._url, known=before.validators if before else None, max_bytes=manifests.MAX_BYTES)
        if answer.unchanged:
            url, text, manifest, validators = before.url, before.text, before.manifest, before.validators
        else:
            try:
                manifest = parse_manifest(answer.body, self.origin)
            except BundleError as error:
                # Nothing is refused for it: what stands here may be a host's error page, or half of an upload.
                raise SourceError(f"what is offered is not a bundle: {str(error).rstrip('.')}") from error
            url, text, validators = answer.url, answer.body, answer.validators
        if len(_files(manifest)) > MAX_FILES:
            raise SourceError(
                f"{self.origin} names {len(_files(manifest))} files, more than the {MAX_FILES} that are fetched"
            )
        states = {
            name: self._state_of(urljoin(url, quote(name)), before.states.get(name) if before else None)
            for name in _files(manifest)
            if name not in manifest.sha256
        }
        return _Set(url, validators, text, manifest, states)

    def _state_of(self, url: str, before: _State | None) -> _State:
        known = before.validators if before and before.url == url and before.validators else None
        answer = self._http.head(url, known=known)
        if answer.unchanged:
            return before
        if goog := _goog_md5(answer):
            token = f"md5:{goog}"
        elif answer.validators.etag:
            token = f"etag:{answer.validators.etag}"
        elif answer.validators.last_modified:
            token = f"date:{answer.validators.last_modified}:{answer.length}"
        else:
            token = f"sha256:{self._read_through(url)}"
        return _State(url, token, answer.validators, answer.length)

    def _read_through(self, url: str) -> str:
        """The SHA-256 of a file whose server names no state of it."""
        digest, got = hashlib.sha256(), 0
        with self._http.stream(url, {}, _ONE_SLOW_READ_S) as (response, where):
            if response.status_code != 200:
                raise SourceError(f"{redact(where)}: the server answers {response.status_code}")
            for piece in self._http.iterate_chunks(response):
                digest.update(piece)
                got += len(piece)
                if got > self._max_bytes:
                    raise SourceError(f"{redact(where)} sends more than the {self._max_bytes} bytes that are fetched")
        return digest.hexdigest()

    # Its bytes

    def _fetch_file(self, state: _State, folder: Path, progress: Progress) -> Path:
        name = _safe_name(posixpath.basename(unquote(urlsplit(state.url).path)))
        target = folder / name
        self._fetch_one(state.url, target, state, None, self._max_bytes, progress)
        if target.suffix.lower() == ".tflite":
            self._fetch_labels(state.url, target)
        return target

    def _fetch_set(self, found: _Set, folder: Path, progress: Progress) -> Path:
        # A manifest without a name is called after its folder, as on disk.
        bundle = folder / _safe_name(posixpath.basename(posixpath.dirname(unquote(urlsplit(found.url).path))))
        left_bytes = self._max_bytes
        for name in found.files:
            target = bundle / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._fetch_one(
                    urljoin(found.url, quote(name)), target, found.states.get(name), found.manifest.sha256.get(name),
                    left_bytes, progress if name == found.manifest.model_file else lambda got, of: None,
                )  # fmt: skip
            except SourceError as error:
                if not isinstance(error, SourceChangedError | DiskFullError):
                    self._see_that_nothing_changed(found)
                raise
            left_bytes -= target.stat().st_size
        self._see_that_nothing_changed(found)
        (bundle / "manifest.json").write_bytes(found.text)
        return bundle

    def _see_that_nothing_changed(self, found: _Set) -> None:
        """Files that are put up one after another may have been fetched half old, half new."""
        now = self._read_set(found)
        if now.text != found.text or {name: state.token for name, state in now.states.items()} != {
            name: state.token for name, state in found.states.items()
        }:
            raise SourceChangedError(f"{self.origin} was replaced while it was fetched")

    def _fetch_one(
        self, url: str, target: Path, state: _State | None, sha256: str | None, max_bytes: int, progress: Progress
    ) -> None:
        token = f"sha256:{sha256}" if sha256 else state.token
        note = target.with_name(target.name + ".whole")
        if target.is_file() and note.is_file() and note.read_text(encoding="utf-8") == token:
            return  # from an earlier try
        wanted = DownloadSpec(
            max_bytes, state.length if state else None, state.validators if state else Validators(),
            immutable=sha256 is not None, watch_disk=True,
        )  # fmt: skip
        target.unlink(missing_ok=True)
        answer = download(self._http, url, target, wanted, progress)
        for kind, expected in (("sha256", sha256 or _from(token, "sha256")), ("md5", _goog_md5(answer))):
            if expected and _digest(target, kind) != expected:
                target.unlink()
                raise SourceError(
                    f"{redact(url)} has another {kind} than was announced: it was damaged on the way, or not all was put up"
                )
        note.write_text(token, encoding="utf-8")

    def _fetch_labels(self, url: str, model: Path) -> None:
        """The label file beside a bare .tflite that carries none, under the names it has in practice."""
        try:
            content = model.read_bytes()
            if extract_labels(content, read_facts(content)) is not None:
                return
        except MalformedError:
            return  # reading the bundle says what is wrong
        for name in (f"{model.stem}.txt", "dict.txt", "labels.txt"):
            answer = self._http.get(urljoin(url, quote(name)), max_bytes=MAX_LABEL_FILE_BYTES, statuses=(403, 404))
            if answer.status == 200 and "html" not in answer.headers.get("content-type", ""):
                (model.parent / name).write_bytes(answer.body)
                return


def _files(manifest: Manifest) -> tuple[str, ...]:
    named = [manifest.model_file, manifest.labels_file, *sorted(manifest.sha256)]
    return tuple(dict.fromkeys(name for name in named if name))


def _hashed(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _from(token: str, kind: str) -> str | None:
    return token.removeprefix(f"{kind}:") if token.startswith(f"{kind}:") else None


def _goog_md5(answer: HttpResponse) -> str | None:
    """The MD5 in hex that Cloud Storage gives: `x-goog-hash: crc32c=…,md5=BASE64`."""
    for part in answer.headers.get("x-goog-hash", "").split(","):
        name, _, value = part.strip().partition("=")
        if name == "md5":
            try:
                return base64.b64decode(value, validate=True).hex()
            except ValueError:
                return None
    return None


def _digest(file: Path, kind: str) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, kind).hexdigest()


def _safe_name(name: str) -> str:
    """A name from an address as a name on disk."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".")[:100] or "model"
