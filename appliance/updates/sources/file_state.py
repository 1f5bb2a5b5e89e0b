"""What a server states about files, and what is to be downloaded, as values."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.bundle.manifest import Manifest
from appliance.transport.responses import HttpResponse, Validators


@dataclass(frozen=True, slots=True)
class FileState:
    """A server's description of one file.

    Attributes:
        url: The address of the file.
        token: Stays the same while the file does not change.
        validator: The part of the token that the server states.
        is_bound: Whether the token identifies the content; if not, the same token may come with other content.
        validators: For conditional requests.
        length: The size in bytes; None if the server does not send it.
    """

    url: str
    token: str
    validator: str
    is_bound: bool
    validators: Validators
    length: int | None


@dataclass(frozen=True, slots=True)
class ManifestSet:
    """A manifest and its files. `states` has the files whose hashes are not in the manifest, by name."""

    url: str
    validators: Validators
    text: bytes
    manifest: Manifest
    states: Mapping[str, FileState]

    @property
    def files(self) -> tuple[str, ...]:
        """Paths inside the bundle, the model first."""
        return list_files(self.manifest)

    @property
    def tokens(self) -> dict[str, str]:
        """The tokens of the files whose hashes are not in the manifest."""
        return {name: state.token for name, state in sorted(self.states.items())}

    @property
    def size_bytes(self) -> int | None:
        """The total size of all files; None if unknown."""
        lengths = [self.states[name].length if name in self.states else None for name in self.files]
        known = [length for length in lengths if length is not None]
        return sum(known) if len(known) == len(lengths) else None


@dataclass(frozen=True, slots=True)
class FilePart:
    """One file to download. `sha256` comes from the manifest; if it is missing, `state` identifies the file."""

    url: str
    target: Path
    state: FileState | None
    sha256: str | None

    @property
    def token(self) -> str:
        """A token that stays the same while the file does not change."""
        if self.sha256:
            return f"sha256:{self.sha256}"
        return self.state.token if self.state else ""


def list_files(manifest: Manifest) -> tuple[str, ...]:
    """Return the files that a manifest names, the model first."""
    names = [manifest.model_file, manifest.labels_file, *sorted(manifest.sha256)]
    return tuple(dict.fromkeys(name for name in names if name))


def find_token(response: HttpResponse) -> str | None:
    """Return what the server states about the content, as a token; None if it states nothing."""
    if md5 := read_goog_md5(response):
        return f"md5:{md5}"
    if response.validators.etag:
        return f"etag:{response.validators.etag}"
    if response.validators.last_modified:
        return f"date:{response.validators.last_modified}:{response.length}"
    return None


def extract_digest(token: str, algorithm: str) -> str | None:
    """Return the hash in a token that consists of it; None if the token is another one."""
    return token.removeprefix(f"{algorithm}:") if token.startswith(f"{algorithm}:") else None


def read_goog_md5(response: HttpResponse) -> str | None:
    """Return in hex the MD5 that Cloud Storage sends: `x-goog-hash: crc32c=…,md5=BASE64`."""
    for part in response.headers.get("x-goog-hash", "").split(","):
        name, _, value = part.strip().partition("=")
        if name == "md5":
            try:
                return base64.b64decode(value, validate=True).hex()
            except ValueError:
                return None
    return None
