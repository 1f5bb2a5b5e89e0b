"""Bring the newest served copy of a site into its folder, so that it can be changed from this machine.

Everything is verified as on a device, except that signatures may have expired, so that an expired site can be pulled
and signed again. What this copy has under the same names is set aside, never overwritten.
"""

import hashlib
import itertools
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from appliance.errors import ChannelError, PublishError, SourceError, describe_os_error
from appliance.repository.channel import MAX_BYTES, channel_path, parse_channel
from appliance.repository.client import MAX_METADATA_BYTES
from appliance.workshop.publishing.channels import describe_entries
from appliance.workshop.publishing.contents import list_channels, read_channel
from appliance.workshop.publishing.hosting import write_hosting
from appliance.workshop.publishing.keys import ROOT, KeyFolder
from appliance.workshop.publishing.metadata_files import TIMESTAMP_NAME, MetadataFiles, parse_metadata
from appliance.workshop.publishing.places import SitePlace
from appliance.workshop.publishing.served import ServedState, compare_served
from appliance.workshop.publishing.signed_site import SignedSite
from appliance.workshop.publishing.site_files import (
    WriteFile,
    convert_write_errors,
    hash_file,
    lock_folder,
    write_public,
)
from appliance.workshop.publishing.site_record import SiteMemory
from appliance.workshop.publishing.site_values import SiteTarget

REPLACED = ".replaced"
"""The hidden subfolder of a site with the files that a pull replaced."""
_MAX_BUNDLE_BYTES = 1024 * 1024 * 1024
_MAX_ROOTS = 1000


@dataclass(frozen=True, slots=True)
class PullResult:
    """The result of a pull.

    Attributes:
        place: From where.
        is_changed: Whether the copy changed; False if it contained everything already.
        fetched: The number of targets that were fetched.
        lost: What the copy had and now has not, for people: the channels with other contents.
        replaced: The folder with the files that were set aside; None if there are none.
    """

    place: str
    is_changed: bool
    fetched: int = 0
    lost: tuple[str, ...] = ()
    replaced: Path | None = None


def pull_site(site: Path, keys: KeyFolder, served: str | None = None, write: WriteFile = write_public) -> PullResult:
    """Bring the newest served copy into a folder, which is created if it does not exist.

    Args:
        site: The folder.
        keys: The keys of the site; its root.json is trusted if the folder contains no root.
        served: The address or folder; None for what the site's own file contains.
        write: Writes a file into the site.

    Raises:
        PublishError: The served site cannot be read, or is another site.
    """
    memory = SiteMemory(site, keys.folder)
    address = served or memory.served
    if address is None:
        raise PublishError("it is not known where the site is served; pass its address with --served")
    with convert_write_errors(site), SitePlace(address) as place:
        if place.folder is not None and place.folder.resolve() == site.resolve():
            raise PublishError(f"{site} cannot be pulled from itself; pass the address that serves it with --served")
        site.mkdir(parents=True, exist_ok=True)
        before = _describe_channels(site)
        has_own_changes = False
        if before is not None:
            with SignedSite(site, write) as opened:
                state = compare_served(opened, place).state
                has_own_changes = not _is_ancestor(opened, place)
            if state in (ServedState.SAME, ServedState.OLDER):
                memory.keep_served(place.url if place.is_address else place.name)
                return PullResult(place.name, is_changed=False)
        try:
            result = _Pull(site, keys, place, write).run(before or {}, has_own_changes)
        except SourceError as error:
            raise PublishError(f"{place.localize(error)}; this copy was not changed, try again") from error
        memory = SiteMemory(site, keys.folder)  # the folder may be new
        memory.keep_served(place.url if place.is_address else place.name)
        with SignedSite(site, write) as opened:
            memory.remember(place.name, opened.read_versions())
        return result


