"""Operate a site: create it, push, promote, and roll back bundles, sign again, rotate keys.

Each operation is one call that changes a folder on disk; uploading the folder is a separate step for the operator
(`firebase deploy`). After each operation, devices accept the site, even if the operation was interrupted at any point
(signed_site.py).
"""

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance.errors import PublishError
from appliance.repository.channel import Channel, ChannelEntry, channel_path, encode_channel
from appliance.repository.requirements import Requirements
from appliance.system.names import is_plain_name
from appliance.workshop.publishing.channels import add_entry, compare_channels, pick_entry
from appliance.workshop.publishing.contents import (
    describe_bundle,
    find_bundle,
    find_earlier,
    find_published,
    is_published,
    list_channels,
    read_channel,
)
from appliance.workshop.publishing.hosting import (
    has_hosting,
    require_keys_outside,
    require_no_keys_inside,
    write_hosting,
)
from appliance.workshop.publishing.keys import ROLES, ROOT, KeyFolder
from appliance.workshop.publishing.metadata_files import MetadataFiles
from appliance.workshop.publishing.packing import pack_bundle
from appliance.workshop.publishing.pruning import delete_unused_files, find_unused_bundles
from appliance.workshop.publishing.results import (
    ChannelResult,
    PruneResult,
    PushResult,
    RollbackResult,
    WithdrawResult,
)
from appliance.workshop.publishing.signed_site import DEFAULT_LIFETIME, ROOT_LIFETIME, SignedSite
from appliance.workshop.publishing.signing_checks import SigningChecks
from appliance.workshop.publishing.signing_clock import require_plausible_clock
from appliance.workshop.publishing.site_files import WriteFile, convert_write_errors, write_public
from appliance.workshop.publishing.withdrawal import replace_bundle

# `refresh` also renews the root, if its key is available and the root expires within this time or before the rest.
_ROOT_RENEWAL = timedelta(days=90)


