"""Upload a site in the only order in which a device always finds a complete repository.

First everything that has a hash or a version in its name, except the roots; then timestamp.json, which makes the change
visible; and then the roots. A root that replaces a key must come after signatures with the new key, because devices
that know it reject the old ones; new signatures also carry the replaced key, so devices without the new root accept
them.
"""

import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from appliance.errors import PublishError, describe_os_error
from appliance.workshop.publishing.hosting import FIREBASE_FILES, require_no_keys_inside
from appliance.workshop.publishing.keys import ROOT
from appliance.workshop.publishing.metadata_files import TIMESTAMP_NAME
from appliance.workshop.publishing.places import SitePlace
from appliance.workshop.publishing.served import ServedState, compare_served, require_current
from appliance.workshop.publishing.signed_site import SignedSite
from appliance.workshop.publishing.site_files import convert_write_errors, hash_file, write_public
from appliance.workshop.publishing.site_record import SiteMemory

# A device that began an update before the last upload may still be fetching what it named.
_GRACE_S = 3600.0
_PLACEHOLDERS = ("{files}", "{file}")


@dataclass(frozen=True, slots=True)
class UploadStep:
    """Files that may be uploaded in any order, after those of the steps before: paths relative to the site."""

    name: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SyncResult:
    """The result of an upload.

    Attributes:
        uploaded: The number of files that were given to the command, or differed in the folder.
        deleted: The number of files that were deleted from the folder.
        message: What is served afterwards, for people; None if that is not known.
        is_served: Whether devices get this copy; None if that is not known.
    """

    uploaded: int
    deleted: int = 0
    message: str | None = None
    is_served: bool | None = None


RunCommand = Callable[[Sequence[str]], int]
"""Runs a command; returns its exit status."""


def list_steps(site: SignedSite) -> list[UploadStep]:
    """Return the files of a site in the order of their upload; hidden files and those of Firebase are left out.

    Raises:
        PublishError: A target is missing or differs from what was signed.
    """
    for target in site.list_targets():
        file = site.get_target_file(target.path, target.sha256)
        if not file.is_file() or hash_file(file) != target.sha256:
            raise PublishError(f"{file} is missing or was modified; restore it (publish pull), or push it again")
    steps: dict[str, list[str]] = {"targets": [], "metadata": [], "timestamp": [], "roots": []}
    for file in sorted(site.folder.rglob("*")):
        path = PurePosixPath(file.relative_to(site.folder))
        if file.is_file() and not any(part.startswith(".") for part in path.parts) and str(path) not in FIREBASE_FILES:
            steps[_find_step(path)].append(str(path))
    steps["roots"] = [f"metadata/{version}.root.json" for version in site.files.list_versions(ROOT)]
    return [UploadStep(name, tuple(files)) for name, files in steps.items() if files]


def sync_to_folder(site: Path, target: Path, keys: Path | None = None) -> SyncResult:
    """Copy a site into the folder that a web server serves, file by file, in the right order.

    Files that neither this copy nor the one in the folder names are deleted, but not within an hour of an upload.

    Args:
        site: The site.
        target: The folder, which is created; its parent must exist.
        keys: The folder of the keys, which remembers what was served; None if it is not here.

    Raises:
        PublishError: The folder contains a newer copy or another site, or cannot be written.
    """
    if target.resolve().is_relative_to(site.resolve()) or site.resolve().is_relative_to(target.resolve()):
        raise PublishError(f"{target} and {site} are the same, or one is inside the other; upload to another folder")
    if not target.parent.is_dir():
        raise PublishError(f"{target.parent} does not exist; create it, or mount the disk")
    require_no_keys_inside(site)
    with convert_write_errors(target), SignedSite(site) as opened, SitePlace(str(target)) as place:
        require_current(compare_served(opened, place), is_known=False)
        steps = list_steps(opened)
        obsolete = _list_obsolete(target, {path for step in steps for path in step.files})
        uploaded = 0
        for step in steps:
            for path in step.files:
                content = (site / path).read_bytes()
                if not _has_content(target / path, content):
                    write_public(target / path, content)
                    uploaded += 1
        for file in obsolete:
            file.unlink()
        SiteMemory(site, keys).remember(place.name, opened.read_versions())
        return SyncResult(uploaded, len(obsolete), f"{target} contains this copy", True)


