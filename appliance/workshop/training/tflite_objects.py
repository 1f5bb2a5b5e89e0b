"""The schema of model files as trees of objects, built from the accessors of the package tflite.

LiteRT contains generated classes for this (`ModelT` and so on, one attribute per field, `InitFromObj`, `Pack`). On a
system with tflite-runtime alone, this module provides the same classes: it calls each accessor's writer once with a
recorder, which shows the slot, the type and the default value of each field.
"""

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import Any

import numpy as np
import tflite

from appliance.errors import BaseModelError


class _Kind(Enum):
    """How a field is stored."""

    SCALAR = auto()
    NUMBERS = auto()
    LIST = auto()
    SINGLE = auto()


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a table.

    Attributes:
        name: Its name in accessors, such as BuiltinOptions; the attribute begins with a lower-case letter.
        add: Writes it with a builder.
        kind: How it is stored.
        default: The value of a scalar that is not stored.
    """

    name: str
    add: Callable[[Any, Any], None]
    kind: _Kind
    default: Any

    @property
    def attribute(self) -> str:
        return self.name[0].lower() + self.name[1:]


class TableObject:
    """A table as an object with one attribute per field; subclasses are made by `make_table_class`."""

    table = ""

    def __init__(self, *values: Any, **named: Any) -> None:
        """Set the fields to these values, in the order of the schema or by name, and all others to their defaults."""
        fields = _read_fields(self.table)
        given = dict(zip((field.attribute for field in fields), values, strict=False)) | named
        for field in fields:
            setattr(self, field.attribute, given.get(field.attribute, field.default))

    @classmethod
    def InitFromObj(cls, accessor: Any) -> Any:  # noqa: N802 - the name in LiteRT's classes
        """Return the object tree of a table that an accessor reads."""
        return None if accessor is None else _read_table(accessor)

    def Pack(self, builder: Any) -> int:  # noqa: N802 - the name in LiteRT's classes
        """Write the tree with a builder; return the position of the table."""
        fields = [(field, getattr(self, field.attribute)) for field in _read_fields(self.table)]
        offsets = {
            field.name: _write_value(builder, self.table, field, value)
            for field, value in fields
            if field.kind is not _Kind.SCALAR and value is not None
        }
        _get(self.table, "Start")(builder)
        for field, value in fields:
            if field.kind is _Kind.SCALAR:
                field.add(builder, value)
            elif field.name in offsets:
                field.add(builder, offsets[field.name])
        return int(_get(self.table, "End")(builder))


@cache
def make_table_class(name: str) -> type[TableObject]:
    """Return the class of a table's objects, such as ModelT for Model."""
    return type(f"{name}T", (TableObject,), {"table": name})


class ObjectSchema:
    """Provides the names of LiteRT's module of generated classes."""

    def __getattr__(self, name: str) -> Any:
        if name.endswith("T") and hasattr(tflite, name[:-1]):
            return make_table_class(name[:-1])
        return getattr(tflite, name)


class _Recorder:
    """A builder that records which of its methods is called."""

    def __getattr__(self, method: str) -> Callable[..., None]:
        def record(slot: int, _: Any, default: Any) -> None:
            self.call = method, slot, default

        return record


class _NumberTable:
    """A table that records the type of the numbers that an accessor reads as an array."""

    numbers: Any = None

    def Offset(self, _: int) -> int:  # noqa: N802 - flatbuffers' name
        return 4

    def GetVectorAsNumpy(self, flags: Any, _: int) -> int:  # noqa: N802 - flatbuffers' name
        self.numbers = flags
        return 0


def _get(table: str, suffix: str) -> Any:
    return getattr(importlib.import_module(f"tflite.{table}"), f"{table}{suffix}")


@cache
def _read_fields(table: str) -> tuple[_Field, ...]:
    module, accessor = importlib.import_module(f"tflite.{table}"), getattr(tflite, table)
    fields = {}
    for name, add in vars(module).items():
        if not (match := re.fullmatch(rf"{table}Add(\w+)", name)):
            continue
        recorder = _Recorder()
        add(recorder, 0)
        method, slot, default = recorder.call
        if not method.startswith("PrependUOffset"):
            kind = _Kind.SCALAR
        elif not hasattr(accessor, f"{match[1]}Length"):
            kind, default = _Kind.SINGLE, None
        else:
            kind = _Kind.NUMBERS if hasattr(accessor, f"{match[1]}AsNumpy") else _Kind.LIST
            default = None
        if method == "PrependBoolSlot":
            default = bool(default)
        fields[slot] = _Field(match[1], add, kind, default)
    return tuple(fields[slot] for slot in sorted(fields))


def _read_table(accessor: Any) -> TableObject:
    name = type(accessor).__name__
    result = make_table_class(name)()
    for field in _read_fields(name):
        setattr(result, field.attribute, _read_value(accessor, field))
    return result


def _read_value(accessor: Any, field: _Field) -> Any:
    read = getattr(accessor, field.name)
    if field.kind is _Kind.SCALAR:
        return read()
    if field.kind is _Kind.SINGLE:
        return _convert(accessor, field, read())
    length = getattr(accessor, f"{field.name}Length")()
    if not length and getattr(accessor, f"{field.name}IsNone")():
        return None
    if field.kind is _Kind.NUMBERS:
        return np.array(getattr(accessor, f"{field.name}AsNumpy")()) if length else np.zeros(0, np.int32)
    return [_convert(accessor, field, read(index)) for index in range(length)]


def _convert(accessor: Any, field: _Field, value: Any) -> Any:
    """Return a string as bytes, and a table or a union as an object."""
    if value is None or isinstance(value, bytes):
        return value
    if type(value).__module__.startswith("tflite."):
        return _read_table(value)
    kind = getattr(accessor, f"{field.name}Type")()  # of a union; its table has no class yet
    types = getattr(tflite, "BuiltinOptions2" if field.name == "BuiltinOptions2" else field.name, None)
    names = {number: name for name, number in vars(types).items() if isinstance(number, int)} if types else {}
    if kind not in names:
        raise BaseModelError(f"the model has {field.name} of an unknown kind ({kind})")
    member = getattr(tflite, names[kind])()
    member.Init(value.Bytes, value.Pos)
    return _read_table(member)


def _write_value(builder: Any, table: str, field: _Field, value: Any) -> int:
    """Write what a field refers to; return its position."""
    if field.kind is _Kind.SINGLE:
        return _write_item(builder, value)
    if field.kind is _Kind.NUMBERS:
        return int(builder.CreateNumpyVector(np.asarray(value, _read_number_type(table, field.name))))
    positions = [_write_item(builder, item) for item in value]
    builder.StartVector(4, len(positions), 4)
    for position in reversed(positions):
        builder.PrependUOffsetTRelative(position)
    return int(builder.EndVector())


def _write_item(builder: Any, item: Any) -> int:
    return int(builder.CreateString(item) if isinstance(item, bytes | str) else item.Pack(builder))


@cache
def _read_number_type(table: str, field: str) -> np.dtype:
    accessor, numbers = getattr(tflite, table)(), _NumberTable()
    accessor._tab = numbers  # noqa: SLF001 - the only way to learn the type of the numbers
    getattr(accessor, f"{field}AsNumpy")()
    name: str = numbers.numbers.__name__  # such as Int32Flags
    return np.dtype(name.removesuffix("Flags").lower())
