"""Store the time of the last frame so that it survives kill -9, to end events that were open at that time.

An event that was open when the process died is ended at the next start with the time of that process's last frame.
So the time is written with every frame while an event is open, and only then, to reduce wear on the SD card. It is
written without fsync: the page cache outlives the process, and after a power cut a time that is a few seconds too early
is good enough.

The file has two slots that are written in turn, each with a checksum and a write count, so that an incomplete write is
detected and the previous one is used. One write takes a few microseconds, even if the disk is slow.
"""

import json
import logging
import math
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import describe_os_error
from appliance.labeling.tracker import EventProgress
from appliance.system.json_text import parse_json
from appliance.system.regular_files import read_regular_file

log = logging.getLogger("appliance")

_MAGIC = b"LFR2"
# Releases up to 0.1.0 wrote JSON {event id: peak score}.
_MAGIC_PEAKS = b"LFR1"
# Layout of a slot: magic and checksum, then the bytes that the checksum covers: write count, time, body length, and
# the body, which is JSON {event id: [peak score, seconds since the start, whether the wall clock was set]}.
_CHECKSUM, _HEADER = struct.Struct("<4sI"), struct.Struct("<QdI")
_SLOT_BYTES = 65536
_MAX_FILE_BYTES = 4 * _SLOT_BYTES
_MAX_TIME_S = 253_402_300_800.0  # the end of the year 9999, after which times have no RFC 3339 form
_MAX_COUNT = 2**63
_MAX_BODY_BYTES = _SLOT_BYTES - _CHECKSUM.size - _HEADER.size


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One frame: its Unix time in seconds, and the progress of each open event by event id."""

    time_s: float
    events: Mapping[str, EventProgress]


class LastFrame:
    """The file of the last frame. Not thread-safe.

    If the file cannot be used, this is logged once and nothing more is written.

    Attributes:
        before: The record of an earlier process; None if there is none.
    """

    def __init__(self, path: Path):
        """Open or create the file, and read the record of an earlier process."""
        self._path = path
        self._count = 0
        self._empty = True
        self._file: int | None = None
        self.before: FrameRecord | None = None
        try:
            self.before = self._read_before(path)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            self._disable(error)

    def note(self, time_s: float, events: Mapping[str, EventProgress]) -> None:
        """Write a frame's time and the open events; write nothing while no event is open."""
        if self._file is None or (not events and self._empty):
            return
        self._empty = not events
        body = _encode_events(events)
        self._count += 1
        covered = _HEADER.pack(self._count, time_s, len(body)) + body
        offset = (self._count % 2) * _SLOT_BYTES
        try:
            os.pwrite(self._file, _CHECKSUM.pack(_MAGIC, zlib.crc32(covered)) + covered, offset)
        except OSError as error:
            self._disable(error)

    def close(self) -> None:
        """Close the file; nothing more is written."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _read_before(self, path: Path) -> FrameRecord | None:
        try:
            content = read_regular_file(path, _MAX_FILE_BYTES)
        except FileNotFoundError:
            return None
        newest = None
        for offset in (0, _SLOT_BYTES):
            slot = _parse_slot(content[offset : offset + _SLOT_BYTES])
            if slot and slot[0] > self._count:
                self._count, newest = slot
        return newest

    def _disable(self, error: OSError) -> None:
        self.close()
        log.warning(
            "%s cannot be used (%s); after a crash, open events will end with their start time",
            self._path,
            describe_os_error(error),
        )


def _encode_events(events: Mapping[str, EventProgress]) -> bytes:
    values = {key: (each.peak_score, each.duration_s, each.clock_step) for key, each in events.items()}
    body = json.dumps(values).encode()
    while len(body) > _MAX_BODY_BYTES:
        # Thousands of events are open at once; keep the newest half.
        values = dict(list(values.items())[len(values) // 2 + 1 :])
        body = json.dumps(values).encode()
    return body


def _parse_slot(slot: bytes) -> tuple[int, FrameRecord] | None:
    """Return the write count and the record, or None if the slot is empty or damaged."""
    if len(slot) < _CHECKSUM.size + _HEADER.size:
        return None
    magic, checksum = _CHECKSUM.unpack_from(slot)
    count, time_s, length = _HEADER.unpack_from(slot, _CHECKSUM.size)
    covered = slot[_CHECKSUM.size : _CHECKSUM.size + _HEADER.size + length]
    if magic not in (_MAGIC, _MAGIC_PEAKS) or zlib.crc32(covered) != checksum:
        return None
    try:
        values = parse_json(covered[_HEADER.size :])
        if not (count < _MAX_COUNT and math.isfinite(time_s) and 0 <= time_s < _MAX_TIME_S):
            raise ValueError("the count or the time is out of range")
        if magic == _MAGIC_PEAKS:
            values = {key: [peak] for key, peak in values.items()}
        return count, FrameRecord(time_s, {key: _decode_progress(value) for key, value in values.items()})
    except (ValueError, TypeError, AttributeError):
        return None  # written by a program with another layout


def _decode_progress(value: Any) -> EventProgress:
    progress = EventProgress(*value)
    for number in (progress.peak_score, progress.duration_s):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int | float)):
            raise TypeError("a number has the wrong type")
    return progress
