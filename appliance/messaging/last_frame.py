"""The time of the last frame, kept where kill -9 cannot take it: what a restart says about events that were open.

An event that was open when the process died is ended at the next start with the time of the last frame that
process saw. So that time is written down with every frame while an event is open, and never otherwise, to spare the
card. It is written without fsync: the page cache outlives the process, and after a power cut a time some seconds too
early is good enough.

There are two places in the file and they are written in turn, each with a checksum and a count, so that a write which
was cut short is noticed and the one before it still stands. One write costs some microseconds, whatever the disk does.
"""

import json
import logging
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

_MAGIC = b"LFR1"
# The checksum, then what it covers: count of writes, time, length of the body; the body is JSON {event id: peak score}.
_SUM, _HEAD = struct.Struct("<4sI"), struct.Struct("<QdI")
_PLACE_BYTES = 65536
_ROOM_BYTES = _PLACE_BYTES - _SUM.size - _HEAD.size


@dataclass(frozen=True, slots=True)
class Record:
    """What was so at one frame: its time in seconds since 1970 UTC, and the peak score of each open event by its id."""

    time_s: float
    peaks: Mapping[str, float]


class LastFrame:
    """The file of the last frame. `before` is what an earlier process left there, or None.

    A file that cannot be used is said once and then done without. It belongs to one thread.
    """

    def __init__(self, path: Path):
        self._path = path
        self._count = 0
        self._empty = True
        self._file: int | None = None
        self.before: Record | None = None
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            self.before = self._read()
        except OSError as error:
            self._give_up(error)

    def note(self, time_s: float, peaks: Mapping[str, float]) -> None:
        """Writes down a frame's time and what is open at it; writes nothing while nothing is open."""
        if self._file is None or (not peaks and self._empty):
            return
        self._empty = not peaks
        body = _body(peaks)
        self._count += 1
        covered = _HEAD.pack(self._count, time_s, len(body)) + body
        place = (self._count % 2) * _PLACE_BYTES
        try:
            os.pwrite(self._file, _SUM.pack(_MAGIC, zlib.crc32(covered)) + covered, place)
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Closes the file; nothing is written from now on."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _read(self) -> Record | None:
        newest = None
        for place in (0, _PLACE_BYTES):
            found = _parse(os.pread(self._file, _PLACE_BYTES, place))
            if found and found[0] > self._count:
                self._count, newest = found
        return newest

    def _give_up(self, error: OSError) -> None:
        self.close()
        log.warning(
            "%s cannot be used (%s): after a crash, events that were open end with the time of their start",
            self._path,
            error.strerror,
        )


def _body(peaks: Mapping[str, float]) -> bytes:
    body = json.dumps(peaks).encode()
    while len(body) > _ROOM_BYTES:
        # Thousands of events are open at once: the peaks of the newest half are kept.
        peaks = dict(list(peaks.items())[len(peaks) // 2 + 1 :])
        body = json.dumps(peaks).encode()
    return body


def _parse(place: bytes) -> tuple[int, Record] | None:
    if len(place) < _SUM.size + _HEAD.size:
        return None
    magic, checksum = _SUM.unpack_from(place)
    count, time_s, length = _HEAD.unpack_from(place, _SUM.size)
    covered = place[_SUM.size : _SUM.size + _HEAD.size + length]
    if magic != _MAGIC or zlib.crc32(covered) != checksum:
        return None
    return count, Record(time_s, json.loads(covered[_HEAD.size :]))