def sync_with_command(
    site: Path, command: str, target: str | None, keys: Path | None = None, run: RunCommand | None = None
) -> SyncResult:
    """Upload a site with a command, which runs once for each step, or for each file.

    Args:
        site: The site.
        command: In it, `{files}` stands for a file that lists the files of a step, one per line, relative to the site;
            `{file}` for one file, relative to the site; `{site}` for the site's folder; `{dest}` for `target`. rsync
            needs none of them: it gets `--files-from`, and the site and `target` if the latter is given.
        target: The destination, for the command; None if the command contains it.
        keys: The folder of the keys, which remembers what was served; None if it is not here.
        run: Runs a command; None for this machine's.

    Raises:
        PublishError: What is served is newer or another site, or the command failed; what it uploaded is complete for
            devices, because of the order.
    """
    words = _complete_command(command, target)
    require_no_keys_inside(site)
    memory = SiteMemory(site, keys)
    with convert_write_errors(site), SignedSite(site) as opened:
        if memory.served is not None:
            with SitePlace(memory.served) as place:
                require_current(compare_served(opened, place), is_known=bool(memory.get_seen(place.name)))
        steps = list_steps(opened)
        for step in steps:
            _upload_step(step, words, site, target or "", run or _run_command)
        uploaded = sum(len(step.files) for step in steps)
        if memory.served is None:
            return SyncResult(uploaded)
        with SitePlace(memory.served) as place:
            comparison = compare_served(opened, place)
            memory.remember(place.name, comparison.found)
        is_served = comparison.state is ServedState.SAME
        hint = "" if is_served else "; does the command upload to the folder that is served, or does a cache answer?"
        return SyncResult(uploaded, 0, comparison.message + hint, is_served)


def _find_step(path: PurePosixPath) -> str:
    if path.parts[0] != "metadata":
        return "targets"
    if path.name == TIMESTAMP_NAME:
        return "timestamp"
    return "roots" if path.name.endswith(".root.json") else "metadata"


def _complete_command(command: str, target: str | None) -> list[str]:
    """Return the words of a command, with placeholders."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise PublishError(f"the command {command!r} cannot be read: {error}; correct its quotes") from error
    if not words:
        raise PublishError("the command is empty; give one such as 'rsync -rt'")
    if any(placeholder in word for word in words for placeholder in _PLACEHOLDERS):
        return words
    if Path(words[0]).name != "rsync":
        raise PublishError(
            f"the command {words[0]} must contain {{file}} or {{files}}, so that the files are uploaded in the right "
            "order, for example 'aws s3 cp {site}/{file} s3://bucket/{file}'"
        )
    if any(word.startswith("--del") for word in words):
        raise PublishError(
            "leave out --delete: devices may still be fetching files that are no longer named; delete them with "
            "`publish sync FOLDER` on the server, or by hand"
        )
    ends = ["{site}/", "{dest}"] if target is not None else []
    return [words[0], "--files-from={files}", *words[1:], *ends]


def _upload_step(step: UploadStep, words: list[str], site: Path, target: str, run: RunCommand) -> None:
    with tempfile.NamedTemporaryFile("w", prefix="appliance-files-", suffix=".txt", encoding="utf-8") as listing:
        listing.write("".join(f"{path}\n" for path in step.files))
        listing.flush()
        paths = step.files if any("{file}" in word for word in words) else ("",)
        for path in paths:
            values = {"{files}": listing.name, "{file}": path, "{site}": str(site), "{dest}": target}
            filled = [_fill(word, values) for word in words]
            status = run(filled)
            if status != 0:
                raise PublishError(
                    f"{shlex.join(filled)} ended with status {status} while uploading the {step.name}; correct the "
                    "cause, and run sync again"
                )


def _fill(word: str, values: dict[str, str]) -> str:
    for placeholder, value in values.items():
        word = word.replace(placeholder, value)
    return word


def _run_command(words: Sequence[str]) -> int:
    try:
        return subprocess.run(words, check=False, stdin=subprocess.DEVNULL).returncode
    except OSError as error:
        raise PublishError(
            f"{words[0]} cannot be run: {describe_os_error(error)}; install it, or correct it"
        ) from error


def _has_content(file: Path, content: bytes) -> bool:
    return file.is_file() and file.stat().st_size == len(content) and file.read_bytes() == content


def _list_obsolete(target: Path, kept: set[str]) -> list[Path]:
    """Return the files in a folder that are neither in the new copy nor named by what the folder serves now.

    Nothing is obsolete within an hour of the last upload.
    """
    try:
        with SignedSite(target) as served:
            named = {served.get_target_file(each.path, each.sha256) for each in served.list_targets()}
            versions = served.read_versions()
            named |= {served.files.get_file(role, versions[role].version) for role in ("targets", "snapshot")}
            if time.time() - served.files.timestamp.stat().st_mtime < _GRACE_S:
                return []
            candidates = [file for file in (target / "targets").rglob("*") if file.is_file()]
            for role in ("targets", "snapshot"):
                candidates += [served.files.get_file(role, version) for version in served.files.list_versions(role)]
    except PublishError:  # there is nothing yet, or it is incomplete
        return []
    return [file for file in candidates if file not in named and str(file.relative_to(target)) not in kept]
