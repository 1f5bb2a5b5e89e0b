"""Read a signed model repository on a device; outside of the workshop, only this module imports tuf.

The repository follows TUF (The Update Framework): a root file that was installed on the device lists the keys, and
everything else is trusted only if it is signed with them. python-tuf's ngclient does this: it follows the chain of
roots if keys change, and rejects metadata that is older than a known version, expired, mixed from two states, too long
or modified. This module gives ngclient the project's transport, syncs its files, and converts its errors.

Guarantees: nothing is trusted on first use. Everything that `find_target` and `read_target` return was signed and has
not expired by this device's clock, and this clock is not before the time at which the repository was signed. Without
this last check, old metadata would look fresh if the clock were set back.
"""

import contextlib
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

# The type checker cannot see tuf's re-exports: its __all__ is missing or computed.
from tuf.api.metadata import Metadata, TargetFile, Targets
from tuf.api.serialization import DeserializationError
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from appliance.errors import HttpStatusError, SourceError, SourceSettingsError
from appliance.system.atomic_files import sync_folder
from appliance.system.foreign_text import clean_text
from appliance.system.json_text import parse_json
from appliance.system.regular_files import read_regular_file

Fetch = Callable[[str, int], bytes]
"""Fetches a small file, given its URL and the maximum size in bytes. Raises HttpStatusError, SourceError."""

# In bytes; anything larger is not metadata.
_LIMITS = UpdaterConfig(
    root_max_length=128 * 1024,
    timestamp_max_length=16 * 1024,
    snapshot_max_length=64 * 1024,
    targets_max_length=2 * 1024 * 1024,
)
MAX_METADATA_BYTES: int = _LIMITS.targets_max_length
SIGNED_AT = "signed_at"
"""The field of the timestamp's metadata with the time of signing (RFC 3339, UTC); it is signed with the rest."""
_MAX_FAULT = 300
# The clocks of an operator and a device may differ by this much before an error is reported.
CLOCK_TOLERANCE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class RepositoryTarget:
    """A file whose size and hash the repository signed.

    Attributes:
        path: The file's name in the repository.
        url: The URL of its content.
        size_bytes: The size of the content.
        sha256: The SHA-256 of the content, in hex.
        custom: Additional fields from the operator.
    """

    path: str
    url: str
    size_bytes: int
    sha256: str
    custom: Mapping[str, Any]

    def verify(self, file: Path) -> None:
        """Check that a file has the content that was signed.

        Raises:
            SourceError: The content is different.
            OSError: The file cannot be read.
        """
        signed = TargetFile(self.size_bytes, {"sha256": self.sha256}, self.path)
        try:
            with file.open("rb") as opened:
                signed.verify_length_and_hashes(opened)
        except LengthOrHashMismatchError:
            raise SourceError(
                f"{self.url} does not match its signature: it was changed on the server or in transit"
            ) from None


