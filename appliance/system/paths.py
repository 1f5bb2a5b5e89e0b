"""The state folder, the runtime folder, and the path of the control socket.

Each state folder has its own control socket, so a daemon that is started for a trial with another state folder never
interferes with the installed service. systemd's variables take precedence over the default folders, so the unit alone
decides where the service writes. Files that a command writes as root are given to the folder's owner, so that the
daemon can still change them.

On a device with an installed service, every account's commands use the service's folders; an account without access to
them gets an error. A private folder is used only where no service is installed.
"""

import grp
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from appliance.errors import StatePathError, describe_os_error
from appliance.system.owner import act_as_owner

log = logging.getLogger("appliance")

SYSTEM_STATE = Path("/var/lib/appliance")
SYSTEM_RUNTIME = Path("/run/appliance")
SYSTEM_SETTINGS = Path("/etc/appliance")
# Where systemd looks for units (systemd.unit(5)); scripts/install.sh uses the first.
UNITS = tuple(
    Path(folder, "appliance.service")
    for folder in ("/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")
)
SOCKET_NAME = "control.sock"
STATE_MODE = 0o750  # closed to other accounts, because the state includes pictures from the camera
RUNTIME_MODE = 0o750


def is_service_installed(units: Iterable[Path] = UNITS) -> bool:
    """Return whether this device has an installed service, which commands then refer to."""
    return any(unit.exists() for unit in units)


def ensure_state_dir(
    environ: Mapping[str, str] = os.environ, system: Path = SYSTEM_STATE, units: Iterable[Path] = UNITS
) -> Path:
    """Return the state folder, which outlives a run, for writing; create it if it is missing.

    Args:
        environ: May contain APPLIANCE_STATE_DIR, STATE_DIRECTORY, XDG_STATE_HOME and HOME.
        system: The state folder of an installed appliance.
        units: The unit files of an installed service.

    Raises:
        StatePathError: The folder cannot be created or written to.
    """
    return _ensure_dir(_find_state_dir(environ, system, units), STATE_MODE, "APPLIANCE_STATE_DIR")


def find_state_dir(
    environ: Mapping[str, str] = os.environ, system: Path = SYSTEM_STATE, units: Iterable[Path] = UNITS
) -> Path:
    """Return the state folder for reading; it may be missing, and nothing is created.

    Args:
        environ: As in ensure_state_dir.
        system: As in ensure_state_dir.
        units: As in ensure_state_dir.

    Raises:
        StatePathError: This account may not read the folder.
    """
    folder = _find_state_dir(environ, system, units)
    log.debug("reading the state folder %s", folder)
    try:
        folder.stat()
        is_readable = os.access(folder, os.R_OK | os.X_OK)
    except (FileNotFoundError, NotADirectoryError):
        return folder
    except OSError:
        is_readable = False
    if not is_readable:
        raise StatePathError(f"{folder} cannot be read by this account; {suggest_access(folder)}")
    return folder


def find_instance_state(
    config: Path | None,
    environ: Mapping[str, str] = os.environ,
    system: Path = SYSTEM_STATE,
    settings: Path = SYSTEM_SETTINGS,
) -> Path | None:
    """Return the state folder of appliance@NAME if `config` is its settings file; None if it is another file.

    Args:
        config: The argument of --config.
        environ: With a folder in APPLIANCE_STATE_DIR or STATE_DIRECTORY, that one is used, and None is returned.
        system: The state folder of an installed appliance; that of a further camera has -NAME at its end.
        settings: The folder of the settings files.
    """
    if config is None or any(_read_folder(environ, name) for name in ("APPLIANCE_STATE_DIR", "STATE_DIRECTORY")):
        return None
    file = config.absolute()
    state = system.with_name(f"{system.name}-{file.stem}")
    return state if file.parent == settings and file.suffix == ".toml" and state.exists() else None


def find_unit(
    environ: Mapping[str, str] = os.environ, system: Path = SYSTEM_STATE, units: Iterable[Path] = UNITS
) -> str | None:
    """Return the name of the unit that uses the state folder; None if it belongs to no installed service.

    Args:
        environ: As in ensure_state_dir.
        system: The state folder of an installed appliance; that of a further camera has -NAME at its end.
        units: The unit files of an installed service.
    """
    folder = _find_state_dir(environ, system, units)
    if folder == system and is_service_installed(units):
        return "appliance"
    prefix = f"{system.name}-"
    is_further = folder.parent == system.parent and folder.name.startswith(prefix)
    return f"appliance@{folder.name.removeprefix(prefix)}" if is_further else None


