"""Find paths in the settings that the service cannot use because its systemd unit hides or protects them.

The unit closes home folders, gives the service a /tmp of its own, and makes the system read-only (systemd.exec(5)).
Such a path works in a terminal and never in the service, and the system's own message does not give the reason.
"""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from appliance.errors import SettingsError
from appliance.settings.credentials import CREDENTIALS, apply_credentials
from appliance.settings.schema import Settings
from appliance.system.shipped import is_shipped_name
from appliance.system.systemd import is_system_service

_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
_PRIVATE = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - only compared
_MOUNTS = Path("/proc/self/mountinfo")
_READ_FOLDER = "/etc/appliance or /var/lib/appliance"


@dataclasses.dataclass(frozen=True, slots=True)
class Protections:
    """Which folders systemd hides from a service.

    Attributes:
        home: Whether home folders are closed (ProtectHome).
        tmp: Whether the service has folders /tmp and /var/tmp of its own (PrivateTmp).
    """

    home: bool = False
    tmp: bool = False

    @classmethod
    def from_mounts(cls, text: str) -> Self:
        """Return the protections of the process to which a /proc/PID/mountinfo belongs (proc_pid_mountinfo(5))."""
        mounts = [(fields[3], Path(fields[4])) for line in text.splitlines() if len(fields := line.split()) > 4]
        return cls(
            home=any(root.endswith("/inaccessible/dir") and point in _HOMES for root, point in mounts),
            tmp=any("/systemd-private-" in root and point in _PRIVATE for root, point in mounts),
        )

    def find(self, path: Path) -> str | None:
        """Return the name and the effect of the protection that hides a path; None if none does."""
        absolute = path.absolute()
        if self.home and any(absolute.is_relative_to(home) for home in _HOMES):
            return "ProtectHome in its unit hides home folders"
        if self.tmp and any(absolute.is_relative_to(folder) for folder in _PRIVATE):
            return f"PrivateTmp in its unit gives it a {absolute.parts[1]} folder of its own"
        return None


def check_paths(
    settings: Settings,
    environ: Mapping[str, str] = os.environ,
    mounts: Path = _MOUNTS,
    credentials: Path = CREDENTIALS,
) -> None:
    """Check the paths in the settings of a service of the system; anywhere else, every path may be right.

    Args:
        settings: Valid settings.
        environ: The variables of the service.
        mounts: What the kernel lists as mounted for this process.
        credentials: The folder whose files systemd gives to the service.

    Raises:
        SettingsError: The unit hides or protects a path, or the account may not read it; the text names the reason and
            a folder that works.
    """
    if not is_system_service(environ):
        return
    protections = Protections.from_mounts(mounts.read_text())
    # The account cannot read the files of credentials themselves, and gets copies of them.
    for key, path, is_written in list_paths(apply_credentials(settings, environ, credentials)):
        if fault := _describe_fault(key, path, is_written, protections):
            raise SettingsError(f"{settings.path or 'the settings'}: {key}: {fault}")


def find_hidden_path(settings: Settings, protections: Protections) -> str | None:
    """Describe a path that a service with these protections cannot see, for commands outside it; None if all are."""
    for key, path, is_written in list_paths(settings):
        if protection := protections.find(path):
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
    if settings.labeler.model and not is_shipped_name(settings.labeler.model):
        yield "labeler.model", Path(settings.labeler.model), False
    if settings.camera.source.startswith(("/", "~")):
        yield "camera.source", _expand(settings.camera.source), False


def _describe_fault(key: str, path: Path, is_written: bool, protections: Protections) -> str | None:
    """Return why the service cannot use a path, and a folder that works; None if it can, or for another reason."""
    protection = protections.find(path)
    if is_written:
        existing = next(folder for folder in (path, *path.absolute().parents) if _exists(folder))
        if os.access(existing, os.W_OK | os.X_OK):
            return None
        protection = protection or ("ProtectSystem in its unit" if _is_read_only(existing) else None)
    elif os.access(path, os.R_OK):
        return None
    # A camera is tried again, because its permissions may be set later than the service starts.
    elif protection is None and key != "camera.source" and _is_closed(path):
        return f"this account may not read {path}; {_suggest_folder(is_written, path)}"
    if protection is None:
        return None
    return f"the service cannot use {path} ({protection}); {_suggest_folder(is_written, path)}"


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


def _is_closed(path: Path) -> bool:
    """Return whether an existing path, or a folder above it, may not be read."""
    try:
        path.stat()
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


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
