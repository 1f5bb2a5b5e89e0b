"""Describe the settings in force for people: each with its value, its default, its source and its description."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from appliance.settings.schema import Settings
from appliance.system.urls import redact

_PREFIX = "APPLIANCE_"


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """One setting.

    Attributes:
        key: `section.key`.
        value: Its value as a JSON value; URLs without credentials, query and fragment.
        default: Its default as a JSON value.
        source: The environment variable that sets it, the settings file, or "default".
        description: Its purpose.
    """

    key: str
    value: Any
    default: Any
    source: str
    description: str


def describe_settings(settings: Settings, environ: Mapping[str, str] = os.environ) -> list[SettingInForce]:
    """Return every setting in the order of the schema."""
    return [
        SettingInForce(
            key,
            _simplify(value),
            _simplify(default),
            _find_source(key, value == default, settings.path, environ),
            description,
        )
        for key, value, default, description in _list_settings(settings, "")
    ]


def _list_settings(section: Any, prefix: str) -> Iterator[tuple[str, Any, Any, str]]:
    for field in fields(section):
        value = getattr(section, field.name)
        if is_dataclass(value):
            yield from _list_settings(value, f"{prefix}{field.name}.")
        elif prefix:  # otherwise it is the path of the file, which is no setting
            default = field.default if field.default is not MISSING else {}
            yield f"{prefix}{field.name}", value, default, field.metadata["description"]


def _find_source(key: str, is_default: bool, path: Path | None, environ: Mapping[str, str]) -> str:
    variable = _PREFIX + key.replace(".", "__").upper()
    if variable in environ:
        return variable
    return "default" if is_default or path is None else str(path)


def _simplify(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str):
        return redact(value) if "://" in value else value
    if isinstance(value, tuple):
        return [_simplify(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _simplify(item) for key, item in value.items()}
    return value