class SitePublisher:
    """Change one site with its keys."""

    def __init__(
        self,
        site: Path,
        keys: KeyFolder,
        now: datetime | None = None,
        lifetime: timedelta = DEFAULT_LIFETIME,
        write: WriteFile = write_public,
        served: str | None = None,
        trust_clock: bool = False,
    ) -> None:
        """Check that the keys are outside the site; read nothing yet.

        Args:
            site: The folder that is uploaded.
            keys: The keys of the site.
            now: The time of the signatures, timezone-aware; None for the current time.
            lifetime: How long signatures are valid; those of the root are always valid for a year.
            write: Writes a file into the site.
            served: The address or folder from which devices get the site, which is kept in its own file; "none" to
                forget it; None for what the file contains.
            trust_clock: Whether the clock is right, whatever the last signatures and the server suggest.

        Raises:
            PublishError: The keys would be inside the site.
        """
        require_keys_outside(site, keys.folder)
        require_keys_outside(site, keys.root_folder)
        self.site, self.keys, self.lifetime = site, keys, lifetime
        self._now, self._write, self._trust_clock = now, write, trust_clock
        self._checks = SigningChecks(keys, served, trust_clock)

    @property
    def now(self) -> datetime:
        """The time of the signatures."""
        return self._now or datetime.now(UTC)

    def init(self) -> None:
        """Create the keys, the root, and an empty repository; finish this if it was interrupted before.

        Raises:
            PublishError: A repository or keys already exist, the clock is wrong, or a folder cannot be written.
        """
        metadata = MetadataFiles(self.site)
        if not self._trust_clock:
            require_plausible_clock(self.now, None)
        with convert_write_errors(self.site):
            require_no_keys_inside(self.site)
            if metadata.timestamp.exists() and not has_hosting(self.site):
                with self._open():  # everything else was written
                    write_hosting(self.site, self._write)
                return
            if self.keys.has_any() and not metadata.list_versions(ROOT):
                if not self.keys.is_unused:
                    raise PublishError(
                        f"{self.keys.folder} already contains keys; use another folder, because each site has its own "
                        "keys"
                    )
                self.keys.set_aside()
            with SignedSite.create(self.site, self.keys, self.now, self.lifetime, self._write) as site:
                write_hosting(self.site, self._write)
                self._checks.remember(site)

    def push(
        self,
        bundle: Path,
        channel: str = "stable",
        *,
        version: str | None = None,
        percent: float | None = None,
        variant: str | None = None,
        group: str | None = None,
        requires: Requirements | None = None,
    ) -> PushResult:
        """Test a bundle and put it on a channel.

        Args:
            bundle: A folder, a .zip, or a .tflite.
            channel: The channel, which is created if it does not exist.
            version: Replaces the bundle's version.
            percent: The share of the devices that get the bundle; None for all.
            variant: The variant that these devices report in their events.
            group: The group of devices that get the bundle; None for all.
            requires: What a device must have to get the bundle; None for nothing.

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
            was_published = is_published(site, packed.path, packed.content, packed.identity)
            groups = frozenset([group] if group else [])
            entry = ChannelEntry(packed.path, packed.identity.version, variant, groups, percent, requires)
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

        After the first push, the channel becomes empty, so that devices keep what they have. Bundles that were
        withdrawn are left out.

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
            previous = find_earlier(site, channel, before)
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
        with self._open(needs_keys=False) as site:
            return site.rotate(roles, self.keys, self.now, self.lifetime)

    def pause(self, channel: str) -> ChannelResult:
        """Empty a channel: devices keep what they have until something is pushed, or the channel is rolled back.

        Raises:
            PublishError, ChannelError: The channel does not exist, or is paused already.
        """
        with self._open() as site:
            before = self._require_channel(site, channel)
            if not before.entries:
                raise PublishError(f"channel {channel} is already paused; continue it with `publish rollback`")
            return self._publish_channel(site, channel, before, replace(before, entries=()))

    def withdraw(self, bundle: str) -> WithdrawResult:
        """Take a bundle out of every channel, and stop signing it; its file stays until it is pruned.

        Args:
            bundle: Its path in the site, its name and version, or its version.

        Raises:
            PublishError, ChannelError: No bundle or several match, or a channel cannot be read.
        """
        with self._open() as site:
            target = find_published(site, bundle)
            results = []
            for name in list_channels(site):
                before = self._require_channel(site, name)
                if any(entry.bundle == target.path for entry in before.entries):
                    after = replace_bundle(site, name, before, target.path)
                    self._put_channel(site, name, before, after)
                    results.append(ChannelResult(name, after.entries, tuple(compare_channels(before, after))))
            site.remove(target.path)
            site.publish(self.keys, self.now, self.lifetime)
            return WithdrawResult(describe_bundle(target), tuple(results))

    def prune(self, keep: int = 5, hours: float = 24.0) -> PruneResult:
        """Stop signing bundles that no channel needs, and delete files that nothing has named for some time.

        Args:
            keep: The number of earlier contents of each channel whose bundles stay.
            hours: How long no signature may have named a file before it is deleted.
        """
        with self._open() as site:
            removed = find_unused_bundles(site, keep)
            for path in removed:
                site.remove(path)
            if removed:
                site.publish(self.keys, self.now, self.lifetime)
            unused, freed_bytes = delete_unused_files(site, hours)
            deleted, waiting = (
                tuple(str(file.relative_to(self.site)) for file in files) for files in (unused.ready, unused.waiting)
            )
            return PruneResult(tuple(removed), deleted, waiting, freed_bytes)

    @contextlib.contextmanager
    def _open(self, needs_keys: bool = True) -> Iterator[SignedSite]:
        """Open the site; report what must be corrected, such as a missing key, before anything is changed."""
        with convert_write_errors(self.site), SignedSite(self.site, self._write) as site:
            if needs_keys:
                site.require_keys(self.keys)
            self._checks.check(site, self.now)
            yield site
            self._checks.remember(site)

    def _publish_channel(self, site: SignedSite, name: str, before: Channel | None, after: Channel) -> ChannelResult:
        """Write and sign a channel; keep the file of an unchanged one, so that a rollback always changes something."""
        self._put_channel(site, name, before, after)
        site.publish(self.keys, self.now, self.lifetime)
        return ChannelResult(name, after.entries, tuple(compare_channels(before or Channel(after.seed), after)))

    @staticmethod
    def _put_channel(site: SignedSite, name: str, before: Channel | None, after: Channel) -> None:
        target = site.find_target(channel_path(name))
        if before is None or target is None:
            site.put(channel_path(name), encode_channel(after))
        elif after.entries != before.entries:
            site.put(channel_path(name), encode_channel(replace(after, before=target.sha256)))

    def _require_channel(self, site: SignedSite, name: str) -> Channel:
        channel = read_channel(site, name)
        if channel is None:
            raise PublishError(
                f"the site has no channel {name!r}; its channels are {', '.join(list_channels(site)) or 'none yet'}"
            )
        return channel


def _create_channel() -> Channel:
    return Channel(secrets.token_hex(8))
