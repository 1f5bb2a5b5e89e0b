"""Get models from a signed repository on any static host: the channel names the bundle that is offered to this device.

The operator decides by signing a channel (repository/channel.py), so the channel may name an older version, which is
then installed. Files without the required signatures are rejected before they are used (repository/client.py). Bundles
are downloaded with the project's own downloader, which can resume, and are checked against the signed hash once they
are complete.
"""

import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import SourceError, SourceSettingsError, describe_unreadable
from appliance.repository import channel as channels
from appliance.repository.client import RepositoryTarget, TrustedRepository
from appliance.repository.requirements import DeviceTraits
from appliance.settings.schema import UpdateSettings
from appliance.system.foreign_text import clean_text
from appliance.system.urls import redact
from appliance.transport.download import DownloadSpec, download
from appliance.transport.http import Http
from appliance.updates.sources.source import Offer, Progress

if TYPE_CHECKING:
    from appliance.transport.responses import HttpResponse

log = logging.getLogger("appliance.updates")

MAX_ROOT_BYTES = 128 * 1024
_MAX_TEXT = 64
MAX_TIMESTAMP_BYTES = 16 * 1024


class RepositorySource:
    """One channel of one repository, for one device."""

    def __init__(
        self, settings: UpdateSettings, device: str, folder: Path, http: Http, traits: DeviceTraits | None = None
    ):
        """Read the root; nothing is requested yet.

        Args:
            settings: The update section, with url and root.
            device: The device id, which determines the device's place in a rollout.
            folder: The folder in which trusted metadata is kept.
            http: Sends the requests; closed with this source.
            traits: What the device has, for what entries of the channel require; None ignores the requirements.

        Raises:
            SourceSettingsError: A required setting is missing, or the root cannot be read.
        """
        if not settings.url or not settings.root:
            raise SourceSettingsError("update.source = 'repository' requires update.url and update.root")
        self._settings, self._device, self._http, self._traits = settings, device, http, traits
        self._reported: set[str] = set()
        self._address = redact(settings.url)
        self.origin = f"channel {settings.channel} of {self._address}"
        self._timestamp: HttpResponse | None = None
        self._is_checked = False
        self._has_entries = False
        self._repository = TrustedRepository(folder, _read_root(settings.root), settings.url, self._get)

    def check(self, requested: bool = False) -> Offer | None:
        """Return the bundle that the channel names for this device (see Source.check)."""
        self._is_checked = False
        offer = self._check()
        self._is_checked = True
        return offer

    def forget(self) -> None:
        """Check the whole repository next time (see Source.forget)."""
        self._timestamp = None

    def is_unchanged(self) -> bool:
        """Ask for the timestamp, conditionally (see Source.is_unchanged)."""
        known = self._timestamp
        if known is None or not self._is_checked:
            return False
        response = self._http.get(known.url, known=known.validators, max_bytes=MAX_TIMESTAMP_BYTES)
        return response.is_unchanged or response.body == known.body

    def has_withdrawn(self, offer_hash: str) -> bool:
        """Return whether other devices are offered something, or the bundle is gone (see Source.has_withdrawn).

        A channel without entries is a pause: devices keep what they have.
        """
        return self._has_entries or not self._repository.has_target_with_hash(offer_hash)

    def _check(self) -> Offer | None:
        repository = self._repository
        repository.refresh()
        target = self._find_channel()
        content = repository.read_target(target, channels.MAX_BYTES)
        channel = channels.parse_channel(content, target.url)
        self._has_entries = bool(channel.entries)
        entry = channels.choose_entry(channel, self._device, self._settings.group, self._traits, self._report_skipped)
        if entry is None:
            return None
        bundle = repository.find_target(entry.bundle)
        if bundle is None:
            raise SourceError(
                f"{target.url} names {entry.bundle}, which the repository does not contain; the operator must push it"
            )
        if bundle.size_bytes > self._settings.max_bytes:
            raise SourceSettingsError(
                f"{bundle.path} has {bundle.size_bytes} bytes, more than update.max_bytes allows "
                f"({self._settings.max_bytes})"
            )
        return Offer(
            hash=bundle.sha256,
            version=entry.version,
            name=_get_text(bundle, "name"),
            size_bytes=bundle.size_bytes,
            sha256=_get_text(bundle, "model_sha256"),
            variant=entry.variant,
            pinned=True,
            private=bundle,
        )

    def fetch(self, offer: Offer, folder: Path, progress: Progress) -> Path:
        """Download the bundle's zip (see Source.fetch)."""
        bundle: RepositoryTarget = offer.private
        file = folder / "bundle.zip"
        spec = DownloadSpec(
            max_bytes=self._settings.max_bytes, exact_bytes=bundle.size_bytes, immutable=True, watch_disk=True
        )
        download(self._http, bundle.url, file, spec, progress)
        try:
            bundle.verify(file)
        except SourceError:
            file.unlink(missing_ok=True)  # the next attempt starts over
            raise
        return file

    def close(self) -> None:
        """End a current request (see Source.close)."""
        self._http.close()

    def _find_channel(self) -> RepositoryTarget:
        """Return the channel's file.

        Raises:
            SourceSettingsError: The repository has no channel of this name.
        """
        name = self._settings.channel
        target = self._repository.find_target(channels.channel_path(name))
        if target is None:
            paths = self._repository.list_targets()
            names = [match[1] for path in paths if (match := re.fullmatch(r"channels/([^/]+)\.json", path))]
            existing = f"it has {', '.join(names)}" if names else "it has none yet"
            raise SourceSettingsError(f"{self._address} has no channel {name!r} (update.channel); {existing}")
        return target

    def _report_skipped(self, entry: channels.ChannelEntry, misfit: str) -> None:
        """Log once that an entry is skipped, because this device does not fit it."""
        text = f"the entry for {entry.version} of {self.origin} is skipped: it requires {misfit}"
        if text not in self._reported:
            self._reported.add(text)
            log.warning("%s", text)

    def _get(self, url: str, max_bytes: int) -> bytes:
        response = self._http.get(url, max_bytes=max_bytes)
        if url.endswith("/timestamp.json"):
            self._timestamp = replace(response, url=url)
        return response.body


def _read_root(path: Path) -> bytes:
    """Read the root that was installed on the device; never fetch it, because its sender could then sign anything."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_ROOT_BYTES)
    except OSError as error:
        raise SourceSettingsError(f"update.root: {describe_unreadable(path, error)}") from error


def _get_text(target: RepositoryTarget, key: str) -> str | None:
    value = target.custom.get(key)
    return clean_text(value, _MAX_TEXT) or None if isinstance(value, str) else None
