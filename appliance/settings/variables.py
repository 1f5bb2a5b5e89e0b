"""Settings in environment variables: APPLIANCE_SECTION__KEY, or APPLIANCE_SECTION__KEY__LABEL."""

import dataclasses
import difflib
import logging
from collections.abc import Iterable, Mapping
from typing import Any, get_type_hints

from appliance.errors import SettingsError
from appliance.settings.convert import parse_variable
from appliance.settings.origin import SettingOrigin
from appliance.settings.schema import Settings

log = logging.getLogger("appliance")

PREFIX = "APPLIANCE_"
# Variables of the program that are no settings.
_OTHERS = {"STATE_DIR", "MEMORY_LIMIT", "FIREBASE_URL", "TEST_DATA"}
_SIMILAR = 0.8


def apply_variables(tables: dict[str, Any], environ: Mapping[str, str], origin: SettingOrigin) -> None:
    """Override values from the file with those of variables.

    Args:
        tables: The tables of the file; changed in place.
        environ: The variables.
        origin: Remembers which variable a setting came from.

    Raises:
        SettingsError: The name of a variable is a misspelled setting, which would have no effect.
    """
    hints = get_type_hints(Settings)
    for variable, text in environ.items():
        setting = variable.removeprefix(PREFIX)
        if not variable.upper().startswith(PREFIX) or setting in _OTHERS:
            continue
        if setting == variable or "__" not in setting.strip("_"):
            _reject_misspelled(variable)
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
        if isinstance(table, dict):  # otherwise the section is rejected later
            table[key] = parse_variable(text, hint)
            origin.variables[name] = variable


def _reject_misspelled(variable: str) -> None:
    """Raise the error for a variable that resembles a setting; log any other one, because it has no effect."""
    word = variable.upper().removeprefix(PREFIX).strip("_")
    known = {name.replace("__", "_"): name for name in _list_variables()}
    near = difflib.get_close_matches(word.replace("__", "_")[:64], known, 1, _SIMILAR)
    sections = [name for name in get_type_hints(Settings) if name != "path"]
    if near:
        raise SettingsError(f"the variable {variable} is no setting; did you mean {PREFIX}{known[near[0]]}?")
    if word.split("_")[0].lower() in sections:
        raise SettingsError(
            f"the variable {variable} is no setting; write {PREFIX}SECTION__KEY, with two underscores between a "
            "section and a key of the settings, or unset it"
        )
    log.warning("the variable %s has no effect; settings are named %sSECTION__KEY", variable, PREFIX)


def _list_variables() -> Iterable[str]:
    """Yield the name of each setting's variable, without the prefix, such as MQTT__HOST."""
    for section, kind in get_type_hints(Settings).items():
        if not dataclasses.is_dataclass(kind):
            continue
        for key, hint in get_type_hints(kind).items():
            yield f"{section}__{key}".upper()
            if dataclasses.is_dataclass(hint):
                yield from (f"{section}__{key}__{inner}".upper() for inner in get_type_hints(hint))
