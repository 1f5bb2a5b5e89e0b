"""Remember which bytes a server delivered under which validator, because the validator alone does not identify them.

A server may derive its ETag from size and time (nginx), or serve the old bytes under the new ETag for some seconds (a
cache). So the bytes are compared again from time to time, and a change under the same validator becomes visible in the
token of the file. An ETag that is a hash of the bytes needs no comparison.
"""

import hashlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.system.state_file import StateFile

log = logging.getLogger("appliance.updates")

FILE_NAME = "url-source.json"
MAX_FILES = 40
_HASH_ETAG = re.compile(r'(?:W/)?"?([0-9a-f]{16,64})"?')


@dataclass(frozen=True, slots=True)
class KnownContent:
    """What was delivered for one address.

    Attributes:
        validator: The validator under which it was delivered.
        sha256: The SHA-256 of the content, in hex.
        is_proven: Whether the validator is a hash of the content.
        is_replaced: Whether other content was delivered under the same validator before.
        labels: The name of the label file that is part of `sha256`, because it was fetched with a model; may be empty.
    """

    validator: str
    sha256: str
    is_proven: bool = False
    is_replaced: bool = False
    labels: str = ""

    @property
    def token(self) -> str:
        """A token that stays the same while the content does not change."""
        return f"{self.validator};sha256:{self.sha256}" if self.is_replaced else self.validator

    @property
    def is_bound(self) -> bool:
        """Whether the token identifies the content."""
        return self.is_proven or self.is_replaced


class ContentMemory:
    """The known contents of the files of one source, by address, in a file of the state folder."""

    def __init__(self, folder: Path | None):
        """Read the file; without a folder, nothing is kept when the program ends."""
        self._file: StateFile[dict[str, KnownContent]] | None = None
        self._contents: dict[str, KnownContent] = {}
        if folder:
            self._file = StateFile(
                folder / FILE_NAME,
                _decode,
                _encode,
                {},
                mode=0o640,
                if_unreadable="a file that changes without a new ETag or date is noticed after the next download",
                log=log,
            )
            self._contents = self._file.read()

    def find(self, url: str, validator: str) -> KnownContent | None:
        """Return the content that was delivered for an address under this validator; None if it is not known."""
        known = self._contents.get(url)
        return known if known and known.validator == validator else None

    def record(self, url: str, validator: str, sha256: str, is_proven: bool = False, labels: str = "") -> KnownContent:
        """Record what was delivered for an address, and return it."""
        before = self.find(url, validator)
        is_replaced = before is not None and (before.is_replaced or before.sha256 != sha256)
        known = KnownContent(validator, sha256, is_proven and not is_replaced, is_replaced, labels)
        if known != before:
            self._contents.pop(url, None)
            self._contents[url] = known
            while len(self._contents) > MAX_FILES:
                del self._contents[next(iter(self._contents))]
            if self._file:
                self._file.write_or_warn(self._contents, "the same files may be downloaded again after a restart")
        return known


def is_hash_of(etag: str | None, content: Path) -> bool:
    """Return whether an ETag is the beginning of a usual hash of a file's content, in hex."""
    match = _HASH_ETAG.fullmatch((etag or "").strip())
    if match is None:
        return False
    for algorithm in ("sha256", "md5", "sha1"):
        with content.open("rb") as file:
            if hashlib.file_digest(file, algorithm).hexdigest().startswith(match[1]):
                return True
    return False


def _encode(contents: Mapping[str, KnownContent]) -> dict[str, Any]:
    return {
        url: {
            "validator": known.validator,
            "sha256": known.sha256,
            "proven": known.is_proven,
            "replaced": known.is_replaced,
            "labels": known.labels,
        }
        for url, known in contents.items()
    }


def _decode(values: Any) -> dict[str, KnownContent]:
    contents = {}
    for url, entry in values.items():
        texts = [entry[key] for key in ("validator", "sha256", "labels")]
        flags = [entry[key] for key in ("proven", "replaced")]
        if not all(isinstance(text, str) for text in texts) or not all(isinstance(flag, bool) for flag in flags):
            raise TypeError("a value has the wrong type")
        contents[url] = KnownContent(texts[0], texts[1], flags[0], flags[1], texts[2])
    return contents
