"""Inspect a site, in a folder or at its URL: when its metadata expires, and whether a device would accept it.

`check_site` follows the procedure of a device with the same code, starting with the root that is installed on devices.
Then it reads every target of the site, because a device may request any of them.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

from appliance.bundle.bundle import read_bundle
from appliance.errors import (
    ApplianceError,
    BundleError,
    HttpStatusError,
    PublishError,
    SourceError,
    UpdateError,
    describe_os_error,
)
from appliance.repository.channel import MAX_BYTES, Channel, parse_channel
from appliance.repository.client import Fetch, RepositoryTarget, TrustedRepository
from appliance.transport.download import DownloadSpec, download
from appliance.transport.http import Http
from appliance.workshop.publishing.channels import describe_entries
from appliance.workshop.publishing.contents import list_channels, read_channel
from appliance.workshop.publishing.hosting import find_hosting_faults
from appliance.workshop.publishing.keys import KeyFolder
from appliance.workshop.publishing.signed_site import SignedSite
from appliance.workshop.publishing.site_values import RoleState

EXPIRES_SOON = timedelta(days=14)
_MAX_BUNDLE_BYTES = 1024 * 1024 * 1024
_LOCAL_URL = "file://site"


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


def check_site(site: str, root: Path | None) -> Iterator[SiteFinding]:
    """Check a site as a device would, and yield each finding as soon as it is known.

    Args:
        site: A folder, or the URL of a served site.
        root: The root metadata that is installed on devices; None for the first root in the folder.

    Raises:
        PublishError: There is no root with which to start.
    """
    is_served = "://" in site
    if is_served and root is None:
        raise PublishError(
            "a served site is checked against the root that devices have; pass the folder of the keys with --keys"
        )
    folder = Path(site)
    if not is_served:
        yield from (SiteFinding(False, fault) for fault in find_hosting_faults(folder))
    with tempfile.TemporaryDirectory(prefix="appliance-check-") as scratch:
        http = Http()
        try:
            checker = _SiteChecker(Path(scratch), folder, http if is_served else None)
            yield from checker.check(_read_root(root, folder), site)
        finally:
            http.close()


class _SiteChecker:
    """Check one site, with a temporary folder.

    Attributes:
        folder: The site's folder, unless it is served.
        http: The client for a served site; None for a folder.
    """

    def __init__(self, scratch: Path, folder: Path, http: Http | None) -> None:
        self.scratch, self.folder, self.http = scratch, folder, http

    def check(self, root: bytes, url: str) -> Iterator[SiteFinding]:
        """Yield the findings on the metadata, then on every target."""
        url = url if self.http else _LOCAL_URL
        repository = TrustedRepository(self.scratch / "trusted", root, url, self._make_fetch())
        try:
            repository.refresh()
        except UpdateError as error:
            yield SiteFinding(False, self._localize(error))
            return
        yield SiteFinding(True, "a device with this root trusts the metadata")
        for path in repository.list_targets():
            yield self._check_target(repository, path)

    def _make_fetch(self) -> Fetch:
        http = self.http
        if http is None:
            return self._read_file
        return lambda url, max_bytes: http.get(url, max_bytes=max_bytes).body

    def _read_file(self, url: str, max_bytes: int) -> bytes:
        """Return a file of the folder as a server would send it."""
        file = self._get_file(url)
        try:
            with file.open("rb") as opened:
                content = opened.read(max_bytes + 1)
        except FileNotFoundError:
            raise HttpStatusError(f"{file} does not exist", 404) from None
        except OSError as error:
            raise SourceError(f"{file} cannot be read: {describe_os_error(error)}") from error
        if len(content) > max_bytes:
            raise SourceError(f"{file} is larger than the limit of {max_bytes} bytes")
        return content

    def _check_target(self, repository: TrustedRepository, path: str) -> SiteFinding:
        target = repository.find_target(path)
        if target is None:
            return SiteFinding(False, f"{path} is missing from the metadata")
        try:
            if path.startswith("channels/"):
                return _check_channel(repository, target)
            if self.http is not None:
                file = self.scratch / "bundle.zip"
                download(
                    self.http, target.url, file, DownloadSpec(_MAX_BUNDLE_BYTES, target.size_bytes, immutable=True)
                )
            else:
                file = self._get_file(target.url)
            target.verify(file)
            if path.startswith("bundles/"):
                read_bundle(file)
            return SiteFinding(True, f"{path}: {target.size_bytes / 1e6:.1f} MB, as signed")
        except FileNotFoundError:
            return SiteFinding(False, f"{path} is missing: {self._get_file(target.url)} does not exist")
        except BundleError as error:
            return SiteFinding(False, f"{path} is not a valid bundle: {error}")
        except (ApplianceError, OSError) as error:
            return SiteFinding(False, f"{path}: {self._localize(error)}")

    def _get_file(self, url: str) -> Path:
        return self.folder / unquote(url.removeprefix(f"{_LOCAL_URL}/"))

    def _localize(self, error: Exception) -> str:
        """Return an error's message with the folder's path instead of the local URL."""
        return str(error) if self.http else str(error).replace(_LOCAL_URL, str(self.folder))


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
