"""Read the settings from a TOML file and from APPLIANCE_SECTION__KEY variables.

Unknown keys, wrong types and values out of range raise errors that give the file, the line, the key and, if possible,
the key that was probably meant. Secrets are read from separate files, never from the TOML file.
"""

import dataclasses
import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from appliance import __version__
from appliance.errors import SettingsError, describe_os_error
from appliance.settings.convert import convert_value, parse_variable
from appliance.settings.origin import SettingOrigin
from appliance.settings.schema import Settings, find_contradiction
from appliance.system.urls import without_credentials

ENVIRONMENT_PREFIX = "APPLIANCE_"
SYSTEM_PATH = Path("/etc/appliance/appliance.toml")


def load_settings(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Args:
        path: The file to read; None reads /etc/appliance/appliance.toml if it exists, and else uses the defaults.
        environ: May contain overrides such as APPLIANCE_MQTT__HOST.

    Raises:
        SettingsError: The file cannot be read, or the file or a variable contains something invalid.
    """
    if path is None and SYSTEM_PATH.exists():
        path = SYSTEM_PATH
    text, tables = _read_file(path) if path else ("", {})
    origin = SettingOrigin(path, text)
    _apply_overrides(tables, environ, origin)
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


def _read_file(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the file's text and its tables."""
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except OSError as error:
        reason = describe_os_error(error)
        raise SettingsError(f"{path} cannot be read: {reason}; give another file with --config") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(_describe_toml_error(path, str(error))) from error


def _describe_toml_error(path: Path, reason: str) -> str:
    """Return the error for a file that tomllib rejects.

    Args:
        path: The file.
        reason: The text of tomllib's error, such as "Invalid value (at line 2, column 10)".
    """
    hint = "each line is key = value, with quotes around a string, and none around numbers, true and false"
    if reason.startswith("Cannot "):
        hint = "each key and each section may appear only once"
    match = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", reason, re.DOTALL)
    if match is None:
        return f"{path} is not valid TOML: {reason}; {hint}"
    return f"{path}, line {match[2]}: not valid TOML ({match[1]}, column {match[3]}); {hint}"


def _apply_overrides(tables: dict[str, Any], environ: Mapping[str, str], origin: SettingOrigin) -> None:
    """Override values from the file with APPLIANCE_SECTION__KEY (or …__KEY__LABEL) variables."""
    hints = get_type_hints(Settings)
    for variable, text in environ.items():
        setting = variable.removeprefix(ENVIRONMENT_PREFIX)
        if setting == variable or "__" not in setting:
            continue
        section, key, *rest = setting.split("__", 2)
        section, key = section.lower(), key.lower()
        hint = get_type_hints(hints[section]).get(key) if section in hints and section != "path" else None
        table = tables.setdefault(section, {})
        name = f"{section}.{key}"
        if rest and isinstance(table, dict):
            table = table.setdefault(key, {})
        if rest and isinstance(hint, type) and dataclasses.is_dataclass(hint):
            key = rest[0].lower()
            hint, name = get_type_hints(hint).get(key), f"{name}.{key}"
        elif rest:
            key, hint = rest[0], None
        if isinstance(table, dict):  # otherwise _parse_section rejects the section
            table[key] = parse_variable(text, hint)
            origin.variables[name] = variable


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
            raise SettingsError(f"{origin.locate(name)}: {name} must be {error}, not {value!r}") from None
        check = fields[key].metadata["check"]
        if check and values[key] is not None and (fault := check(values[key])):
            raise SettingsError(f"{origin.locate(name)}: {name} {fault}; it is {without_credentials(repr(value))}")
    return kind(**values)


def _suggest_name(word: str, known: Iterable[str], prefix: str = "") -> str:
    """Return the end of an error about an unknown name: the most similar known name, or all known names."""
    names = list(known)
    if near := difflib.get_close_matches(word, names, 1, 0.5):
        return f"; did you mean {prefix}{near[0]}?"
    return f"; valid names are {', '.join(names)} (this is version {__version__}; the settings may be for a newer one)"
