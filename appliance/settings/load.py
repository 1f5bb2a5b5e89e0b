"""Read the settings from a TOML file and from APPLIANCE_SECTION__KEY variables.

Unknown keys, wrong types and values out of range raise errors that give the file, the line, the key and, if possible,
the key that was probably meant. Secrets are read from separate files, never from the TOML file.
"""

import dataclasses
import difflib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from appliance import __version__
from appliance.errors import SettingsError
from appliance.settings.checks import check_path_length
from appliance.settings.contradictions import find_contradiction
from appliance.settings.convert import convert_value
from appliance.settings.origin import SettingOrigin
from appliance.settings.schema import Settings
from appliance.settings.toml_file import MAX_BYTES, read_toml_file
from appliance.settings.variables import apply_variables
from appliance.system.foreign_text import clean_text
from appliance.system.urls import without_credentials

SYSTEM_PATH = Path("/etc/appliance/appliance.toml")
_MAX_SHOWN = 120


def load_settings(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Args:
        path: The file to read; None reads /etc/appliance/appliance.toml if it exists, and else uses the defaults.
        environ: May contain overrides such as APPLIANCE_MQTT__HOST.

    Raises:
        SettingsError: The file cannot be read, or the file or a variable contains something invalid.
    """
    if path is None:
        path = _find_system_file()
    text, tables = read_toml_file(path) if path else ("", {})
    origin = SettingOrigin(path, text)
    apply_variables(tables, environ, origin)
    hints = get_type_hints(Settings)
    del hints["path"]
    sections = {}
    for name, table in tables.items():
        if name in hints:
            sections[name] = _parse_section(hints[name], name, table, origin)
        elif isinstance(table, dict):
            raise SettingsError(f"{origin.locate(name)}: there is no section [{name}]{_suggest_name(name, hints)}")
        else:
            raise SettingsError(
                f"{origin.locate(name)}: {name} is not in a section; move it under a section header such as [camera]"
            )
    settings = Settings(**sections, path=path)
    if contradiction := find_contradiction(settings):
        raise SettingsError(f"{origin.locate(contradiction.key)}: {contradiction.key} {contradiction.reason}")
    return settings


def read_log_format(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> str:
    """Return log.format of settings that may be invalid otherwise, so that an error about them has this form too.

    Args:
        path: As in load_settings.
        environ: As in load_settings.
    """
    if (variable := environ.get("APPLIANCE_LOG__FORMAT")) is not None:
        return variable if variable == "json" else "text"
    try:
        with (path or SYSTEM_PATH).open("rb") as file:
            text = file.read(MAX_BYTES).decode(errors="replace")
    except (OSError, ValueError):
        return "text"
    # The file may not be valid TOML; no other section has a key of this name.
    is_json = re.search(r"""(?m)^\s*(log\s*\.\s*)?format\s*=\s*["']json["']""", text)
    return "json" if is_json else "text"


def _find_system_file() -> Path | None:
    """Return the installed settings file, also if this account may not read it; None if there is none."""
    try:
        SYSTEM_PATH.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        pass  # reported when it is read
    return SYSTEM_PATH


def _parse_section(kind: Any, section: str, table: Any, origin: SettingOrigin) -> Any:
    """Build the dataclass of a section from its table."""
    if not isinstance(table, dict):
        raise SettingsError(f"{origin.locate(section)}: {section} must be a section; write [{section}] on its own line")
    hints, values = get_type_hints(kind), {}
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key, value in table.items():
        name = f"{section}.{key}"
        if key not in fields:
            suggestion = _suggest_name(key, fields, f"{section}.")
            raise SettingsError(f"{origin.locate(name)}: there is no setting {name}{suggestion}")
        if dataclasses.is_dataclass(hints[key]):
            values[key] = _parse_section(hints[key], name, value, origin)
            continue
        try:
            values[key] = convert_value(hints[key], value)
        except ValueError as error:
            raise SettingsError(f"{origin.locate(name)}: {name} must be {error}, not {_show(value)}") from None
        check = fields[key].metadata["check"]
        if isinstance(values[key], Path) and (fault := check_path_length(str(values[key]))):
            raise SettingsError(f"{origin.locate(name)}: {name} {fault}")
        if check and values[key] is not None and (fault := check(values[key])):
            raise SettingsError(f"{origin.locate(name)}: {name} {fault}; it is {_show(values[key])}")
    return kind(**values)


def _show(value: Any) -> str:
    """Return a value of any type and size for an error."""
    try:
        shown = repr(value)
    except (ValueError, RecursionError):  # thousands of digits, or of nested tables
        return "a value that is too long to show"
    return clean_text(without_credentials(shown), _MAX_SHOWN)


def _suggest_name(word: str, known: Iterable[str], prefix: str = "") -> str:
    """Return the end of an error about an unknown name: the most similar known name, or all known names."""
    names = list(known)
    if near := difflib.get_close_matches(word[:64], names, 1, 0.5):
        return f"; did you mean {prefix}{near[0]}?"
    return f"; valid names are {', '.join(names)} (this is version {__version__}; the settings may be for a newer one)"
