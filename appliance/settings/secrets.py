"""Read secrets from files."""

import os
import stat
from pathlib import Path

from appliance.errors import SettingsError


def read_secret(path: Path, key: str) -> tuple[str, str | None]:
    """The secret that the file of a `…_file` setting holds, without its final newline.

    Returns:
        The secret, and a warning where others can read the file, else None.

    Raises:
        SettingsError: The file cannot be read or is empty.
    """
    try:
        secret = path.read_text(encoding="utf-8").rstrip("\r\n")
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SettingsError(f"{key}: {path} cannot be read: {reason}") from error
    if not secret:
        raise SettingsError(f"{key}: {path} is empty; write the password into it")
    warning = None
    if mode & (stat.S_IRGRP | stat.S_IROTH) and not _is_credential(path):
        warning = f"{key}: {path} can be read by others (mode {stat.S_IMODE(mode):04o}); run: chmod 600 {path}"
    return secret, warning


def _is_credential(path: Path) -> bool:
    """Systemd's credentials folder is closed to others as a whole; the modes inside it say nothing."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return bool(folder) and path.is_relative_to(folder)