class _Pull:
    """One pull into a folder."""

    def __init__(self, site: Path, keys: KeyFolder, place: SitePlace, write: WriteFile) -> None:
        self._site, self._keys, self._place, self._write = site, keys, place, write
        self._own = MetadataFiles(site)
        self._replaced: Path | None = None
        self._has_own_changes = False

    def run(self, before: Mapping[str, str], has_own_changes: bool) -> PullResult:
        """Fetch the metadata into a scratch folder, verify it, fetch the targets, and then replace the metadata.

        Args:
            before: The contents of the channels of this copy.
            has_own_changes: Whether this copy was signed since it was the served one.
        """
        self._has_own_changes = has_own_changes
        with tempfile.TemporaryDirectory(prefix="appliance-pull-") as scratch:
            fetched = MetadataFiles(Path(scratch))
            fetched.folder.mkdir()
            self._fetch_roots(fetched)
            self._fetch_metadata(fetched)
            with SignedSite(Path(scratch)) as source:  # verifies versions, hashes, and signatures
                count = sum(self._fetch_target(target, Path(scratch)) for target in source.list_targets())
                after = self._fetch_history(source)
                versions = {role: entry.version for role, entry in source.read_versions().items()}
            lock = lock_folder(self._site)
            try:
                self._replace_metadata(fetched, versions)
                write_hosting(self._site, self._write)
            finally:
                os.close(lock)
            self._keys.keep_device_root(fetched.get_file(ROOT, versions[ROOT]).read_bytes())
        lost = [
            f"channel {name}: {after.get(name, 'none')} (this copy had: {content})"
            for name, content in before.items()
            if has_own_changes and after.get(name) != content
        ]
        return PullResult(self._place.name, True, count, tuple(lost), self._replaced)

    def _fetch_roots(self, fetched: MetadataFiles) -> None:
        """Fetch all versions of the root, each verified with the one before or after it."""
        content, trusted = self._read_trusted_root()
        fetched.get_file(ROOT, trusted.signed.version).write_bytes(content)
        newest, version = trusted, trusted.signed.version
        while (following := self._find_root(version + 1)) is not None:
            version += 1
            content, found = following
            if found.signed.version != version or version > _MAX_ROOTS or not _is_signed_by(found, newest):
                raise PublishError(
                    f"{self._place.name}/metadata/{version}.root.json is not signed with the keys of this site; it "
                    "belongs to another site, so correct the address with --served"
                )
            fetched.get_file(ROOT, version).write_bytes(content)
            newest = found
        oldest, version = trusted, trusted.signed.version - 1
        while version >= 1 and (earlier := self._find_root(version)) is not None:
            content, found = earlier
            if not _is_signed_by(oldest, found):
                break
            fetched.get_file(ROOT, version).write_bytes(content)
            oldest, version = found, version - 1

    def _fetch_metadata(self, fetched: MetadataFiles) -> None:
        stamp = self._fetch(TIMESTAMP_NAME)
        fetched.timestamp.write_bytes(stamp)
        version = parse_metadata(stamp, "timestamp", TIMESTAMP_NAME).signed.snapshot_meta.version
        snapshot = self._fetch(f"{version}.snapshot.json")
        fetched.get_file("snapshot", version).write_bytes(snapshot)
        described = parse_metadata(snapshot, "snapshot", "snapshot.json").signed.meta.get("targets.json")
        if described is not None:
            fetched.get_file("targets", described.version).write_bytes(self._fetch(f"{described.version}.targets.json"))

    def _fetch(self, name: str) -> bytes:
        content = self._place.find(f"metadata/{name}", MAX_METADATA_BYTES)
        if content is None:
            raise PublishError(f"{self._place.name} does not serve metadata/{name}; it is not a complete site")
        return content

    def _find_root(self, version: int) -> tuple[bytes, Metadata[Root]] | None:
        name = f"metadata/{version}.root.json"
        content = self._place.find(name, MAX_METADATA_BYTES)
        return None if content is None else (content, parse_metadata(content, ROOT, f"{self._place.name}/{name}"))

    def _read_trusted_root(self) -> tuple[bytes, Metadata[Root]]:
        """Return the oldest root of this copy, else the one next to the keys."""
        versions = self._own.list_versions(ROOT)
        file = self._own.get_file(ROOT, versions[0]) if versions else self._keys.device_root
        try:
            content = file.read_bytes()
        except OSError as error:
            raise PublishError(
                f"{file} cannot be read: {describe_os_error(error)}; pass the folder of the keys with --keys"
            ) from error
        return content, parse_metadata(content, ROOT, str(file))

    def _fetch_target(self, target: SiteTarget, scratch: Path) -> bool:
        """Fetch a target, unless this copy has its file; return whether it was fetched."""
        path = Path(target.path)
        file = self._site / "targets" / path.parent / f"{target.sha256}.{path.name}"
        if file.is_file() and hash_file(file) == target.sha256:
            return False
        url = f"{self._place.url}/targets/{quote(file.relative_to(self._site / 'targets').as_posix())}"
        try:
            content = self._place.fetch_file(url, target.size_bytes, scratch, _MAX_BUNDLE_BYTES).read_bytes()
        except FileNotFoundError:
            raise PublishError(f"{self._place.name} is only partly uploaded: {target.path} is missing") from None
        if hashlib.sha256(content).hexdigest() != target.sha256:
            raise PublishError(f"{target.path} of {self._place.name} does not match its signature; upload it again")
        self._write(file, content)
        return True

    def _fetch_history(self, source: SignedSite) -> dict[str, str]:
        """Fetch the earlier contents of the channels, as far back as they are served; return the present ones."""
        contents: dict[str, str] = {}
        for name in list_channels(source):
            target = source.find_target(channel_path(name))
            sha256 = target.sha256 if target else None
            while sha256 is not None:
                file = self._site / "targets/channels" / f"{sha256}.{name}.json"
                if not file.is_file():
                    content = self._place.find(f"targets/channels/{quote(file.name)}", MAX_BYTES)
                    if content is None or hashlib.sha256(content).hexdigest() != sha256:
                        break
                    self._write(file, content)
                channel = parse_channel(file.read_bytes(), str(file))
                contents.setdefault(name, describe_entries(channel.entries))
                sha256 = channel.before
        return contents

    def _replace_metadata(self, fetched: MetadataFiles, versions: Mapping[str, int]) -> None:
        """Write the metadata, the timestamp after what it names, and the roots last."""
        for role in ("targets", "snapshot"):
            self._replace(fetched.get_file(role, versions[role]))
        self._replace(fetched.timestamp)
        for version in fetched.list_versions(ROOT):
            self._replace(fetched.get_file(ROOT, version))
        for version in self._own.list_versions(ROOT):
            if version > versions[ROOT]:
                self._set_aside(self._own.get_file(ROOT, version))

    def _replace(self, fetched: Path) -> None:
        file, content = self._own.folder / fetched.name, fetched.read_bytes()
        if file.is_file():
            if file.read_bytes() == content:
                return
            if self._has_own_changes or file.name != TIMESTAMP_NAME:
                self._set_aside(file, keep=True)
        self._write(file, content)

    def _set_aside(self, file: Path, keep: bool = False) -> None:
        """Copy or move a file of this copy into a hidden folder."""
        if self._replaced is None:
            number = next(number for number in itertools.count(1) if not (self._site / f"{REPLACED}-{number}").exists())
            self._replaced = self._site / f"{REPLACED}-{number}"
        self._write(self._replaced / file.name, file.read_bytes())
        if not keep:
            file.unlink()


def _describe_channels(site: Path) -> dict[str, str] | None:
    """Return the contents of the channels of a copy as text; None if the copy is incomplete, or there is none."""
    os.close(lock_folder(site))  # so that a copy that is being changed is not taken for an incomplete one
    try:
        with SignedSite(site) as opened:
            channels = {name: read_channel(opened, name) for name in list_channels(opened)}
    except (PublishError, ChannelError):
        return None
    return {name: describe_entries(channel.entries) for name, channel in channels.items() if channel is not None}


def _is_ancestor(site: SignedSite, place: SitePlace) -> bool:
    """Return whether the newest snapshot of a copy is served, so that the copy has no changes of its own."""
    file = site.files.get_file("snapshot", site.read_versions()["snapshot"].version)
    return place.find(f"metadata/{file.name}", MAX_METADATA_BYTES) == file.read_bytes()


def _is_signed_by(root: Metadata[Root], signer: Metadata[Root]) -> bool:
    """Return whether a root is signed with its own keys and those of another root."""
    try:
        for each in (signer, root):
            each.signed.verify_delegate(ROOT, root.signed_bytes, root.signatures)
    except RepositoryError:
        return False
    return True
