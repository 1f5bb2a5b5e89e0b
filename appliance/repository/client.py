"""A signed repository of models, seen from a device: the only importer of tuf on this side.

The repository is a TUF one (The Update Framework): a root file that came with the device names the keys, and everything
else is believed because one of them signed it. python-tuf's ngclient does that work: it follows the chain of roots when
keys change, and refuses what is older than what was seen, expired, mixed from two states, too long or tampered with. This
module gives it the project's transport, keeps its files, and turns what it finds wrong into sentences.

What always holds: nothing is trusted on first use; what `open` and `read` return was signed, is not expired by this
device's clock, and that clock is not before the moment at which the repository was signed. Without this last check a
clock that was set back would make old metadata look fresh.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import Metadata, TargetFile, Targets
from tuf.api.serialization import DeserializationError
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from appliance.errors import HttpStatusError, SourceError, SourceSettingsError
from appliance.system.atomic_files import sync_folder

Fetch = Callable[[str, int], bytes]
"""Gets a small file: its address and the most bytes. Raises HttpStatusError, SourceError."""

# Metadata is small; what is larger is no metadata. In bytes.
_LIMITS = UpdaterConfig(
    root_max_length=128 * 1024,
    timestamp_max_length=16 * 1024,
    snapshot_max_length=64 * 1024,
    targets_max_length=2 * 1024 * 1024,
)
MAX_METADATA_BYTES = _LIMITS.targets_max_length
SIGNED_AT = "signed_at"
"""The field of the timestamp's metadata that says when it was signed (RFC 3339, UTC); it is signed with the rest."""
# The clocks of an operator and a device may differ by this much before it is called wrong.
CLOCK_TOLERANCE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class RepositoryTarget:
    """A file that the repository vouches for.

    Attributes:
        path: Its name in the repository.
        url: Where its bytes are.
        size_bytes: How many there are.
        sha256: Of them, in hex.
        custom: What the operator wrote beside it.
    """

    path: str
    url: str
    size_bytes: int
    sha256: str
    custom: Mapping[str, Any]

    def verify(self, file: Path) -> None:
        """Checks that a file has the bytes that were signed.

        Raises:
            SourceError: It has others.
            OSError: It cannot be read.
        """
        signed = TargetFile(self.size_bytes, {"sha256": self.sha256}, self.path)
        try:
            with file.open("rb") as opened:
                signed.verify_length_and_hashes(opened)
        except LengthOrHashMismatchError:
            raise SourceError(
                f"{self.url} is not what was signed: its bytes were changed on the server or on the way"
            ) from None


