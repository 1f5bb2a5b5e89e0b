"""Decide which files of a site nothing needs any more, without breaking a device that is in the middle of an update.

A device that has read the signatures of yesterday may still fetch what they named. So a file is deleted only when no
signature has named it for some hours: from the time at which the first targets were signed that do not name it.
"""

import itertools
import time
from dataclasses import dataclass
from pathlib import Path

from appliance.repository.channel import channel_path
from appliance.workshop.publishing.contents import list_channels, list_history, read_channel
from appliance.workshop.publishing.metadata_files import parse_metadata
from appliance.workshop.publishing.signed_site import SignedSite

_KEPT_SNAPSHOTS = 200
"""Snapshots are small, and show that what is served is a part of this copy's history (served.py)."""


@dataclass(frozen=True, slots=True)
class UnusedFiles:
    """The files that no signature names: those that may be deleted now, and those that may be deleted later."""

    ready: tuple[Path, ...]
    waiting: tuple[Path, ...]


def find_unused_bundles(site: SignedSite, keep: int) -> list[str]:
    """Return the paths of the bundles that no channel names, now or in its last contents.

    Args:
        site: The site.
        keep: The number of earlier contents of each channel whose bundles stay, for rollbacks.
    """
    used: set[str] = set()
    for name in list_channels(site):
        channel = read_channel(site, name)
        if channel is None:
            continue
        used |= {entry.bundle for entry in channel.entries}
        for earlier, _ in zip(list_history(site, name, channel), range(keep), strict=False):
            used |= {entry.bundle for entry in earlier.channel.entries}
    paths = [target.path for target in site.list_targets()]
    return [path for path in paths if path.startswith("bundles/") and path not in used]


def delete_unused_files(site: SignedSite, hours: float) -> tuple[UnusedFiles, int]:
    """Delete the files that may be deleted; return all unused files, and the size of the deleted ones.

    Raises:
        OSError: A file cannot be deleted.
    """
    unused = find_unused_files(site, hours)
    freed_bytes = 0
    for file in unused.ready:
        freed_bytes += file.stat().st_size
        file.unlink()
    return unused, freed_bytes


def find_unused_files(site: SignedSite, hours: float, now_s: float | None = None) -> UnusedFiles:
    """Return the files of targets and metadata that nothing names.

    Args:
        site: The site.
        hours: How long no signature may have named a file before it may be deleted.
        now_s: The time, in seconds since 1970; None takes the system clock.
    """
    now_s = time.time() if now_s is None else now_s
    used = _list_used(site)
    last_named = _list_last_named(site)
    # What no targets name at all was left by an interrupted publish, or its targets were deleted.
    ready: list[Path] = []
    waiting: list[Path] = []
    for file in _list_files(site):
        if file in used:
            continue
        unused_since_s = max(last_named.get(file, 0.0), file.stat().st_mtime)
        (ready if now_s - unused_since_s >= hours * 3600 else waiting).append(file)
    return UnusedFiles(tuple(ready), tuple(waiting))


def _list_files(site: SignedSite) -> list[Path]:
    files = [file for file in (site.folder / "targets").rglob("*") if file.is_file()]
    files += [site.files.get_file("targets", version) for version in site.files.list_versions("targets")]
    snapshots = site.files.list_versions("snapshot")[:-_KEPT_SNAPSHOTS]
    return sorted([*files, *(site.files.get_file("snapshot", version) for version in snapshots)])


def _list_used(site: SignedSite) -> set[Path]:
    """Return the files that the newest signatures name, and the earlier contents of the channels."""
    versions = site.read_versions()
    used = {site.files.get_file(role, versions[role].version) for role in ("targets", "snapshot")}
    used |= {site.get_target_file(target.path, target.sha256) for target in site.list_targets()}
    for name in list_channels(site):
        channel = read_channel(site, name)
        while channel is not None and channel.before is not None:
            used.add(site.get_target_file(channel_path(name), channel.before))
            channel = next((earlier.channel for earlier in list_history(site, name, channel)), None)
    return used


def _list_last_named(site: SignedSite) -> dict[Path, float]:
    """Return until when older signatures named each file: when the targets after them were signed."""
    last_named: dict[Path, float] = {}
    versions = site.files.list_versions("targets")
    for version, following in itertools.pairwise(versions):
        file = site.files.get_file("targets", version)
        until_s = site.files.get_file("targets", following).stat().st_mtime
        targets = parse_metadata(file.read_bytes(), "targets", str(file)).signed.targets
        named = [site.get_target_file(path, info.hashes.get("sha256", "")) for path, info in targets.items()]
        for each in (file, *named):
            last_named[each] = max(until_s, last_named.get(each, 0.0))
    return last_named
