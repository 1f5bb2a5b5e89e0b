"""What an operator does to a site: make it, push a bundle, promote it, go back, sign again, change keys.

Each is one call that changes a folder on disk; uploading it is the operator's own step (`firebase deploy`). All of them
leave a site that devices accept wherever they are interrupted (metadata.py).
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
from appliance.repository import channel as rollout
from appliance.repository.channel import Channel, ChannelEntry, channel_path, write_channel
from appliance.workshop.publishing.channels import RolloutChange, changes, pick, pushed
from appliance.workshop.publishing.contents import bundle_of_version, channel_names, read_before, read_channel, shown
from appliance.workshop.publishing.hosting import refuse_inside, write_hosting
from appliance.workshop.publishing.keys import ROLES, ROOT, KeyFolder
from appliance.workshop.publishing.packing import PackedBundle, pack
from appliance.workshop.publishing.signed_site import LIFETIME, ROOT_LIFETIME, SignedSite
from appliance.workshop.publishing.site_files import Write, failures_said, write_public

# The root is signed again on the way when its key is at hand and less than this is left, or the rest would outlive it.
_ROOT_RENEWED_UNDER = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a channel.

    Attributes:
        channel: Its name.
        entries: What it holds now.
        changes: How many percent of which devices take another bundle.
    """

    channel: str
    entries: tuple[ChannelEntry, ...]
    changes: tuple[RolloutChange, ...]


@dataclass(frozen=True, slots=True)
class PushResult(Published):
    """What was pushed: the model, the size of its zip, whether the site had it before, and its inference time here."""

    identity: ModelIdentity
    size_bytes: int
    known: bool
    invoke_ms: float


@dataclass(frozen=True, slots=True)
class RolledBack(Published):
    """What was gone back to: the name and the version of each bundle that the channel holds now."""

    bundles: tuple[str, ...]


