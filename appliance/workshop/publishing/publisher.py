"""Operate a site: create it, push, promote, and roll back bundles, sign again, rotate keys.

Each operation is one call that changes a folder on disk; uploading the folder is a separate step for the operator
(`firebase deploy`). After each operation, devices accept the site, even if the operation was interrupted at any point
(signed_site.py).
"""

import contextlib
import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance.bundle.identity import ModelIdentity
from appliance.errors import PublishError
from appliance.repository.channel import Channel, ChannelEntry, channel_path, encode_channel
from appliance.system.names import is_plain_name
from appliance.workshop.publishing.channels import RolloutChange, add_entry, compare_channels, pick_entry
from appliance.workshop.publishing.contents import (
    describe_bundle,
    find_bundle,
    list_channels,
    read_channel,
    read_previous,
)
from appliance.workshop.publishing.hosting import require_keys_outside, write_hosting
from appliance.workshop.publishing.keys import ROLES, ROOT, KeyFolder
from appliance.workshop.publishing.packing import PackedBundle, pack_bundle
from appliance.workshop.publishing.signed_site import DEFAULT_LIFETIME, ROOT_LIFETIME, SignedSite
from appliance.workshop.publishing.site_files import WriteFile, convert_write_errors, write_public

# `refresh` also renews the root, if its key is available and the root expires within this time or before the rest.
_ROOT_RENEWAL = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class ChannelResult:
    """The new state of a channel.

    Attributes:
        channel: Its name.
        entries: Its entries.
        changes: The percentages of devices whose bundle changes.
    """

    channel: str
    entries: tuple[ChannelEntry, ...]
    changes: tuple[RolloutChange, ...]


@dataclass(frozen=True, slots=True)
class PushResult(ChannelResult):
    """The result of a push.

    Attributes:
        identity: The model.
        size_bytes: The size of its zip.
        was_published: Whether the site already had this bundle.
        invoke_ms: The inference time on this machine.
    """

    identity: ModelIdentity
    size_bytes: int
    was_published: bool
    invoke_ms: float


@dataclass(frozen=True, slots=True)
class RollbackResult(ChannelResult):
    """The result of a rollback; `bundles` contains the name and version of each bundle now on the channel."""

    bundles: tuple[str, ...]


