"""Compare settings across processes without passing them on: a short hash of the value of each key.

A running daemon reports the hashes of the settings in force, so that a command can find out in which keys a settings
file differs from them, while no value leaves the daemon.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from appliance.settings.schema import Settings

_DIGITS = 12
# systemd passes copies of secret files, so the daemon's path of one says nothing about the file's (credentials.py).
_PASSWORD_FILE = "password_file"  # noqa: S105 - the name of a key
_COPY_PREFIX = "secrets_"


def hash_settings(settings: Settings) -> dict[str, str]:
    """Return a hash for each key, such as `camera.source`, except for the files of passwords."""
    return {key: _hash(value) for key, value in _list_values(settings, "") if not key.endswith(_PASSWORD_FILE)}


def find_differences(hashes: Mapping[str, str], settings: Settings) -> list[str]:
    """Return the keys whose values differ from those in force.

    Args:
        hashes: The hashes of the settings in force, from hash_settings.
        settings: The settings to compare; keys that the hashes lack are of a newer version and count as the same.
    """
    own = hash_settings(settings)
    return [key for key in own if hashes.get(key, own[key]) != own[key]]


def _list_values(section: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for field in fields(section):
        value = getattr(section, field.name)
        if is_dataclass(value):
            yield from _list_values(value, f"{prefix}{field.name}.")
        elif prefix:  # otherwise it is the path of the file, which is no setting
            yield f"{prefix}{field.name}", value


def _hash(value: Any) -> str:
    if isinstance(value, Path):
        value = value.name.removeprefix(_COPY_PREFIX)
    return hashlib.sha256(repr(value).encode()).hexdigest()[:_DIGITS]