class SitePublisher:
    """The operator of one site."""

    def __init__(
        self,
        site: Path,
        keys: KeyFolder,
        now: datetime | None = None,
        lifetime: timedelta = LIFETIME,
        write: Write = write_public,
    ):
        """Args:
            site: The folder that is uploaded.
            keys: Its keys.
            now: The time of the signatures, aware; None: the clock's.
            lifetime: How long they hold; the root's always hold a year.
            write: Puts a file into the site.

        Raises:
            PublishError: The keys would lie in the site.
        """
        refuse_inside(site, keys.folder)
        refuse_inside(site, keys.root_folder)
        self.site, self.keys, self.lifetime = site, keys, lifetime
        self._now, self._write = now, write

    @property
    def now(self) -> datetime:
        """The time of the signatures."""
        return self._now or datetime.now(UTC)

    def init(self) -> None:
        """Makes keys, root and a first empty repository.

        Raises:
            PublishError: There is one already, or a folder cannot be written to.
        """
        with failures_said(self.site):
            if any(self.keys.folder.glob("*.pem")) or any(self.keys.root_folder.glob("*.pem")):
                raise PublishError(
                    f"{self.keys.folder} holds keys already: take another folder, one site has its own keys"
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
        """Tries a bundle and puts it on a channel.

        Args:
            bundle: A folder, a .zip or a .tflite.
            channel: Made where there is none of this name.
            version: Instead of the bundle's own.
            percent: For this slice of the devices; None: all.
            variant: What these devices say in their events.
            group: For devices of this group alone.

        Raises:
            PublishError, ChannelError: It cannot be put there.
            BundleError: The bundle is no good.
            ProbeError: It could not be tried.
        """
        for what, name in (("channel", channel), ("variant", variant), ("group", group)):
            if name is not None and not rollout.is_plain_name(name):
                raise PublishError(
                    f"{name!r} cannot be the name of a {what}: use 1 to 64 letters, digits, dots, hyphens, underscores"
                )
        with self._open() as site:
            packed = pack(bundle, version)
            known = self._known(site, packed)
            groups = frozenset([group] if group else [])
            entry = ChannelEntry(packed.path, packed.identity.version, variant, groups, percent)
            before = read_channel(site, channel)
            after = pushed(before or Channel(secrets.token_hex(8)), entry)
            if not known:
                identity = packed.identity
                site.put(
                    packed.path,
                    packed.content,
                    {"name": identity.name, "version": identity.version, "model_sha256": identity.sha256},
                )
            done = self._put(site, channel, before, after)
            return PushResult(
                done.channel,
                done.entries,
                done.changes,
                packed.identity,
                len(packed.content),
                known,
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
    ) -> Published:
        """Gives what is published already to more devices.

        Args:
            channel: Where to.
            source: The channel it is on; None: the same.
            version, variant: Which entry is meant, where there are several.
            percent: For this slice; None: everyone.

        Raises:
            PublishError, ChannelError: There is no such channel or entry, or the slice is too wide.
        """
        with self._open() as site:
            origin = source or channel
            entry = pick(
                self._channel(site, origin), origin, version, variant, partial=origin == channel, percent=percent
            )
            before = read_channel(site, channel)
            return self._put(site, channel, before, pushed(before or Channel(secrets.token_hex(8)), entry))

    def rollback(self, channel: str = "stable", *, version: str | None = None) -> RolledBack:
        """Puts a channel back to what it held before, or everyone to a version; under new metadata, as devices demand.

        A version is one of the bundles whose names the channel holds or held: another line of models may have it too.

        Raises:
            PublishError: There is nothing to go back to, no such version, or several bundles have it.
        """
        with self._open() as site:
            before = self._channel(site, channel)
            if version is not None:
                held = bundle_of_version(site, channel, before, version)
                put = self._put(site, channel, before, pushed(before, ChannelEntry(held.path, version)))
                return RolledBack(put.channel, put.entries, put.changes, (shown(held),))
            content, after = read_before(site, channel, before)
            site.put(channel_path(channel), content)
            site.publish(self.keys, self.now, self.lifetime)
            bundles = {entry.bundle: site.target(entry.bundle) for entry in after.entries}
            names = tuple(shown(held) if held else path for path, held in bundles.items())
            return RolledBack(channel, after.entries, tuple(changes(before, after)), names)

    def refresh(self) -> bool:
        """Signs everything again, so that it holds longer; the root too where its key is at hand and it is time.

        Returns:
            Whether the root needs signing again soon and its key is not here.
        """
        with self._open() as site:
            root = site.states(self.keys)[0]
            site.publish(self.keys, self.now, self.lifetime)
            due = root.expires - self.now < max(
                _ROOT_RENEWED_UNDER, min(self.lifetime, ROOT_LIFETIME - timedelta(days=1))
            )
            if due and root.have_keys:
                site.renew_root(self.keys, self.now)
            return due and not root.have_keys

    def rotate(self, roles: list[str]) -> list[Path]:
        """Gives roles new keys and revokes the old ones.

        Args:
            roles: Of `root`, `targets`, `snapshot`, `timestamp`.

        Returns:
            Where the old keys are: to be deleted once the site is deployed.
        """
        for role in roles:
            if role not in (ROOT, *ROLES):
                raise PublishError(f"there is no role {role!r}; there are {', '.join((ROOT, *ROLES))}")
        with failures_said(self.site), SignedSite(self.site, self._write) as site:
            return site.rotate(roles, self.keys, self.now, self.lifetime)

    @contextlib.contextmanager
    def _open(self) -> Iterator[SignedSite]:
        """The site, with the keys for a push at hand: what is missing is said before anything is done."""
        with failures_said(self.site), SignedSite(self.site, self._write) as site:
            site.require_keys(self.keys)
            yield site

    def _put(self, site: SignedSite, name: str, before: Channel | None, after: Channel) -> Published:
        """Writes a channel and signs; a channel that stays as it is keeps its file, so that going back means a change."""
        held = site.target(channel_path(name))
        if before is None or held is None:
            site.put(channel_path(name), write_channel(after))
        elif after.entries != before.entries:
            site.put(channel_path(name), write_channel(replace(after, before=held.sha256)))
        site.publish(self.keys, self.now, self.lifetime)
        return Published(name, after.entries, tuple(changes(before or Channel(after.seed), after)))

    def _channel(self, site: SignedSite, name: str) -> Channel:
        found = read_channel(site, name)
        if found is None:
            raise PublishError(
                f"the site has no channel {name!r}; it has {', '.join(channel_names(site)) or 'none yet'}"
            )
        return found

    @staticmethod
    def _known(site: SignedSite, packed: PackedBundle) -> bool:
        held = site.target(packed.path)
        if held is None:
            return False
        if held.sha256 != hashlib.sha256(packed.content).hexdigest():
            raise PublishError(
                f"{packed.identity.name} {packed.identity.version} is published already with other bytes, "
                "and devices may have it: give this bundle a version of its own (--version)"
            )
        return True
