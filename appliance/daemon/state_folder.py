"""Find the folders of the daemon, also on a card that has become read-only.

A worn SD card ends as a read-only one. The daemon then labels and publishes from memory: what was stored before is
read, and nothing is written. That is logged at the start and reported by `appliance check` and in T/stats.
"""

import logging
import os
import pwd
import tempfile
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import StatePathError
from appliance.system.atomic_files import is_read_only
from appliance.system.paths import ensure_runtime_dir, ensure_state_dir, find_state_dir
from appliance.system.systemd import is_system_service

log = logging.getLogger("appliance.daemon")


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The state folder.

    Attributes:
        path: The folder; it may be missing if it cannot be written.
        error: Why nothing can be written to it, with the remedy; None if it can be written.
    """

    path: Path
    error: str | None = None


def open_state_folder() -> StateFolder:
    """Return the state folder; log the problem if it cannot be written.

    Raises:
        StatePathError: This account may not read the folder, or the folder belongs to another account and only this one
            may not write to it.
    """
    try:
        return StateFolder(ensure_state_dir())
    except StatePathError as error:
        folder = find_state_dir()
        cause = str(error)
        if owner := _find_other_owner(folder):
            raise StatePathError(
                f"{folder} belongs to the account {owner}, so a daemon of this account could keep nothing; start the "
                "service with: sudo systemctl start appliance, or set APPLIANCE_STATE_DIR to a folder of your own"
            ) from error
        if is_read_only(folder):
            cause = f"{folder} is on a read-only file system; replace a worn SD card, or mount it for writing"
        problem = (
            f"the state folder cannot be written ({cause}); until then the device works from memory: events, the"
            " values set over MQTT and installed models are lost when the program ends"
        )
        log.error("%s", problem)
        return StateFolder(folder, problem)


def _find_other_owner(folder: Path) -> str | None:
    """Return the owner of a folder that this account may not write to; None if the reason is another one."""
    try:
        owner = folder.stat().st_uid
    except OSError:
        return None
    if owner == os.geteuid() or os.geteuid() == 0 or is_read_only(folder) or is_system_service():
        return None
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return str(owner)


def open_runtime_folder() -> Path:
    """Return the folder for the control socket; a temporary one if that cannot be written.

    Raises:
        StatePathError: There is no folder that can be written.
    """
    try:
        return ensure_runtime_dir()
    except StatePathError as error:
        try:
            folder = Path(tempfile.mkdtemp(prefix="appliance-"))
        except OSError:
            raise error from None
        log.warning("%s; the control socket is in %s, where other commands do not find it", error, folder)
        return folder
