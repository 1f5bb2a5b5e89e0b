"""Looks at a site: when what expires, and whether a device would accept it, in a folder or where it is served.

`check_site` goes the device's own way, with the device's own code and from the root that devices come with; then it takes
every file that the site vouches for, since the next device may ask for any of them.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

from appliance.bundle.bundle import read_bundle
from appliance.errors import ApplianceError, BundleError, HttpStatusError, PublishError, SourceError, UpdateError
from appliance.repository.channel import MAX_BYTES, Channel, parse_channel
from appliance.repository.client import Fetch, RepositoryTarget, TrustedRepository
from appliance.transport.download import Wanted, download
from appliance.transport.http import Http
from appliance.workshop.publishing.channels import described
from appliance.workshop.publishing.contents import channel_names, read_channel
from appliance.workshop.publishing.hosting import hosting_faults
from appliance.workshop.publishing.keys import KeyFolder
from appliance.workshop.publishing.signed_site import RoleState, SignedSite

SOON = timedelta(days=14)
_MAX_BUNDLE_BYTES = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """A site at a moment: its roles, and the channels by name."""

    now: datetime
    roles: tuple[RoleState, ...]
    channels: Mapping[str, Channel]

    @property
    def soon(self) -> bool:
        """Whether something expires within 14 days, or has."""
        return any(role.expires - self.now < SOON for role in self.roles)


@dataclass(frozen=True, slots=True)
class SiteFinding:
    """One thing that was looked at."""

    good: bool
    what: str


def site_status(site: Path, keys: KeyFolder | None = None, now: datetime | None = None) -> SiteStatus:
    """How a site in a folder stands.

    Raises:
        PublishError: It is none, or not whole.
    """
    with SignedSite(site) as opened:
        channels = {
            name: channel for name in channel_names(opened) if (channel := read_channel(opened, name)) is not None
        }
        return SiteStatus(now or datetime.now(UTC), tuple(opened.states(keys)), channels)


def check_site(site: str, root: Path | None) -> Iterator[SiteFinding]:
    """Goes through a site as a device would, and says what it finds as it goes.

    Args:
        site: A folder, or the address where it is served.
        root: The root metadata that devices come with; None: a folder's own first one.

    Raises:
        PublishError: Nothing can be looked at: there is no root to begin from.
    """
    served = "://" in site
    if served and root is None:
        raise PublishError(
            "a site that is served is held against the root that devices have: name the keys' folder with --keys"
        )
    with tempfile.TemporaryDirectory(prefix="appliance-check-") as scratch:
        http = Http()
        try:
            folder = Path(site)
            if not served:
                yield from (SiteFinding(False, fault) for fault in hosting_faults(folder))
            trusted = _root(root, folder)
            fetch: Fetch = (
                (lambda url, max_bytes: http.get(url, max_bytes=max_bytes).body) if served else _from_folder(folder)
            )
            base = site if served else "file://site"
            repository = TrustedRepository(Path(scratch, "trusted"), trusted, base, fetch)
            try:
                repository.refresh()
            except UpdateError as error:
                yield SiteFinding(False, _in_folder(str(error), folder, served))
                return
            yield SiteFinding(True, "a device that comes with this root believes the metadata")
            for path in repository.paths():
                yield _check_target(repository, path, Path(scratch), http if served else None, folder)
        finally:
            http.close()


def _check_target(
    repository: TrustedRepository, path: str, scratch: Path, http: Http | None, site: Path
) -> SiteFinding:
    target = repository.open(path)
    if target is None:
        return SiteFinding(False, f"{path} cannot be found in the metadata")
    try:
        if path.startswith("channels/"):
            return _check_channel(repository, target)
        if http is not None:
            file = scratch / "bundle.zip"
            download(http, target.url, file, Wanted(_MAX_BUNDLE_BYTES, target.size_bytes, immutable=True))
        else:
            file = _local(site, target.url)
        target.verify(file)
        if path.startswith("bundles/"):
            read_bundle(file)
        return SiteFinding(True, f"{path}: {target.size_bytes / 1e6:.1f} MB, as signed")
    except FileNotFoundError:
        return SiteFinding(False, f"{path} is missing: {_local(site, target.url)} is not there")
    except BundleError as error:
        return SiteFinding(False, f"{path} is no good bundle: {error}")
    except (ApplianceError, OSError) as error:
        return SiteFinding(False, f"{path}: {_in_folder(str(error), site, http is not None)}")


def _check_channel(repository: TrustedRepository, target: RepositoryTarget) -> SiteFinding:
    channel = parse_channel(repository.read(target, MAX_BYTES), target.path)
    missing = [entry.bundle for entry in channel.entries if repository.open(entry.bundle) is None]
    if missing:
        return SiteFinding(False, f"{target.path} names {', '.join(missing)}, which the site does not have")
    return SiteFinding(True, f"{target.path}: {described(channel.entries)}")


def _root(root: Path | None, site: Path) -> bytes:
    if root is None:
        with SignedSite(site) as opened:
            return opened.first_root()
    try:
        return root.read_bytes()
    except OSError as error:
        raise PublishError(f"{root} cannot be read: {error.strerror}; `publish init` put it beside the keys") from error


def _from_folder(site: Path) -> Fetch:
    """Reads a site's files as a server would send them."""

    def fetch(url: str, max_bytes: int) -> bytes:
        file = _local(site, url)
        try:
            with file.open("rb") as opened:
                content = opened.read(max_bytes + 1)
        except FileNotFoundError:
            raise HttpStatusError(f"{file} is not there", 404) from None
        except OSError as error:
            raise SourceError(f"{file} cannot be read: {error.strerror}") from error
        if len(content) > max_bytes:
            raise SourceError(f"{file} has more than the {max_bytes} bytes that are read")
        return content

    return fetch


def _local(site: Path, url: str) -> Path:
    return site / unquote(url.removeprefix("file://site/"))


def _in_folder(sentence: str, site: Path, served: bool) -> str:
    return sentence if served else sentence.replace("file://site", str(site))
