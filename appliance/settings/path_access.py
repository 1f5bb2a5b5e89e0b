"""Find paths in the settings that the service cannot use because its systemd unit hides or protects them.

The unit closes home folders, gives the service a /tmp of its own, and makes the system read-only (systemd.exec(5)).
Such a path works in a terminal and never in the service, and the system's own message does not give the reason.
"""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from appliance.errors import SettingsError
from appliance.settings.schema import Settings
from appliance.system.systemd import is_system_service

_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
_PRIVATE = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - only compared
_READ_FOLDER = "/etc/appliance or /var/lib/appliance"


def check_paths(settings: Settings, environ: Mapping[str, str] = os.environ) -> None:
    """Check the paths in the settings of a service of the system; anywhere else, every path may be right.

    Raises:
        SettingsError: The unit hides or protects a path; the text names the protection and a folder that works.
    """
    if not is_system_service(environ):
        return
    for key, path, is_written in list_paths(settings):
        if fault := _describe_fault(path, is_written):
            raise SettingsError(f"{settings.path or 'the settings'}: {key}: {fault}")


def find_hidden_path(settings: Settings) -> str | None:
    """Describe a path that the installed service cannot see, for commands outside it; None if there is none."""
    for key, path, is_written in list_paths(settings):
        if protection := _find_protection(path):
            return f"{key}: the service cannot use {path} ({protection}); {_suggest_folder(is_written, path)}"
    return None


def list_paths(settings: Settings) -> Iterator[tuple[str, Path, bool]]:
    """Yield the key, the path, and whether the service writes there, of every setting in use that is a path."""
    for section in dataclasses.fields(settings):
        values = getattr(settings, section.name)
        if not dataclasses.is_dataclass(values):
            continue
        for field in dataclasses.fields(values):
            if isinstance(value := getattr(values, field.name), Path):
                is_written = (section.name, field.name) == ("collect", "dir")
                if not is_written or settings.collect.enabled:
                    yield f"{section.name}.{field.name}", value, is_written
    if settings.labeler.model:
        yield "labeler.model", Path(settings.labeler.model), False
    if settings.camera.source.startswith(("/", "~")):
        yield "camera.source", _expand(settings.camera.source), False


def _describe_fault(path: Path, is_written: bool) -> str | None:
    """Return why the service cannot use a path, and a folder that works; None if it can, or for another reason."""
    if is_written:
        existing = next(folder for folder in (path, *path.absolute().parents) if _exists(folder))
        if os.access(existing, os.W_OK | os.X_OK):
            return None
        protection = _find_protection(path) or ("ProtectSystem in its unit" if _is_read_only(existing) else None)
    elif os.access(path, os.R_OK):
        return None
    else:
        protection = _find_protection(path)
    if protection is None:
        return None
    return f"the service cannot use {path} ({protection}); {_suggest_folder(is_written, path)}"


def _find_protection(path: Path) -> str | None:
    absolute = path.absolute()
    if any(absolute.is_relative_to(home) for home in _HOMES):
        return "ProtectHome in its unit hides home folders"
    if any(absolute.is_relative_to(folder) for folder in _PRIVATE):
        return f"PrivateTmp in its unit gives it a {absolute.parts[1]} folder of its own"
    return None


def _suggest_folder(is_written: bool, path: Path) -> str:
    if is_written:
        return (
            f"use a folder in /var/lib/appliance, or allow this one with ReadWritePaths={path} "
            "(sudo systemctl edit appliance)"
        )
    return f"put it into {_READ_FOLDER}, where the account appliance can read it, and correct the setting"


def _expand(source: str) -> Path:
    try:
        return Path(source).expanduser()
    except RuntimeError:  # an account without a home folder
        return Path(source)


def _exists(folder: Path) -> bool:
    try:
        return folder.exists()
    except OSError:  # below a closed folder
        return False


def _is_read_only(folder: Path) -> bool:
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False
