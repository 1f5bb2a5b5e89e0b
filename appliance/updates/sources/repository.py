"""Models from a signed repository on any static host: what its channel names for this device is what is offered.

The operator decides, by signing a channel (rollout.py); so an older version may be named, and is taken. What cannot be
had without the operator's keys is refused before it is looked at (trusted.py). Bundles come through the project's own
downloader, which resumes, and are held against the signed hash when they are whole.
"""

import re
from pathlib import Path

from appliance.errors import SourceError, SourceSettingsError
from appliance.repository import channel as rollout
from appliance.repository.client import RepositoryTarget, TrustedRepository
from appliance.settings.schema import UpdateSettings
from appliance.system.urls import redact
from appliance.transport.download import DownloadSpec, download
from appliance.transport.http import Http
from appliance.updates.sources.source import Offer, Progress

MAX_ROOT_BYTES = 128 * 1024


class RepositorySource:
    """One channel of one repository, for one device."""

    def __init__(self, settings: UpdateSettings, device: str, folder: Path, http: Http):
        """Args:
            settings: With url and root.
            device: The device's id: its place in a rollout.
            folder: Where trusted metadata is kept for ever.
            http: Makes the requests; closed with this source.

        Raises:
            SourceSettingsError: The settings do not suffice, or the root cannot be read.
        """
        if not settings.url or not settings.root:
            raise SourceSettingsError("update.source = 'repository' needs update.url and update.root")
        self._settings, self._device, self._http = settings, device, http
        self.origin = f"channel {settings.channel} of {redact(settings.url)}"
        self._repository = TrustedRepository(folder, _read_root(settings.root), settings.url, self._small)

    def check(self, requested: bool = False) -> Offer | None:
        """As Source.check: what the channel names for this device."""
        repository, channel = self._repository, self._settings.channel
        repository.refresh()
        path = rollout.channel_path(channel)
        target = repository.find_target(path)
        if target is None:
            names = [
                found[1]
                for each in repository.list_targets()
                if (found := re.fullmatch(r"channels/([^/]+)\.json", each))
            ]
            there = f"it has {', '.join(names)}" if names else "it has none yet"
            raise SourceSettingsError(
                f"{redact(self._settings.url or '')} has no channel {channel!r} (update.channel): {there}"
            )
        content = repository.read_target(target, rollout.MAX_BYTES)
        entry = rollout.choose_entry(rollout.parse_channel(content, target.url), self._device, self._settings.group)
        if entry is None:
            return None
        bundle = repository.find_target(entry.bundle)
        if bundle is None:
            raise SourceError(
                f"{target.url} names {entry.bundle}, which the repository does not have; its operator must push it"
            )
        if bundle.size_bytes > self._settings.max_bytes:
            raise SourceSettingsError(
                f"{bundle.path} has {bundle.size_bytes} bytes, more than the {self._settings.max_bytes} of update.max_bytes"
            )
        return Offer(
            hash=bundle.sha256,
            version=entry.version,
            name=_text(bundle, "name"),
            size_bytes=bundle.size_bytes,
            sha256=_text(bundle, "model_sha256"),
            variant=entry.variant,
            pinned=True,
            private=bundle,
        )

    def fetch(self, offer: Offer, folder: Path, progress: Progress) -> Path:
        """As Source.fetch: the bundle's zip."""
        bundle: RepositoryTarget = offer.private
        file = folder / "bundle.zip"
        wanted = DownloadSpec(
            max_bytes=self._settings.max_bytes, exact_bytes=bundle.size_bytes, immutable=True, watch_disk=True
        )
        download(self._http, bundle.url, file, wanted, progress)
        try:
            bundle.verify(file)
        except SourceError:
            file.unlink(missing_ok=True)  # the next try begins anew
            raise
        return file

    def close(self) -> None:
        """As Source.close."""
        self._http.close()

    def _small(self, url: str, max_bytes: int) -> bytes:
        return self._http.get(url, max_bytes=max_bytes).body


def _read_root(path: Path) -> bytes:
    """The root that came with the device. It is never fetched: whoever sent it could sign everything."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_ROOT_BYTES)
    except OSError as error:
        raise SourceSettingsError(f"update.root: {path} cannot be read: {error.strerror or error}") from error


def _text(target: RepositoryTarget, key: str) -> str | None:
    value = target.custom.get(key)
    return value if isinstance(value, str) and value else None
