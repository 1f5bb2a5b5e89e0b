"""What an entry of a channel may require of a device: pure functions, identical for the device and the operator.

A device that does not fit skips the entry and takes the next one that is for it. A requirement that this release does
not know is not met, because the device cannot tell whether it fits.
"""

import json
from dataclasses import dataclass
from typing import Any

from appliance.errors import ChannelError
from appliance.system.foreign_text import clean_text

_MAX_BOARD, _MAX_SHOWN = 64, 100
_MAX_PIXELS, _MAX_MEMORY_MB = 65_536, 100_000_000
_KEYS = ("input", "memory_mb", "board")


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a device must have to take an entry; None or empty for no requirement.

    Attributes:
        input_size: The smallest frame, (height, width) in pixels, normally the size of the model's input.
        memory_mb: The least memory of the machine, in MB (1e6 bytes).
        board: A part of the name of the board, such as `Raspberry Pi 5`; upper and lower case are the same.
        unknown: The requirements that this release does not know: names, and values as JSON.
    """

    input_size: tuple[int, int] | None = None
    memory_mb: float | None = None
    board: str | None = None
    unknown: tuple[tuple[str, str], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the value of `requires` in a channel's file."""
        size = list(self.input_size) if self.input_size else None
        values = {"input": size, "memory_mb": self.memory_mb, "board": self.board}
        others = {name: json.loads(value) for name, value in self.unknown}
        return {key: value for key, value in values.items() if value is not None} | others


@dataclass(frozen=True, slots=True)
class DeviceTraits:
    """What a device has; None if it is not known, which meets no requirement except one of the frame's size.

    Attributes:
        frame_size: The size of the frames, (height, width) in pixels; None if the camera adapts to the model.
        memory_mb: The memory of the machine, in MB (1e6 bytes).
        board: The name of the board.
    """

    frame_size: tuple[int, int] | None = None
    memory_mb: float | None = None
    board: str | None = None


def find_misfit(requirements: Requirements, traits: DeviceTraits) -> str | None:
    """Return the first requirement that a device does not meet, with what it has instead; None if it meets all."""
    if requirements.unknown:
        return f"{clean_text(requirements.unknown[0][0], _MAX_BOARD)}, which this release does not know"
    size, frame = requirements.input_size, traits.frame_size
    if size and frame and (frame[0] < size[0] or frame[1] < size[1]):
        return f"frames of {_format_size(size)} pixels, and the camera's have {_format_size(frame)}"
    if requirements.memory_mb is not None and (traits.memory_mb is None or traits.memory_mb < requirements.memory_mb):
        has = "an unknown amount" if traits.memory_mb is None else f"{traits.memory_mb:.0f} MB"
        return f"{requirements.memory_mb:.10g} MB of memory, and this device has {has}"
    if requirements.board is not None and requirements.board.casefold() not in (traits.board or "").casefold():
        return f"the board {requirements.board}, and this is {traits.board or 'an unknown one'}"
    return None


def describe_requirements(requirements: Requirements) -> str:
    """Return requirements as text for people, such as `1000 MB, Raspberry Pi 5`."""
    parts = [f"frames of {_format_size(requirements.input_size)}"] if requirements.input_size else []
    parts += [f"{requirements.memory_mb:.10g} MB"] if requirements.memory_mb is not None else []
    parts += [requirements.board] if requirements.board is not None else []
    return ", ".join([*parts, *(clean_text(name, _MAX_BOARD) for name, _ in requirements.unknown)])


def parse_requirements(values: Any) -> Requirements | None:
    """Parse the value of `requires`; None if there is none.

    Raises:
        ChannelError: It is not an object, or a requirement has a value that is not possible.
    """
    if values is None or values == {}:
        return None
    if not isinstance(values, dict):
        raise ChannelError(f"an entry's requires is not a JSON object: {_show(values)}")
    return Requirements(
        _parse_size(values.get("input")),
        _parse_memory(values.get("memory_mb")),
        _parse_board(values.get("board")),
        tuple(sorted((key, json.dumps(value)) for key, value in values.items() if key not in _KEYS)),
    )


def _parse_size(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    if isinstance(value, list) and len(value) == 2:
        height, width = value
        if all(type(side) is int and 1 <= side <= _MAX_PIXELS for side in value):
            return height, width
    raise ChannelError(f"an entry requires an input that is not [height, width] in pixels: {_show(value)}")


def _parse_memory(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _MAX_MEMORY_MB:
        raise ChannelError(f"an entry requires a memory_mb that is not a number of MB: {_show(value)}")
    return value


def _parse_board(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value or value != clean_text(value, _MAX_BOARD):
        raise ChannelError(f"an entry requires a board that is not a name: {_show(value)}")
    return value


def _show(value: Any) -> str:
    try:
        return clean_text(repr(value), _MAX_SHOWN)
    except (ValueError, RecursionError):  # a number of more than 4,300 digits, or deep nesting
        return "a value that cannot be shown"


def _format_size(size: tuple[int, int]) -> str:
    return f"{size[1]}×{size[0]}"
