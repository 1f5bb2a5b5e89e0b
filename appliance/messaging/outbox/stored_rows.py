"""Check rows that are read back from the outbox's file, one by one.

Between writing and reading, an SD card may change any bit, and SQLite checks the structure of its pages, not the
content of a row. So each value of a row is checked here; what cannot be used is set aside by outbox.py, and the rows
after it are delivered. Text is read as bytes, because sqlite3 raises an error for text that is not UTF-8.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from appliance.messaging.payloads import encode
from appliance.system.json_text import parse_json

MAX_ID = 2**62
"""Ids in the file are from 1 to this number, which leaves room for the ids of new events."""
MAX_TIME_S = 253_402_300_800.0  # the end of the year 9999, after which times have no RFC 3339 form
_MAX_TOPIC_BYTES = 65_535


class UnreadableRowError(ValueError):
    """A row cannot be used; the text is the reason."""


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """An event that waits for delivery.

    Attributes:
        id: Increases; a later event has a higher id.
        topic: The MQTT topic.
        payload: JSON.
        time: When the event happened, Unix time in seconds.
        born_s: The same moment in seconds since this system boot; None for an event from an earlier boot.
    """

    id: int
    topic: str
    payload: str
    time: float
    born_s: float | None


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row of the file that cannot be used, and the reason."""

    id: int
    why: str


Address = Callable[[str, Mapping[str, Any]], tuple[str, Mapping[str, Any]]]
"""Returns the topic and the payload to send for those in the file; raises UnreadableRowError."""


def parse_event_row(row: Sequence[Any], address: Address | None = None) -> OutboxEvent | UnreadableRow:
    """Check a row of the table of events.

    Args:
        row: (id, topic, payload, time, born_s), text as bytes.
        address: Changes the topic and the payload of events that were written under another device id or base topic.
    """
    id, topic, payload, time_s, born_s = row
    try:
        topic = _decode_topic(topic)
        payload = _decode(payload, "its payload")
        values = _parse_object(payload)
        if not _is_time(time_s):
            raise UnreadableRowError("its time is not a number")
        if address:
            topic, addressed = address(topic, values)
            payload = payload if addressed is values else encode(addressed).decode()
    except UnreadableRowError as error:
        return UnreadableRow(id, str(error))
    return OutboxEvent(id, topic, payload, time_s, born_s if _is_time(born_s) else None)


def parse_open_row(row: Sequence[Any]) -> tuple[str, str]:
    """Return the id and the start payload (JSON) of an open event.

    Args:
        row: (id, payload), text as bytes.

    Raises:
        UnreadableRowError: The row cannot be used.
    """
    id, payload = _decode(row[0], "its id"), _decode(row[1], "its payload")
    if _parse_object(payload).get("id") != id:
        raise UnreadableRowError("its id differs from the id in its payload")
    return id, payload


def is_boot_number(number: object) -> bool:
    """Return whether a value of the file can be the number of a boot."""
    return isinstance(number, int) and 0 <= number <= MAX_ID


@lru_cache(maxsize=16)
def _decode_topic(value: object) -> str:
    topic = _decode(value, "its topic")
    if not topic or len(topic) > _MAX_TOPIC_BYTES or not {"+", "#", "\0"}.isdisjoint(topic):
        raise UnreadableRowError("its topic is invalid")
    return topic


def _decode(value: object, name: str) -> str:
    if not isinstance(value, bytes):
        raise UnreadableRowError(f"{name} is not text")
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise UnreadableRowError(f"{name} is not UTF-8") from error


def _parse_object(payload: str) -> dict[str, Any]:
    try:
        values = parse_json(payload)
    except ValueError as error:
        raise UnreadableRowError(f"its payload is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise UnreadableRowError("its payload is not a JSON object")
    return values


def _is_time(value: object) -> bool:
    return isinstance(value, float | int) and math.isfinite(value) and abs(value) < MAX_TIME_S