class SitePublisher:
    """Change one site with its keys."""

    def __init__(
        self,
        site: Path,
        keys: KeyFolder,
        now: datetime | None = None,
        lifetime: timedelta = DEFAULT_LIFETIME,
        write: WriteFile = write_public,
    ) -> None:
        """Check that the keys are outside the site; read nothing yet.

        Args:
            site: The folder that is uploaded.
            keys: The keys of the site.
            now: The time of the signatures, timezone-aware; None for the current time.
            lifetime: How long signatures are valid; those of the root are always valid for a year.
            write: Writes a file into the site.

        Raises:
            PublishError: The keys would be inside the site.
        """
        require_keys_outside(site, keys.folder)
        require_keys_outside(site, keys.root_folder)
        self.site, self.keys, self.lifetime = site, keys, lifetime
        self._now, self._write = now, write

    @property
    def now(self) -> datetime:
        """The time of the signatures."""
        return self._now or datetime.now(UTC)

    def init(self) -> None:
        """Create the keys, the root, and an empty repository.

        Raises:
            PublishError: A repository or keys already exist, or a folder cannot be written.
        """
        with convert_write_errors(self.site):
            if any(self.keys.folder.glob("*.pem")) or any(self.keys.root_folder.glob("*.pem")):
                raise PublishError(
                    f"{self.keys.folder} already contains keys; use another folder, because each site has its own keys"
                )
            with SignedSite.create(self.site, self.keys, self.now, self.lifetime, self._write):
                write_hosting(self.site, self._write)

    def push(
        self,
        bundle: Path,
        channel: str = "stable",
        *,
        version: str | None = None,
        percent: float | None = None,
        variant: str | None = None,
        group: str | None = None,
    ) -> PushResult:
        """Test a bundle and put it on a channel.

        Args:
            bundle: A folder, a .zip, or a .tflite.
            channel: The channel, which is created if it does not exist.
            version: Replaces the bundle's version.
            percent: The share of the devices that get the bundle; None for all.
            variant: The variant that these devices report in their events.
            group: The group of devices that get the bundle; None for all.

        Raises:
            PublishError, ChannelError: The bundle cannot be put on the channel.
            BundleError: The bundle is invalid.
            ProbeError: The bundle could not be tested.
        """
        for kind, name in (("channel", channel), ("variant", variant), ("group", group)):
            if name is not None and not is_plain_name(name):
                raise PublishError(
                    f"{name!r} cannot be the name of a {kind}; use 1 to 64 letters, digits, dots, hyphens, underscores"
                )
        with self._open() as site:
            packed = pack_bundle(bundle, version)
            was_published = self._is_published(site, packed)
            groups = frozenset([group] if group else [])
            entry = ChannelEntry(packed.path, packed.identity.version, variant, groups, percent)
            before = read_channel(site, channel)
            after = add_entry(before or _create_channel(), entry)
            if not was_published:
                identity = packed.identity
                custom = {"name": identity.name, "version": identity.version, "model_sha256": identity.sha256}
                site.put(packed.path, packed.content, custom)
            result = self._publish_channel(site, channel, before, after)
            return PushResult(
                result.channel,
                result.entries,
                result.changes,
                packed.identity,
                len(packed.content),
                was_published,
                packed.probed.invoke_ms,
            )

    def promote(
        self,
        channel: str = "stable",
        *,
        source: str | None = None,
        version: str | None = None,
        variant: str | None = None,
        percent: float | None = None,
    ) -> ChannelResult:
        """Give a published bundle to more devices.

        Args:
            channel: The channel to change.
            source: The channel of the bundle; None for the same channel.
            version: Selects the entry to promote, if there are several.
            variant: Selects the entry to promote, if there are several.
            percent: The share of the devices; None for everyone.

        Raises:
            PublishError, ChannelError: The channel or the entry does not exist, or the slice is too wide.
        """
        with self._open() as site:
            origin = source or channel
            content = self._require_channel(site, origin)
            entry = pick_entry(content, origin, version, variant, partial=origin == channel, percent=percent)
            before = read_channel(site, channel)
            return self._publish_channel(site, channel, before, add_entry(before or _create_channel(), entry))

    def rollback(self, channel: str = "stable", *, version: str | None = None) -> RollbackResult:
        """Restore the previous contents of a channel, or give everyone a version, with new signatures.

        A version is looked up among bundles with the names that the channel contains or used to contain, because
        another line of models may have the same version.

        Raises:
            PublishError: There are no previous contents, there is no such version, or several bundles have it.
        """
        with self._open() as site:
            before = self._require_channel(site, channel)
            if version is not None:
                target = find_bundle(site, channel, before, version)
                after = add_entry(before, ChannelEntry(target.path, version))
                result = self._publish_channel(site, channel, before, after)
                return RollbackResult(result.channel, result.entries, result.changes, (describe_bundle(target),))
            previous = read_previous(site, channel, before)
            site.put(channel_path(channel), previous.content)
            site.publish(self.keys, self.now, self.lifetime)
            entries = previous.channel.entries
            targets = {entry.bundle: site.find_target(entry.bundle) for entry in entries}
            names = tuple(describe_bundle(target) if target else path for path, target in targets.items())
            return RollbackResult(channel, entries, tuple(compare_channels(before, previous.channel)), names)

    def refresh(self) -> bool:
        """Sign everything again to extend its validity, including the root if it is due and its key is available.

        Returns:
            Whether the root is due but its key is missing.
        """
        with self._open() as site:
            root = site.list_roles(self.keys)[0]
            site.publish(self.keys, self.now, self.lifetime)
            renewal = max(_ROOT_RENEWAL, min(self.lifetime, ROOT_LIFETIME - timedelta(days=1)))
            is_due = root.expires - self.now < renewal
            if is_due and root.have_keys:
                site.renew_root(self.keys, self.now)
            return is_due and not root.have_keys

    def rotate(self, roles: list[str]) -> list[Path]:
        """Replace the keys of roles and revoke the old ones.

        Args:
            roles: Any of `root`, `targets`, `snapshot`, `timestamp`.

        Returns:
            The paths of the old keys, to be deleted after the site is uploaded.
        """
        for role in roles:
            if role not in (ROOT, *ROLES):
                raise PublishError(f"unknown role {role!r}; the roles are {', '.join((ROOT, *ROLES))}")
        with convert_write_errors(self.site), SignedSite(self.site, self._write) as site:
            return site.rotate(roles, self.keys, self.now, self.lifetime)

    @contextlib.contextmanager
    def _open(self) -> Iterator[SignedSite]:
        """Open the site; report a missing key before anything is changed."""
        with convert_write_errors(self.site), SignedSite(self.site, self._write) as site:
            site.require_keys(self.keys)
            yield site

    def _publish_channel(self, site: SignedSite, name: str, before: Channel | None, after: Channel) -> ChannelResult:
        """Write and sign a channel; keep the file of an unchanged one, so that a rollback always changes something."""
        target = site.find_target(channel_path(name))
        if before is None or target is None:
            site.put(channel_path(name), encode_channel(after))
        elif after.entries != before.entries:
            site.put(channel_path(name), encode_channel(replace(after, before=target.sha256)))
        site.publish(self.keys, self.now, self.lifetime)
        return ChannelResult(name, after.entries, tuple(compare_channels(before or Channel(after.seed), after)))

    def _require_channel(self, site: SignedSite, name: str) -> Channel:
        channel = read_channel(site, name)
        if channel is None:
            raise PublishError(
                f"the site has no channel {name!r}; its channels are {', '.join(list_channels(site)) or 'none yet'}"
            )
        return channel

    @staticmethod
    def _is_published(site: SignedSite, packed: PackedBundle) -> bool:
        target = site.find_target(packed.path)
        if target is None:
            return False
        if target.sha256 != hashlib.sha256(packed.content).hexdigest():
            raise PublishError(
                f"{packed.identity.name} {packed.identity.version} is already published with other contents, "
                "which devices may have; give this bundle a different version (--version)"
            )
        return True


def _create_channel() -> Channel:
    return Channel(secrets.token_hex(8))
