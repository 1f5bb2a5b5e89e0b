"""Threads that are watched: each says what it is doing and by when it will be done.

The watchdog is fed only while every pulse is within its own deadline, so a thread that hangs in native code
ends in a restart, while one that waits on purpose (for a frame, in a back-off) never does.
"""

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

# Python's own is 5 ms. The labeling thread asks for the interpreter several times a frame, and a busy thread beside it (a
# reply that is parsed, a scene that is drawn) may keep it waiting for so long each time: with both processors busy, that
# made intervals between frames around a hot swap up to 106 ms instead of 77 (scripts/bench-updates swaps).
_SWITCH_INTERVAL_S = 0.0005


def set_switch_interval() -> None:
    """Makes busy threads of this process hand the interpreter over ten times as soon as Python has it."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)


class Heartbeat:
    """What one thread is doing, and the moment by which it must have come back. Safe to read from any thread."""

    def __init__(self, name: str):
        self.name = name
        self._doing: tuple[str, float] | None = None
        self._lock = threading.Lock()

    @contextmanager
    def deadline(self, limit_s: float, doing: str) -> Iterator[None]:
        """Announces work that ends within `limit_s` seconds; outside of it the thread may wait for ever."""
        with self._lock:
            before, self._doing = self._doing, (doing, time.monotonic() + limit_s)
        try:
            yield
        finally:
            with self._lock:
                self._doing = before

    def overdue(self, now_s: float | None = None) -> str | None:
        """What the thread is stuck in, or None while it is within its deadline."""
        with self._lock:
            doing = self._doing
        if doing is None or (time.monotonic() if now_s is None else now_s) <= doing[1]:
            return None
        return f"the {self.name} thread is stuck in {doing[0]}"


class WatchedThread(threading.Thread):
    """A daemon thread with a pulse; an exception that escapes it is kept in `failure`."""

    def __init__(self, name: str, target, heartbeat: Heartbeat | None = None):
        super().__init__(name=name, daemon=True)
        self.heartbeat = heartbeat or Heartbeat(name)
        self.failure: BaseException | None = None
        self._work = target

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - kept for the supervisor, which ends the program with it
            self.failure = error


def find_overdue(pulses: Iterable[Heartbeat]) -> str | None:
    """The first thread past its deadline, in words, or None."""
    return next((stuck for heartbeat in pulses if (stuck := heartbeat.overdue())), None)
