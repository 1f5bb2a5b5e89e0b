"""Where the appliance keeps what lasts (state) and what lives as long as a run (the control socket).

One device has one state folder, and the socket belongs to it: a daemon for trying things out, with a state of its own,
never meets the installed service. systemd's variables come before the usual folders, so the unit alone decides where
the service writes. What a command writes as root belongs to the folder's owner, so that the daemon can still change it.
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from appliance.errors import StatePathError

log = logging.getLogger(__name__)

SYSTEM_STATE = Path("/var/lib/appliance")
SYSTEM_RUNTIME = Path("/run/appliance")
SOCKET_NAME = "control.sock"
STATE_MODE = 0o750  # the state holds what the camera saw: not for every account
RUNTIME_MODE = 0o750


def ensure_state_dir(environ: Mapping[str, str] = os.environ, system: Path = SYSTEM_STATE) -> Path:
    """The folder for what lasts; it is made where it is missing.

    Args:
        environ: Where APPLIANCE_STATE_DIR, STATE_DIRECTORY, XDG_STATE_HOME and HOME are looked for.
        system: The folder of an installed appliance.

    Raises:
        PlacesError: The folder is missing and cannot be made, or cannot be written to.
    """
    return _made(_state_path(environ, system), STATE_MODE, "APPLIANCE_STATE_DIR")


def ensure_runtime_dir(
    environ: Mapping[str, str] = os.environ, system: Path = SYSTEM_STATE, runtime: Path = SYSTEM_RUNTIME
) -> Path:
    """The folder for what lives as long as a run; it is made where it is missing.

    It is $RUNTIME_DIRECTORY, else /run/appliance where that can be written to and the state is the installed
    appliance's, else `run` in the state folder.

    Raises:
        PlacesError: The folder is missing and cannot be made, or cannot be written to.
    """
    return _made(_runtime_path(environ, system, runtime), RUNTIME_MODE, "RUNTIME_DIRECTORY")


def find_control_socket(
    environ: Mapping[str, str] = os.environ, system: Path = SYSTEM_STATE, runtime: Path = SYSTEM_RUNTIME
) -> Path:
    """The socket on which a command finds the daemon; nothing is made.

    An account that may talk to the installed service need not be one that may write its folders, so a socket that is there
    and open to this account comes first, unless the environment names folders of its own.
    """
    usual = _runtime_path(environ, system, runtime) / SOCKET_NAME
    if _named(environ, "APPLIANCE_STATE_DIR") or _named(environ, "RUNTIME_DIRECTORY"):
        return usual
    places = (runtime / SOCKET_NAME, system / "run" / SOCKET_NAME)
    return next((place for place in places if os.access(place, os.W_OK)), usual)


def give_to_owner(path: Path, folder: Path) -> None:
    """Makes `path` and all below it belong to the owner and the group of `folder`, where root wrote it.

    Links are not followed: the folder's owner could have put one there.
    """
    owner = os.stat(folder)
    if os.geteuid() != 0 or (owner.st_uid, owner.st_gid) == (0, 0):
        return
    if path.is_dir() and not path.is_symlink():
        for _, folders, files, below in os.fwalk(path, topdown=False):
            for name in (*files, *folders):
                os.chown(name, owner.st_uid, owner.st_gid, dir_fd=below, follow_symlinks=False)
    os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _state_path(environ: Mapping[str, str], system: Path) -> Path:
    for variable in ("APPLIANCE_STATE_DIR", "STATE_DIRECTORY"):
        if named := _named(environ, variable):
            return named
    if _writable(system):
        return system
    # XDG base directory specification: a relative path is to be ignored.
    home = Path(environ.get("XDG_STATE_HOME", ""))
    if not home.is_absolute():
        home = (Path(environ["HOME"]) if environ.get("HOME") else Path.home()) / ".local" / "state"
    return home / "appliance"


def _runtime_path(environ: Mapping[str, str], system: Path, runtime: Path) -> Path:
    if named := _named(environ, "RUNTIME_DIRECTORY"):
        return named
    state = _state_path(environ, system)
    return runtime if state == system and _writable(runtime) else state / "run"


def _named(environ: Mapping[str, str], variable: str) -> Path | None:
    """The folder that a variable names; systemd separates several with colons, the first is ours."""
    value = environ.get(variable, "")
    if variable != "APPLIANCE_STATE_DIR":
        value = value.split(":")[0]
    return Path(value).absolute() if value else None


def _writable(folder: Path) -> bool:
    """Whether files can be made in `folder`, which may have to be made first."""
    return os.access(folder if folder.exists() else folder.parent, os.W_OK | os.X_OK)


def _made(folder: Path, mode: int, variable: str) -> Path:
    try:
        if not folder.is_dir():
            _make(folder, mode)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StatePathError(
            f"{folder} cannot be made: {reason}; make it, or name another folder with {variable}"
        ) from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise StatePathError(
            f"{folder} cannot be written to by this account; run the command as its owner or as root, "
            f"or name another folder with {variable}"
        )
    return folder


def _make(folder: Path, mode: int) -> None:
    """Makes `folder` with `mode`, and the missing ones above it as usual."""
    above = folder.parent
    above.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir()
    except FileExistsError:  # another command was faster
        if not folder.is_dir():
            raise
        return
    folder.chmod(mode)  # mkdir's own mode is cut by the umask
    give_to_owner(folder, above)
    log.debug("made %s", folder)
