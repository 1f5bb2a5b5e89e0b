"""Check the folder of collected frames: whether it can be written, how full it is, and the space on its own disk."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from appliance.collection.folder import FOLDER_NAME, KEPT_FREE_BYTES, CollectedFolder
from appliance.errors import ApplianceError, describe_os_error
from appliance.settings.schema import CollectSettings, Settings
from appliance.system.paths import find_state_dir

# The oldest frames are removed when the folder is about this full.
_FULL_SHARE = 0.95


class CollectFolderError(ApplianceError):
    """Frames cannot be collected; the text is the remedy."""


def find_collect_check(report: Mapping[str, Any] | None, settings: Settings) -> Callable[[], str] | None:
    """Return the check of the folder of collected frames; None if no frames are collected.

    Args:
        report: The status of the running daemon; None if none is running, or if it collects elsewhere.
        settings: The settings that are checked.
    """
    if report is None:
        collect = settings.collect
        return (
            (lambda: check_folder(collect.dir or find_state_dir() / FOLDER_NAME, collect)) if collect.enabled else None
        )
    collected = report.get("collect")  # absent in the status of an earlier release
    return (lambda: check_reported_folder(collected)) if collected else None


def check_reported_folder(report: Mapping[str, Any]) -> str:
    """Check the folder that a running daemon collects in.

    Args:
        report: The entry `collect` of the daemon's status.

    Raises:
        CollectFolderError: Frames cannot be collected.
    """
    if report["trouble"]:
        raise CollectFolderError(report["trouble"])
    folder = Path(report["folder"])
    message = _describe(folder, report["pictures"], report["bytes"], report["max_bytes"])
    missed = f"; {report['missed']} more exceeded collect.max_per_hour" if report["missed"] else ""
    return f"{message}{missed}{_check_disk(folder)}"


def check_folder(folder: Path, settings: CollectSettings) -> str:
    """Check the folder while no daemon collects in it.

    Args:
        folder: The folder; it need not exist.
        settings: The collect section.

    Raises:
        CollectFolderError: Frames cannot be collected.
    """
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    if not existing.is_dir():
        raise CollectFolderError(f"{existing} is not a folder; correct collect.dir")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise CollectFolderError(
            f"{folder} cannot be written; correct collect.dir, or give its folder to the account of the service"
        )
    try:
        collected = CollectedFolder(folder, settings.max_bytes)
        collected.measure()
    except OSError as error:
        raise CollectFolderError(f"{folder}: {describe_os_error(error)}") from error
    message = _describe(folder, collected.pictures, collected.size_bytes, settings.max_bytes)
    return f"{message}{_check_disk(existing)}"


def _describe(folder: Path, pictures: int, size_bytes: int, max_bytes: int) -> str:
    is_full = size_bytes >= _FULL_SHARE * max_bytes
    full = "; full, so the oldest are removed: copy them, or raise collect.max_bytes" if is_full else ""
    return f"{pictures} pictures in {folder}, {size_bytes / 1e6:.0f} of {max_bytes / 1e6:.0f} MB{full}"


def _check_disk(folder: Path) -> str:
    """Return the free space of the folder's disk, for the message; nothing if this account may not see it."""
    try:
        free_bytes = shutil.disk_usage(folder).free
    except OSError:
        return ""
    if free_bytes < KEPT_FREE_BYTES:
        raise CollectFolderError(
            f"{free_bytes / 1e6:.0f} MB free on the disk of {folder}: frames are collected only while"
            f" {KEPT_FREE_BYTES / 1e6:.0f} MB are free; free space on this disk, or set collect.dir to another"
        )
    return f"; {free_bytes / 1e9:.1f} GB free on its disk"
