"""Reads the settings from a TOML file and from APPLIANCE_SECTION__KEY variables.

Unknown keys, wrong types and values out of bounds are errors that name the file, the line, the key and, where
there is one, the key that was probably meant. Secrets are read from files, never from the TOML itself.
"""

import dataclasses
import difflib
import os
import re
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from appliance import __version__
from appliance.errors import SettingsError
from appliance.settings.origin import SettingOrigin
from appliance.settings.schema import Settings, find_contradiction
from appliance.system.urls import without_credentials

ENVIRONMENT_PREFIX = "APPLIANCE_"
SYSTEM_PATH = Path("/etc/appliance/appliance.toml")


def load_settings(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Reads the settings.

    Args:
        path: The file to read; None takes /etc/appliance/appliance.toml where it exists, else the defaults.
        environ: Where overrides such as APPLIANCE_MQTT__HOST are looked for.

    Raises:
        SettingsError: The file cannot be read, or something in it or in a variable is wrong.
    """
    if path is None and SYSTEM_PATH.exists():
        path = SYSTEM_PATH
    text, tables = "", {}
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8")
            tables = tomllib.loads(text)
        except OSError as error:
            raise SettingsError(f"{path}: cannot be read: {error.strerror}; give another file with --config") from error
        except UnicodeDecodeError as error:
            raise SettingsError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(_not_toml(path, str(error))) from error
    where = SettingOrigin(path, text)
    _override(tables, environ, where)
    sections = {}
    hints = get_type_hints(Settings)
    for name, table in tables.items():
        if name not in hints or name == "path":
            if not isinstance(table, dict):
                needs = "stands outside all sections: put it below the line of its own, such as [camera]"
                raise SettingsError(f"{where.of(name)}: {name} {needs}")
            raise SettingsError(
                f"{where.of(name)}: there is no section [{name}]{_nearest(name, [n for n in hints if n != 'path'])}"
            )
        if not isinstance(table, dict):
            raise SettingsError(f"{where.of(name)}: {name} must be a section: write [{name}] on a line of its own")
        sections[name] = _section(hints[name], name, table, where)
    settings = Settings(**sections, path=path)
    if wrong := find_contradiction(settings):
        raise SettingsError(f"{where.of(wrong[0])}: {wrong[0]} {wrong[1]}")
    return settings


def _section(kind: type, section: str, table: dict[str, Any], where: "SettingOrigin") -> Any:
    hints, values = get_type_hints(kind), {}
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key, value in table.items():
        name = f"{section}.{key}"
        if key not in fields:
            raise SettingsError(f"{where.of(name)}: there is no setting {name}{_nearest(key, fields, section + '.')}")
        if dataclasses.is_dataclass(hints[key]):
            if not isinstance(value, dict):
                raise SettingsError(f"{where.of(name)}: {name} must be a section: write [{name}] on a line of its own")
            values[key] = _section(hints[key], name, value, where)
            continue
        try:
            values[key] = _convert(hints[key], value)
        except ValueError as error:
            raise SettingsError(f"{where.of(name)}: {name} must be {error}, not {value!r}") from None
        check = fields[key].metadata["check"]
        if check and values[key] is not None and (wrong := check(values[key])):
            raise SettingsError(f"{where.of(name)}: {name} {wrong}; it is {without_credentials(repr(value))}")
    return kind(**values)


def _convert(hint: Any, value: Any) -> Any:
    """The value as the type that the field has; ValueError says what it should have been."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _convert(next(part for part in arguments if part is not type(None)), value)
    if origin is Literal:
        if value in arguments and type(value) in {type(choice) for choice in arguments}:
            return value
        raise ValueError("one of " + ", ".join(repr(choice) for choice in arguments))
    if origin is dict:
        if isinstance(value, dict):
            return {key: _convert(arguments[1], item) for key, item in value.items()}
        raise ValueError("a table of name = value")
    if origin is tuple:
        many = arguments[-1] is Ellipsis
        kinds = [arguments[0]] * len(value) if many and isinstance(value, list) else arguments
        if isinstance(value, list) and len(value) == len(kinds):
            return tuple(_convert(kind, item) for kind, item in zip(kinds, value, strict=True))
        raise ValueError("a list of texts" if many else f"a list of {len(arguments)} numbers")
    if hint is Any:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is Path and isinstance(value, str) and value:
        return Path(value)
    if isinstance(value, hint) and not (hint is int and isinstance(value, bool)) and value == value:
        return value
    names = {
        str: "a text in quotes",
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        Path: "a path in quotes",
    }
    raise ValueError(names[hint])


def _not_toml(path: Path, fault: str) -> str:
    """The sentence for a file that tomllib does not read; `fault` is its own, "Invalid value (at line 2, column 10)"."""
    hint = "a line is key = value, with text in quotes, and numbers, true and false without"
    if fault.startswith("Cannot "):
        hint = "a key or a section may stand there once"
    place = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", fault, re.DOTALL)
    if place is None:
        return f"{path}: is not valid TOML: {fault}; {hint}"
    return f"{path}, line {place[2]}: is not valid TOML ({place[1]}, column {place[3]}); {hint}"


def _override(tables: dict[str, Any], environ: Mapping[str, str], where: "SettingOrigin") -> None:
    """Lays APPLIANCE_SECTION__KEY (and __LABEL for a table's entry) over what the file says."""
    hints = get_type_hints(Settings)
    for variable, text in environ.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or "__" not in variable:
            continue
        section, key, *rest = variable.removeprefix(ENVIRONMENT_PREFIX).split("__", 2)
        section, key = section.lower(), key.lower()
        kind = get_type_hints(hints[section]).get(key) if section in hints and section != "path" else None
        target = tables.setdefault(section, {})
        name = f"{section}.{key}"
        if rest and isinstance(target, dict):
            target = target.setdefault(key, {})
        if rest and dataclasses.is_dataclass(kind):
            key = rest[0].lower()
            kind, name = get_type_hints(kind).get(key), f"{name}.{key}"
        elif rest:
            key, kind = rest[0], None
        if not isinstance(target, dict):
            continue  # the file has something else where a section belongs: that is said when the section is read
        target[key] = _from_text(text, kind)
        where.variables[name] = variable


def _from_text(text: str, kind: Any) -> Any:
    """A variable's text as TOML would have it; a text setting takes it as it stands."""
    origin, arguments = get_origin(kind), get_args(kind)
    choices = {type(choice) for choice in arguments} if origin is Literal else ()
    alternatives = arguments if origin in (Union, types.UnionType) else (kind,)
    if {str, Path} & {*choices, *alternatives}:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _nearest(word: str, known: Any, prefix: str = "") -> str:
    near = difflib.get_close_matches(word, list(known), 1, 0.5)
    if near:
        return f"; did you mean {prefix}{near[0]}?"
    return f"; there are {', '.join(known)} (this is version {__version__}; the settings may be for a newer one)"
