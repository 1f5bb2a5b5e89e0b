"""Read secrets from files."""

import os
import stat
from pathlib import Path
from typing import NamedTuple

from appliance.errors import SettingsError, describe_unreadable


class Secret(NamedTuple):
    """The content of a secret file, and a warning if other accounts can read it."""

    text: str
    warning: str | None


def read_secret(path: Path, key: str, *, may_be_empty: bool = False) -> Secret:
    """Return the secret in the file of a `…_file` setting, without its final newline.

    Args:
        path: The file.
        key: The setting, for errors.
        may_be_empty: Whether an empty secret is one, such as the password of a camera that has none.

    Raises:
        SettingsError: The file cannot be read, or is empty although it must not be.
    """
    try:
        secret = path.read_text(encoding="utf-8").rstrip("\r\n")
        mode = path.stat().st_mode
    except OSError as error:
        raise SettingsError(f"{key}: {describe_unreadable(path, error, is_secret=True)}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{key}: {path} cannot be read: it is not text") from error
    if not secret and not may_be_empty:
        raise SettingsError(f"{key}: {path} is empty; write the password into it")
    warning = None
    if mode & (stat.S_IRGRP | stat.S_IROTH) and not _is_credential(path):
        warning = f"{key}: {path} can be read by others (mode {stat.S_IMODE(mode):04o}); run: chmod 600 {path}"
    return Secret(secret, warning)


def _is_credential(path: Path) -> bool:
    """Return whether systemd provides the file, in a folder that is closed to other accounts."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return folder is not None and folder != "" and path.is_relative_to(folder)
