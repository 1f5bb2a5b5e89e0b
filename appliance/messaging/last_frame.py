"""The time of the last frame, stored so that it survives kill -9; it ends the events that were open then.

An event that was open when the process died is ended at the next start with the time of the last frame of that process.
So the time is written with every frame while an event is open, and not otherwise, to spare the SD card. It is written
without fsync: the page cache outlives the process, and after a power cut a time some seconds too early is good enough.

The file has two slots that are written in turn, each with a checksum and a count, so that an incomplete write is
noticed and the one before it still counts. One write takes some microseconds, whatever the disk does.
"""

import json
import logging
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import describe_os_error

log = logging.getLogger("appliance")

_MAGIC = b"LFR1"
# A slot: magic and checksum; then what the checksum covers: count of writes, time, length of the body, and the body,
# which is JSON {event id: peak score}.
_CHECKSUM, _HEADER = struct.Struct("<4sI"), struct.Struct("<QdI")
_SLOT_BYTES = 65536
_MAX_BODY_BYTES = _SLOT_BYTES - _CHECKSUM.size - _HEADER.size


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One frame: its time in seconds since 1970 UTC, and the peak score of each open event by the event's id."""

    time_s: float
    peaks: Mapping[str, float]


class LastFrame:
    """The file of the last frame. It belongs to one thread.

    A file that cannot be used is logged once; then nothing is written any more.

    Attributes:
        before: What an earlier process left, None if nothing.
    """

    def __init__(self, path: Path):
        """Open or create the file, and read what an earlier process left."""
        self._path = path
        self._count = 0
        self._empty = True
        self._file: int | None = None
        self.before: FrameRecord | None = None
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            self.before = self._read(self._file)
        except OSError as error:
            self._disable(error)

    def note(self, time_s: float, peaks: Mapping[str, float]) -> None:
        """Write a frame's time and its open events; write nothing while no event is open."""
        if self._file is None or (not peaks and self._empty):
            return
        self._empty = not peaks
        body = _encode_peaks(peaks)
        self._count += 1
        covered = _HEADER.pack(self._count, time_s, len(body)) + body
        offset = (self._count % 2) * _SLOT_BYTES
        try:
            os.pwrite(self._file, _CHECKSUM.pack(_MAGIC, zlib.crc32(covered)) + covered, offset)
        except OSError as error:
            self._disable(error)

    def close(self) -> None:
        """Close the file; nothing is written from now on."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _read(self, file: int) -> FrameRecord | None:
        newest = None
        for offset in (0, _SLOT_BYTES):
            slot = _parse_slot(os.pread(file, _SLOT_BYTES, offset))
            if slot and slot[0] > self._count:
                self._count, newest = slot
        return newest

    def _disable(self, error: OSError) -> None:
        self.close()
        log.warning(
            "%s cannot be used (%s); after a crash, open events end with the time of their start",
            self._path,
            describe_os_error(error),
        )


def _encode_peaks(peaks: Mapping[str, float]) -> bytes:
    body = json.dumps(peaks).encode()
    while len(body) > _MAX_BODY_BYTES:
        # Thousands of events are open at once: keep the peaks of the newest half.
        peaks = dict(list(peaks.items())[len(peaks) // 2 + 1 :])
        body = json.dumps(peaks).encode()
    return body


def _parse_slot(slot: bytes) -> tuple[int, FrameRecord] | None:
    """Return the count of writes and the record, or None if the slot is empty or damaged."""
    if len(slot) < _CHECKSUM.size + _HEADER.size:
        return None
    magic, checksum = _CHECKSUM.unpack_from(slot)
    count, time_s, length = _HEADER.unpack_from(slot, _CHECKSUM.size)
    covered = slot[_CHECKSUM.size : _CHECKSUM.size + _HEADER.size + length]
    if magic != _MAGIC or zlib.crc32(covered) != checksum:
        return None
    return count, FrameRecord(time_s, json.loads(covered[_HEADER.size :]))