class TrustedRepository:
    """The newest state of a repository that can be trusted. Not safe to use from two threads or processes at a time."""

    def __init__(self, folder: Path, root: bytes, url: str, fetch: Fetch):
        """Args:
        folder: Where trusted metadata is kept for ever; made where it is missing.
        root: The root metadata that came with the device.
        url: The repository: `metadata/` and `targets/` are below it.
        fetch: Gets the small files.
        """
        self._folder, self._root, self._fetch = folder, root, fetch
        self._url = url.rstrip("/")
        self._updater: Updater | None = None

    def refresh(self) -> None:
        """Asks for the newest state; what was seen before stays trusted when it fails.

        Raises:
            SourceError: The repository cannot be reached, is expired, or is refused; says why.
            SourceSettingsError: The root that came with the device cannot be used.
            OSError: The folder cannot be written to.
        """
        self._updater = None
        self._folder.mkdir(parents=True, exist_ok=True)
        fetcher = _Fetcher(self._fetch)
        try:
            updater = Updater(
                str(self._folder), f"{self._url}/metadata/", fetcher=fetcher, config=_LIMITS, bootstrap=self._root
            )
        except RepositoryError as error:
            raise SourceSettingsError(
                f"the root metadata that came with this device cannot be used: {error}"
            ) from error
        before = self._kept_timestamp()
        try:
            updater.refresh()
        except (RepositoryError, DownloadError) as error:
            self._check_clock(before)
            raise self._refused(error, fetcher.last) from error
        finally:
            after = self._kept_timestamp()
            if after != before:
                self._sync()
        self._check_clock(after)
        self._updater = updater

    def find_target(self, path: str) -> RepositoryTarget | None:
        """What the repository says of a target, None where it has none of this name; `refresh` succeeded before.

        Raises:
            SourceError: It names no SHA-256 for it, or what it delegates cannot be trusted.
        """
        if self._updater is None:
            raise SourceError(f"{self._url} was not refreshed")
        try:
            info = self._updater.get_targetinfo(path)
        except (RepositoryError, DownloadError) as error:
            raise self._refused(error, path) from error
        return None if info is None else self._target(path, info)

    def list_targets(self) -> list[str]:
        """The names of all targets that the repository signs itself; `refresh` succeeded before."""
        content = (self._folder / "targets.json").read_bytes()
        return sorted(Metadata[Targets].from_bytes(content).signed.targets)

    def read_target(self, target: RepositoryTarget, max_bytes: int) -> bytes:
        """The bytes of a small target; what was read before is kept in the folder and not fetched again.

        Raises:
            SourceError: They cannot be fetched, are more than `max_bytes`, or are not those that were signed.
            OSError: The folder cannot be written to.
        """
        if target.size_bytes > max_bytes:
            raise SourceError(f"{target.url} has {target.size_bytes} bytes, more than the {max_bytes} that are read")
        kept = self._folder / "small" / quote(target.path, safe="")
        with contextlib.suppress(OSError, SourceError):
            target.verify(kept)
            return kept.read_bytes()
        try:
            content = self._fetch(target.url, target.size_bytes)
        except HttpStatusError as error:
            if error.status not in (403, 404):
                raise  # it says itself when to ask again
            raise SourceError(f"{self._url} is half deployed: {error}") from error
        kept.parent.mkdir(exist_ok=True)
        # Not synced: a torn file does not verify and is fetched again.
        beside = kept.with_name(f".{kept.name}.new")
        beside.write_bytes(content)
        try:
            target.verify(beside)
        except SourceError:
            beside.unlink()
            raise
        os.replace(beside, kept)
        return content

    def _target(self, path: str, info: TargetFile) -> RepositoryTarget:
        sha256 = info.hashes.get("sha256", "")
        if len(sha256) != 64:
            raise SourceError(f"{self._url}: the metadata names no SHA-256 for {path}")
        folder, _, name = path.rpartition("/")
        # Consistent snapshots: the hash is part of the name, so that one address always holds the same bytes.
        first = next(iter(info.hashes.values()))
        place = f"{folder}/{first}.{name}" if folder else f"{first}.{name}"
        return RepositoryTarget(path, f"{self._url}/targets/{quote(place)}", info.length, sha256, info.custom or {})

    def _kept_timestamp(self) -> bytes | None:
        with contextlib.suppress(OSError):
            return (self._folder / "timestamp.json").read_bytes()
        return None

    def _check_clock(self, timestamp: bytes | None) -> None:
        """Raises where this device's clock is before the moment at which the trusted timestamp was signed."""
        signed_at, clock = _signed_at(timestamp), datetime.now(UTC)
        if signed_at is not None and clock < signed_at - CLOCK_TOLERANCE:
            raise SourceError(
                f"this device's clock is wrong: it says {clock:%Y-%m-%d}, and is before the moment at which {self._url} was "
                f"signed ({signed_at:%Y-%m-%d %H:%M} UTC); nothing is updated until the clock is right (see timedatectl)"
            )

    def _refused(self, error: Exception, last: str) -> SourceError:
        """What ngclient found wrong, in a sentence; `last` is the file it asked for last.

        No sentence holds the time of day: what is the same trouble at the next check must read the same, or it is told anew.
        """
        where = f"{self._url}/metadata/{last}"
        match error:
            case DownloadHTTPError():
                status = error.__cause__
                if error.status_code not in (403, 404) and isinstance(status, HttpStatusError):
                    return status
                if last == "timestamp.json":
                    return SourceError(f"{self._url} is no repository of models: {error}")
                return SourceError(f"{self._url} is half deployed: {error}")
            case ExpiredMetadataError():
                return SourceError(
                    f"the metadata of {self._url} expired ({error}; the clock here says {datetime.now(UTC):%Y-%m-%d}): "
                    "labeling goes on, but nothing is updated until its operator signs it again (appliance publish refresh)"
                )
            case BadVersionNumberError():
                return SourceError(
                    f"{where} is refused: it is older than what was seen before, or of another state ({error})"
                )
            case UnsignedMetadataError():
                return SourceError(f"{where} is refused: it is not signed with the keys that the root names")
            case DeserializationError():
                return SourceError(
                    f"{where} is not metadata: it is damaged, or the server sends a page for files that do not exist (a rewrite)"
                )
            case DownloadLengthMismatchError():
                return SourceError(f"{where} is refused: it is longer than it may be")
            case _:
                return SourceError(f"{where} is refused: {error}")

    def _sync(self) -> None:
        """Makes the trusted metadata survive a power cut: without it an attacker could go back to an older state."""
        history = self._folder / "root_history"
        for file in (*self._folder.glob("*.json"), *history.glob("*.json")):
            if not file.is_symlink():
                with file.open("rb") as opened:
                    os.fsync(opened.fileno())
        sync_folder(history)
        sync_folder(self._folder)


class _Fetcher(FetcherInterface):
    """ngclient's way to the network. `last` is the file that was asked for last."""

    def __init__(self, fetch: Fetch):
        self._get = fetch
        self.last = ""

    def _fetch(self, url: str) -> Iterator[bytes]:
        """Yields, so that a SourceError comes out as it is: ngclient would wrap what the call itself raises."""
        self.last = url.rpartition("/")[2]
        try:
            yield self._get(url, MAX_METADATA_BYTES)
        except HttpStatusError as error:
            raise DownloadHTTPError(str(error), error.status) from error


def _signed_at(timestamp: bytes | None) -> datetime | None:
    """When trusted timestamp metadata was signed, None where it does not say."""
    try:
        found = json.loads(timestamp or b"")["signed"][SIGNED_AT]
        return datetime.fromisoformat(found).astimezone(UTC)
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
