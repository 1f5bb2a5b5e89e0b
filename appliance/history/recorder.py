"""Record events and their pictures on a thread of its own; labeling never waits for it.

A full, slow, or read-only disk costs the history, never an event or a frame: the queue is short, a failure is logged
once, and writing is tried again later. The oldest events are removed when one of the limits is exceeded.
"""

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from appliance.bundle.identity import ModelIdentity
from appliance.errors import ApplianceError, describe_os_error
from appliance.history.database import HistoryDatabase
from appliance.history.pictures import PictureFolder
from appliance.history.records import EventRecord
from appliance.imaging.files import encode_jpeg, resize_to_fit
from appliance.labeling.tracker import Event
from appliance.settings.schema import HistorySettings

log = logging.getLogger("appliance.history")

DATABASE_NAME, PICTURES_NAME = "history.sqlite3", "pictures"
PICTURE_SIDE_PX = 640
_QUEUED, _QUEUED_PICTURES = 64, 32
_SCORES = 5
_JPEG_QUALITY = 80
# After a failure to write, events are ignored for this long.
_AFTER_FAILURE_S = 30.0
# How often the events that are open are noted as still lasting, and old ones are removed.
_TICK_S = 60.0
_REMOVED_AT_ONCE = 200
_POLL_S = 0.1
_DAY_S = 86_400.0

Write = Callable[[HistoryDatabase], None]


@dataclass(frozen=True, slots=True)
class StartedEvent:
    """An event that started, with what is recorded of its frame.

    Attributes:
        event: The start.
        model: The model that gave the scores.
        scores: The best labels with their scores, best first.
        picture: Returns the upright picture, (height, width, 3) uint8 RGB; called on the recording thread.
    """

    event: Event
    model: ModelIdentity
    scores: Sequence[tuple[str, float]]
    picture: Callable[[], np.ndarray] | None