class TrustedRepository:
    """The newest trusted state of a repository. Must not be used by two threads or processes at the same time.

    Call `refresh` first, then `find_target` and `list_targets`, then `read_target`.
    """

    def __init__(self, folder: Path, root: bytes, url: str, fetch: Fetch) -> None:
        """Open a repository; nothing is read yet.

        Args:
            folder: Stores the trusted metadata permanently; created if missing.
            root: The root metadata that was installed on the device.
            url: The repository's URL, with `metadata/` and `targets/` below it.
            fetch: Fetches the small files.
        """
        self._folder, self._root, self._fetch = folder, root, fetch
        self._url = url.rstrip("/")
        self._updater: Updater | None = None

    def refresh(self) -> None:
        """Fetch the newest state; if that fails, the last known state remains trusted.

        Raises:
            SourceError: The repository cannot be reached, is expired, or is rejected; the message states why.
            SourceSettingsError: The root that was installed on the device cannot be used.
            OSError: The folder cannot be written.
        """
        self._updater = None
        self._folder.mkdir(parents=True, exist_ok=True)
        fetcher = _Fetcher(self._fetch)
        try:
            updater = Updater(
                str(self._folder), f"{self._url}/metadata/", fetcher=fetcher, config=_LIMITS, bootstrap=self._root
            )
        except RepositoryError as error:
            raise SourceSettingsError(f"the root metadata of this device cannot be used: {error}") from error
        before = self._read_timestamp()
        try:
            updater.refresh()
        except (RepositoryError, DownloadError) as error:
            self._check_clock(before)
            raise self._convert_error(error, fetcher.last_file) from error
        finally:
            after = self._read_timestamp()
            if after != before:
                self._sync()
        self._check_clock(after)
        self._updater = updater

    def find_target(self, path: str) -> RepositoryTarget | None:
        """Return a target of the repository, or None if there is none with this name; requires a `refresh`.

        Raises:
            SourceError: There was no successful `refresh`, the target's metadata has no SHA-256, or a delegation cannot
                be trusted.
        """
        if self._updater is None:
            raise SourceError(f"{self._url} has not been refreshed")
        try:
            info = self._updater.get_targetinfo(path)
        except (RepositoryError, DownloadError) as error:
            raise self._convert_error(error, path) from error
        return None if info is None else self._make_target(path, info)

    def list_targets(self) -> list[str]:
        """Return the names of all targets that the repository itself signs; requires a successful `refresh`."""
        content = read_regular_file(self._folder / "targets.json")
        return sorted(Metadata[Targets].from_bytes(content).signed.targets)

    def has_target_with_hash(self, sha256: str) -> bool:
        """Return whether the repository itself signs a target with this content; requires a successful `refresh`."""
        content = read_regular_file(self._folder / "targets.json")
        targets = Metadata[Targets].from_bytes(content).signed.targets.values()
        return any(target.hashes.get("sha256") == sha256 for target in targets)

    def read_target(self, target: RepositoryTarget, max_bytes: int) -> bytes:
        """Return the content of a small target, which is stored in the folder and not fetched again.

        Raises:
            SourceError: The content cannot be fetched, exceeds `max_bytes`, or does not match the signature.
            OSError: The folder cannot be written.
        """
        if target.size_bytes > max_bytes:
            raise SourceError(f"{target.url} has {target.size_bytes} bytes, more than the limit of {max_bytes}")
        kept = self._folder / "small" / quote(target.path, safe="")
        with contextlib.suppress(OSError, SourceError):
            target.verify(kept)
            return read_regular_file(kept)
        try:
            content = self._fetch(target.url, target.size_bytes)
        except HttpStatusError as error:
            if error.status not in (403, 404):
                raise  # the error contains the time of the next attempt
            raise SourceError(f"{self._url} is only partly deployed: {error}") from error
        kept.parent.mkdir(exist_ok=True)
        fetched = kept.with_name(f".{kept.name}.new")
        # Not synced, because a torn file fails the verification and is fetched again.
        fetched.write_bytes(content)
        try:
            target.verify(fetched)
        except SourceError:
            fetched.unlink()
            raise
        fetched.replace(kept)
        return content

    def _make_target(self, path: str, info: TargetFile) -> RepositoryTarget:
        sha256 = info.hashes.get("sha256", "")
        if len(sha256) != 64:
            raise SourceError(f"{self._url}: the metadata of {path} has no SHA-256")
        folder, _, name = path.rpartition("/")
        # Consistent snapshots: the hash is part of the name, so that one URL always serves the same bytes.
        prefix = next(iter(info.hashes.values()))
        hashed_path = f"{folder}/{prefix}.{name}" if folder else f"{prefix}.{name}"
        url = f"{self._url}/targets/{quote(hashed_path)}"
        return RepositoryTarget(path, url, info.length, sha256, info.custom if isinstance(info.custom, dict) else {})

    def _read_timestamp(self) -> bytes | None:
        with contextlib.suppress(OSError):
            return read_regular_file(self._folder / "timestamp.json")
        return None

    def _check_clock(self, timestamp: bytes | None) -> None:
        """Raise SourceError if this device's clock is before the time at which the trusted timestamp was signed."""
        signed_at, clock = parse_signing_time(timestamp), datetime.now(UTC)
        if signed_at is not None and clock + CLOCK_TOLERANCE < signed_at:  # signed_at may be in the year 1
            raise SourceError(
                f"this device's clock is wrong: it shows {clock:%Y-%m-%d}, before the time at which {self._url} was "
                f"signed ({signed_at:%Y-%m-%d %H:%M} UTC); updates wait until the clock is correct (see timedatectl)"
            )

    def _convert_error(self, error: Exception, last_file: str) -> SourceError:
        """Convert an error of ngclient; `last_file` is the file that it requested last.

        No message contains the time of day, so that the same fault gives the same message and is not reported again.
        """
        if isinstance(error, DownloadHTTPError):
            status = error.__cause__
            if error.status_code not in (403, 404) and isinstance(status, HttpStatusError):
                return status
            is_repository = last_file != "timestamp.json"
            return SourceError(
                f"{self._url} is {'only partly deployed' if is_repository else 'not a model repository'}: {error}"
            )
        if isinstance(error, ExpiredMetadataError):
            return SourceError(
                f"the metadata of {self._url} has expired ({error}; this device's date is "
                f"{datetime.now(UTC):%Y-%m-%d}); labeling continues without updates until the operator signs the "
                "repository again (appliance publish refresh)"
            )
        return SourceError(f"{self._url}/metadata/{last_file} {clean_text(_describe_fault(error), _MAX_FAULT)}")

    def _sync(self) -> None:
        """Sync the trusted metadata; if it were lost in a power cut, an attacker could replay an older state."""
        history = self._folder / "root_history"
        for file in (*self._folder.glob("*.json"), *history.glob("*.json")):
            if not file.is_symlink():
                with file.open("rb") as opened:
                    os.fsync(opened.fileno())
        sync_folder(history)
        sync_folder(self._folder)


class _Fetcher(FetcherInterface):
    """ngclient's network access. `last_file` is the name of the file that was requested last."""

    def __init__(self, fetch: Fetch) -> None:
        self._get = fetch
        self.last_file = ""

    def _fetch(self, url: str) -> Iterator[bytes]:
        """Yield the content; a generator, because ngclient would wrap a SourceError raised by the call itself."""
        self.last_file = url.rpartition("/")[2]
        try:
            content = self._get(url, MAX_METADATA_BYTES)
        except HttpStatusError as error:
            raise DownloadHTTPError(str(error), error.status) from error
        with contextlib.suppress(ValueError):
            parse_json(content)
            yield content  # otherwise nothing, which ngclient rejects as metadata that is damaged


def _describe_fault(error: Exception) -> str:
    match error:
        case BadVersionNumberError():
            return f"is rejected: it is older than an already known version, or belongs to a different state ({error})"
        case UnsignedMetadataError():
            return "is rejected: it is not signed with the keys of the root"
        case DeserializationError():
            return "is not metadata: it is damaged, or the server sends a page for missing files (a rewrite rule)"
        case DownloadLengthMismatchError():
            return "is rejected: it exceeds the maximum length"
        case _:
            return f"is rejected: {error}"


def parse_signing_time(timestamp: bytes | None) -> datetime | None:
    """Return the time at which trusted timestamp metadata was signed, or None if the metadata lacks it."""
    try:
        signed_at = parse_json(timestamp or b"")["signed"][SIGNED_AT]
        return datetime.fromisoformat(signed_at).astimezone(UTC)
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
