"""Generate the settings reference from the schema, as Markdown."""

import dataclasses
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from appliance.settings.schema import Settings

_TYPE_NAMES = {str: "string", int: "whole number", float: "number", bool: "true or false", Path: "path"}


@dataclass(frozen=True, slots=True)
class SettingDescription:
    """One setting: its key, its type in words, its default as TOML (None if it has none), and its purpose."""

    key: str
    type_name: str
    default: str | None
    description: str


@dataclass(frozen=True, slots=True)
class SectionDescription:
    """One section, such as `camera` or `update.firebase`, its purpose, and its settings in order."""

    name: str
    description: str
    settings: tuple[SettingDescription, ...]


def describe_sections() -> tuple[SectionDescription, ...]:
    """Return every section of the settings in the order of the schema."""
    hints = get_type_hints(Settings)
    return tuple(
        section for name, kind in hints.items() if dataclasses.is_dataclass(kind) for section in _describe(name, kind)
    )


def settings_reference() -> str:
    """Return the reference as Markdown: for each section a table of key, type, default and description."""
    parts = []
    for section in describe_sections():
        rows = [
            f"| `{setting.key}` | {_escape(setting.type_name)} | {_format_code(setting.default)} "
            f"| {_escape(setting.description)} |"
            for setting in section.settings
        ]
        header = ["| Key | Type | Default | Description |", "| --- | --- | --- | --- |"]
        parts.append("\n".join([f"## [{section.name}]", "", section.description, "", *header, *rows]))
    return "\n\n".join(parts) + "\n"


def _describe(name: str, kind: Any) -> Iterator[SectionDescription]:
    """Yield a section and the sections inside it."""
    hints, settings = get_type_hints(kind), []
    nested: list[SectionDescription] = []
    for field in dataclasses.fields(kind):
        if dataclasses.is_dataclass(hints[field.name]):
            nested += _describe(f"{name}.{field.name}", hints[field.name])
            continue
        default = field.default if field.default is not dataclasses.MISSING else {}
        settings.append(
            SettingDescription(
                field.name,
                _describe_type(hints[field.name]),
                None if default is None or default == {} else _format_toml(default),
                field.metadata["description"],
            )
        )
    yield SectionDescription(name, kind.__doc__ or "", tuple(settings))
    yield from nested


def _describe_type(hint: Any) -> str:
    """Describe an annotation in words, for example "whole number"."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_describe_type(part) for part in arguments if part is not type(None))
    if origin is Literal:
        return ", ".join(_format_toml(choice) for choice in arguments)
    if origin is dict:
        return "table" if arguments[1] is Any else f"table of {_describe_type(arguments[1])}s"
    if origin is tuple:
        item = _describe_type(arguments[0])
        return f"list of {item}s" if arguments[-1] is Ellipsis else f"list of {len(arguments)} {item}s"
    return _TYPE_NAMES[hint]


def _format_toml(value: Any) -> str:
    """Format a default as it is written in the settings file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(_format_toml(item) for item in value) + "]"
    return re.sub(r"\.0$", "", str(value))


def _format_code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def _escape(text: str) -> str:
    """Escape text for a cell of a Markdown table."""
    return text.replace("|", r"\|")