class HistoryRecorder:
    """Writes the history in a folder."""

    def __init__(self, folder: Path, settings: HistorySettings, clock: Callable[[], float] = time.time):
        """Prepare to record; nothing is written before `start`.

        Args:
            folder: The folder of the history.
            settings: The history section.
            clock: Returns the Unix time in seconds.
        """
        self._folder, self._settings, self._clock = folder, settings, clock
        self.pictures = PictureFolder(folder / PICTURES_NAME)
        self._queue: queue.Queue[Write | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._database: HistoryDatabase | None = None
        self._count = self._bytes = 0
        self._failed_s = float("-inf")
        self._error: str | None = None
        self._dropped = 0

    @property
    def error(self) -> str | None:
        """Why nothing is recorded now; None if all is well."""
        return self._error

    @property
    def folder(self) -> Path:
        """The folder of the history."""
        return self._folder

    def start(self) -> None:
        """Start the recording thread, which ends the events that an earlier process left open."""
        self._offer(self._recover, is_needed=True)
        self._thread.start()

    def stop(self, limit_s: float) -> None:
        """Write what is queued and stop the thread; return after `limit_s` at the latest."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(limit_s)

    def record_started(self, started: StartedEvent) -> None:
        """Record an event that started; runs on the labeling thread and never blocks."""
        if self._queue.qsize() >= _QUEUED_PICTURES:  # each waiting frame takes megabytes
            started = replace(started, picture=None)
        self._offer(lambda database: self._write_started(database, started))

    def record_ended(self, event: Event) -> None:
        """Record the end of an event; runs on the labeling thread and never blocks."""

        def write(database: HistoryDatabase) -> None:
            ended_s = self._clock() if event.ended is None else event.ended
            database.end(event.id, event.peak_score, ended_s, event.duration_s, event.reason)

        self._offer(write, is_needed=True)

    def delete_pictures(self, limit_s: float = 30.0) -> bool:
        """Remove all pictures; return whether that happened within the limit."""

        def write(database: HistoryDatabase) -> None:
            self.pictures.remove_all()
            database.forget_pictures()
            self._bytes = 0

        return self._wait_for(write, limit_s)

    def delete_event(self, event_id: str, limit_s: float = 30.0) -> bool:
        """Remove an event with its picture; return whether that happened within the limit."""

        def write(database: HistoryDatabase) -> None:
            database.remove([event_id])  # the row first, as in _enforce_limits
            self.pictures.remove([event_id])
            self._count, self._bytes = database.measure()

        return self._wait_for(write, limit_s)

    def _wait_for(self, write: Write, limit_s: float) -> bool:
        """Write even after a recent failure; return whether it succeeded within the limit."""
        done = threading.Event()

        def write_and_report(database: HistoryDatabase) -> None:
            write(database)
            done.set()

        self._failed_s, started_s = float("-inf"), time.monotonic()
        self._offer(write_and_report, is_needed=True)
        while not done.wait(_POLL_S):
            if self._failed_s > started_s or time.monotonic() - started_s > limit_s:
                return False
        return True

    def _offer(self, write: Write, is_needed: bool = False) -> None:
        if self._queue.qsize() >= _QUEUED and not is_needed:
            self._dropped += 1
            return
        self._queue.put(write)

    def _run(self) -> None:
        while True:
            try:
                write = self._queue.get(timeout=_TICK_S)
            except queue.Empty:
                write = self._tick
            if write is None:
                break
            self._try(write)
        if self._database:
            self._try(self._tick)
            self._database.close()

    def _try(self, write: Write) -> None:
        """Write to the database; log a failure once, and ignore events for a while after it."""
        now_s = time.monotonic()
        if now_s - self._failed_s < _AFTER_FAILURE_S:
            return
        try:
            write(self._open())
        except (OSError, sqlite3.Error, ApplianceError, ValueError) as error:
            self._failed_s = now_s
            reason = describe_os_error(error) if isinstance(error, OSError) else str(error)
            text = f"the history in {self._folder} cannot be written: {reason}; free disk space, or check its owner"
            if text != self._error:
                log.warning("%s; events are published all the same", text)
            self._error = text
            if self._database:
                self._database.close()
                self._database = None
        else:
            if self._error:
                log.info("the history is written again")
            self._error = None

    def _open(self) -> HistoryDatabase:
        if self._database is None:
            self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._database = HistoryDatabase(self._folder / DATABASE_NAME)
            self._count, self._bytes = self._database.measure()
        return self._database

    def _recover(self, database: HistoryDatabase) -> None:
        database.end_unfinished()
        self.pictures.sweep(set(database.list_ids_with_pictures()))
        self._enforce_limits(database)

    def _tick(self, database: HistoryDatabase) -> None:
        database.note_alive(self._clock())
        self._enforce_limits(database)

    def _write_started(self, database: HistoryDatabase, started: StartedEvent) -> None:
        event, jpeg = started.event, b""
        if self._settings.pictures and started.picture is not None:
            jpeg = encode_jpeg(resize_to_fit(started.picture(), PICTURE_SIDE_PX), _JPEG_QUALITY)
            self.pictures.write(event.id, jpeg)
        model = {"name": started.model.name, "version": started.model.version}
        database.add(
            EventRecord(
                event.id, event.label, event.score, event.peak_score, event.started, None, None, None, model,
                list(started.scores)[:_SCORES], len(jpeg),
            )
        )  # fmt: skip
        database.note_alive(self._clock())
        self._count, self._bytes = self._count + 1, self._bytes + len(jpeg)
        if self._exceeds_limits():
            self._enforce_limits(database)

    def _exceeds_limits(self) -> bool:
        return self._count > self._settings.max_events or self._bytes > self._settings.max_bytes

    def _enforce_limits(self, database: HistoryDatabase) -> None:
        """Remove the oldest events until every limit is kept."""
        self._count, self._bytes = database.measure()
        oldest_s = self._clock() - self._settings.max_age_days * _DAY_S
        while aged := database.list_aged(oldest_s, _REMOVED_AT_ONCE):
            self._remove(database, aged)
        while self._exceeds_limits():
            removed, count, size = [], self._count, self._bytes
            for event_id, picture_bytes in database.list_oldest(_REMOVED_AT_ONCE):
                if count <= self._settings.max_events and size <= self._settings.max_bytes:
                    break
                removed.append((event_id, picture_bytes))
                count, size = count - 1, size - picture_bytes
            if not removed:  # all of them are open
                return
            self._remove(database, removed)

    def _remove(self, database: HistoryDatabase, events: Sequence[tuple[str, int]]) -> None:
        # The rows first: a kill between the two leaves a file, which the next start sweeps.
        ids = [event_id for event_id, _ in events]
        database.remove(ids)
        self._count, self._bytes = self._count - len(ids), self._bytes - sum(size for _, size in events)
        self.pictures.remove(ids)


def remove_history(folder: Path) -> None:
    """Remove a history with its pictures; a missing one is ignored.

    Raises:
        OSError: It cannot be removed.
    """
    PictureFolder(folder / PICTURES_NAME).remove_all()
    for file in folder.glob(f"{DATABASE_NAME}*"):
        with suppress(FileNotFoundError):
            file.unlink()