def suggest_access(path: Path) -> str:
    """Return the remedy for an account that may not read a file or folder of the service."""
    remedy = "run the command with sudo"
    try:
        group = grp.getgrgid(path.stat().st_gid).gr_name
    except (OSError, KeyError):
        return remedy
    if group == "root":
        return remedy
    return f"{remedy}, or join its group with: sudo usermod -aG {group} $USER, and log in again"


def ensure_runtime_dir(
    environ: Mapping[str, str] = os.environ, system: Path = SYSTEM_STATE, runtime: Path = SYSTEM_RUNTIME
) -> Path:
    """Return the runtime folder, for files of a single run; create it if it is missing.

    The folder is $RUNTIME_DIRECTORY, else /run/appliance if that is writable and the state folder is that of the
    installed appliance, else `run` in the state folder.

    Args:
        environ: As in ensure_state_dir, and RUNTIME_DIRECTORY.
        system: The state folder of an installed appliance.
        runtime: The runtime folder of an installed appliance.

    Raises:
        StatePathError: The folder cannot be created or written to.
    """
    return _ensure_dir(_find_runtime_dir(environ, system, runtime, UNITS), RUNTIME_MODE, "RUNTIME_DIRECTORY")


def find_control_socket(
    environ: Mapping[str, str] = os.environ,
    system: Path = SYSTEM_STATE,
    runtime: Path = SYSTEM_RUNTIME,
    units: Iterable[Path] = UNITS,
) -> Path:
    """Return the path of the daemon's control socket; nothing is created.

    An account may be allowed to talk to the installed service without write access to its folders. So an existing
    socket that this account can open takes precedence, unless the environment specifies a folder.
    """
    default = _find_runtime_dir(environ, system, runtime, units) / SOCKET_NAME
    if _read_folder(environ, "APPLIANCE_STATE_DIR") or _read_folder(environ, "RUNTIME_DIRECTORY"):
        return default
    installed = (runtime / SOCKET_NAME, system / "run" / SOCKET_NAME)
    return next((path for path in installed if os.access(path, os.W_OK)), default)


def _find_state_dir(environ: Mapping[str, str], system: Path, units: Iterable[Path]) -> Path:
    for variable in ("APPLIANCE_STATE_DIR", "STATE_DIRECTORY"):
        if folder := _read_folder(environ, variable):
            return folder
    if _is_writable(system) or is_service_installed(units):
        return system
    # The XDG base directory specification requires ignoring a relative path.
    home = Path(environ.get("XDG_STATE_HOME", ""))
    if not home.is_absolute():
        home = (Path(environ["HOME"]) if environ.get("HOME") else Path.home()) / ".local" / "state"
    return home / "appliance"


def _find_runtime_dir(environ: Mapping[str, str], system: Path, runtime: Path, units: Iterable[Path]) -> Path:
    if folder := _read_folder(environ, "RUNTIME_DIRECTORY"):
        return folder
    state = _find_state_dir(environ, system, units)
    if state.parent == system.parent and state.name.startswith(f"{system.name}-"):  # appliance@NAME
        return runtime.with_name(state.name)
    is_system = state == system and (_is_writable(runtime) or is_service_installed(units))
    return runtime if is_system else state / "run"


def _read_folder(environ: Mapping[str, str], variable: str) -> Path | None:
    """Return the folder in a variable; if systemd gives several, separated by colons, the first."""
    value = environ.get(variable, "")
    if variable != "APPLIANCE_STATE_DIR":
        value = value.split(":")[0]
    return Path(value).absolute() if value else None


def _is_writable(folder: Path) -> bool:
    """Return whether files can be created in `folder`, which may have to be created first."""
    return os.access(folder if folder.exists() else folder.parent, os.W_OK | os.X_OK)


def _ensure_dir(folder: Path, mode: int, variable: str) -> Path:
    try:
        if not folder.is_dir():
            _make_dir(folder, mode)
    except OSError as error:
        if isinstance(error, PermissionError):
            raise StatePathError(_describe_refusal(folder, variable)) from error
        raise StatePathError(
            f"{folder} cannot be created: {describe_os_error(error)}; create it, or set {variable} to another folder"
        ) from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise StatePathError(_describe_refusal(folder, variable))
    return folder


def _describe_refusal(folder: Path, variable: str) -> str:
    return (
        f"{folder} cannot be written to by this account; run the command with sudo or as the folder's owner, "
        f"or set {variable} to another folder"
    )


def _make_dir(folder: Path, mode: int) -> None:
    """Create `folder` with `mode`, and missing parent folders with the default mode."""
    existing = next(path for path in folder.parents if path.exists())
    with act_as_owner(existing):
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.mkdir()
        except FileExistsError:  # another command created it at the same time
            if not folder.is_dir():
                raise
            return
        folder.chmod(mode)  # the umask limits mkdir's own mode
    log.debug("created %s", folder)
