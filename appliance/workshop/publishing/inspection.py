"""Inspect a site, in a folder or at its URL: when its metadata expires, and whether a device would accept it.

`check_site` follows the procedure of a device with the same code, starting with the root that is installed on devices.
Then it reads every target of the site, because a device may request any of them.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance.bundle.bundle import read_bundle
from appliance.errors import ApplianceError, BundleError, PublishError, SourceError, UpdateError, describe_os_error
from appliance.repository.channel import MAX_BYTES, Channel, parse_channel
from appliance.repository.client import MAX_METADATA_BYTES, RepositoryTarget, TrustedRepository
from appliance.workshop.publishing.channels import describe_entries
from appliance.workshop.publishing.contents import list_channels, read_channel
from appliance.workshop.publishing.hosting import find_hosting_faults
from appliance.workshop.publishing.keys import ROLES, ROOT, KeyFolder
from appliance.workshop.publishing.metadata_files import ROOT_VERSION, TIMESTAMP_NAME, parse_metadata
from appliance.workshop.publishing.places import SitePlace
from appliance.workshop.publishing.seen_versions import SeenVersion, SeenVersions, find_step_back
from appliance.workshop.publishing.served import compare_served, require_current
from appliance.workshop.publishing.signed_site import SignedSite
from appliance.workshop.publishing.site_record import SiteMemory
from appliance.workshop.publishing.site_values import RoleState

EXPIRES_SOON = timedelta(days=14)
_MAX_ROOTS = 1000
_MAX_BUNDLE_BYTES = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """The state of a site: its roles, and its channels by name."""

    now: datetime
    roles: tuple[RoleState, ...]
    channels: Mapping[str, Channel]

    @property
    def expires_soon(self) -> bool:
        """Whether any metadata has expired or expires within 14 days."""
        return any(role.expires - self.now < EXPIRES_SOON for role in self.roles)


@dataclass(frozen=True, slots=True)
class SiteFinding:
    """The result of one check of a site."""

    is_ok: bool
    message: str


def read_site_status(site: Path, keys: KeyFolder | None = None, now: datetime | None = None) -> SiteStatus:
    """Return the roles and channels of a site in a folder.

    Raises:
        PublishError: The folder is not a site, or is incomplete.
    """
    with SignedSite(site) as opened:
        channels = {
            name: channel for name in list_channels(opened) if (channel := read_channel(opened, name)) is not None
        }
        return SiteStatus(now or datetime.now(UTC), tuple(opened.list_roles(keys)), channels)


def check_site(site: str, root: Path | None, keys: Path | None = None) -> Iterator[SiteFinding]:
    """Check a site as a device would, and yield each finding as soon as it is known.

    A copy in a folder is also compared with what is served, if its own file contains where. The highest versions that
    were seen are remembered in that file and in the folder of the keys.

    Args:
        site: A folder, or the URL of a served site.
        root: The root metadata that is installed on devices; None for the first root in the folder.
        keys: The folder of the keys; None if it is not here.

    Raises:
        PublishError: There is no root with which to start.
    """
    if "://" in site and root is None:
        raise PublishError(
            "a served site is checked against the root that devices have; pass the folder of the keys with --keys"
        )
    with tempfile.TemporaryDirectory(prefix="appliance-check-") as scratch, SitePlace(site) as place:
        if place.folder is not None:
            yield from (SiteFinding(False, fault) for fault in find_hosting_faults(place.folder))
        memory = SiteMemory(place.folder, keys)
        checker = _SiteChecker(Path(scratch), place, memory)
        yield from checker.check(_read_root(root, Path(site)))
        if place.folder is not None and memory.served is not None:
            yield _check_served(place.folder, memory, memory.served)


class _SiteChecker:
    """Check one site, with a temporary folder."""

    def __init__(self, scratch: Path, place: SitePlace, memory: SiteMemory) -> None:
        self._scratch, self._place, self._memory = scratch, place, memory

    def check(self, root: bytes) -> Iterator[SiteFinding]:
        """Yield the findings on the metadata, then on every target."""
        trusted = self._scratch / "trusted"
        repository = TrustedRepository(trusted, root, self._place.url, self._place.fetch)
        try:
            repository.refresh()
        except UpdateError as error:
            yield SiteFinding(False, self._place.localize(error))
            return
        yield SiteFinding(True, "a device with this root trusts the metadata")
        yield from self._check_versions(_read_trusted_versions(trusted))
        yield from self._check_roots(trusted)
        for path in repository.list_targets():
            yield self._check_target(repository, path)

    def _check_versions(self, found: SeenVersions) -> Iterator[SiteFinding]:
        """Compare the versions with the highest that were seen here, and remember them."""
        step_back = find_step_back(self._memory.get_seen(self._place.name), found)
        if step_back is not None:
            yield SiteFinding(
                False,
                f"{self._place.name} went back: {step_back}, so devices that saw that one ignore or refuse this one; "
                "restore the newest copy (publish pull), or sign it again (publish refresh)",
            )
        self._memory.remember(self._place.name, found)

    def _check_roots(self, trusted: Path) -> Iterator[SiteFinding]:
        """Check that every version of the root is there, because devices with an older one follow all of them."""
        newest = parse_metadata((trusted / "root.json").read_bytes(), ROOT, "root.json").signed.version
        timestamp = parse_metadata((trusted / TIMESTAMP_NAME).read_bytes(), "timestamp", TIMESTAMP_NAME).signed
        expected = timestamp.unrecognized_fields.get(ROOT_VERSION)
        last = max(newest, expected) if type(expected) is int else newest
        for version in range(1, min(last, _MAX_ROOTS) + 1):
            name = f"metadata/{version}.root.json"
            try:
                if self._place.find(name, MAX_METADATA_BYTES) is None:
                    yield SiteFinding(
                        False,
                        f"{name} is missing, so devices with an older root cannot follow; restore it (publish pull)",
                    )
            except SourceError as error:
                yield SiteFinding(False, self._place.localize(error))

    def _check_target(self, repository: TrustedRepository, path: str) -> SiteFinding:
        target = repository.find_target(path)
        if target is None:
            return SiteFinding(False, f"{path} is missing from the metadata")
        try:
            if path.startswith("channels/"):
                return _check_channel(repository, target)
            file = self._place.fetch_file(target.url, target.size_bytes, self._scratch, _MAX_BUNDLE_BYTES)
            target.verify(file)
            if path.startswith("bundles/"):
                read_bundle(file)
            return SiteFinding(True, f"{path}: {target.size_bytes / 1e6:.1f} MB, as signed")
        except FileNotFoundError:
            return SiteFinding(False, f"{path} is missing: {self._place.get_local_file(target.url)} does not exist")
        except BundleError as error:
            return SiteFinding(False, f"{path} is not a valid bundle: {error}")
        except (ApplianceError, OSError) as error:
            return SiteFinding(False, f"{path}: {self._place.localize(error)}")


def _check_served(folder: Path, memory: SiteMemory, served: str) -> SiteFinding:
    """Compare a copy with what is served, and what is served with what was served before."""
    try:
        with SignedSite(folder) as site, SitePlace(served) as place:
            comparison = compare_served(site, place)
            seen = memory.get_seen(place.name)
            require_current(comparison, is_known=bool(seen))
    except PublishError as error:
        return SiteFinding(False, str(error))
    step_back = find_step_back(seen, comparison.found)
    memory.remember(comparison.place, comparison.found)
    if step_back is not None:
        return SiteFinding(False, f"{comparison.place} went back: {step_back}; upload the newest copy again")
    return SiteFinding(True, comparison.message)


def _read_trusted_versions(trusted: Path) -> dict[str, SeenVersion]:
    """Return the versions of the metadata that a device trusts, from the folder in which it keeps them."""
    found = {}
    for role in (ROOT, *ROLES):
        content = (trusted / f"{role}.json").read_bytes()
        found[role] = SeenVersion.of(parse_metadata(content, role, role).signed.version, content)
    return found


def _check_channel(repository: TrustedRepository, target: RepositoryTarget) -> SiteFinding:
    channel = parse_channel(repository.read_target(target, MAX_BYTES), target.path)
    missing = [entry.bundle for entry in channel.entries if repository.find_target(entry.bundle) is None]
    if missing:
        return SiteFinding(False, f"{target.path} lists {', '.join(missing)}, which the site does not contain")
    return SiteFinding(True, f"{target.path}: {describe_entries(channel.entries)}")


def _read_root(root: Path | None, site: Path) -> bytes:
    if root is None:
        with SignedSite(site) as opened:
            return opened.read_first_root()
    try:
        return root.read_bytes()
    except OSError as error:
        raise PublishError(
            f"{root} cannot be read: {describe_os_error(error)}; `publish init` wrote it next to the keys"
        ) from error
