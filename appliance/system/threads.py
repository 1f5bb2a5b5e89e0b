"""Watched threads: each announces its current work and a deadline.

The watchdog is fed only while no thread is past its deadline. So a thread that hangs in native code causes a restart,
but a thread that waits on purpose (for a frame, or in a back-off) does not.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

# Python's default is 5 ms. The labeling thread acquires the interpreter lock several times per frame, and another busy
# thread (parsing a reply, drawing a scene) may delay each acquisition by that much. With both cores busy, the interval
# between frames reached 106 ms during a model swap, instead of 77 ms (scripts/bench-updates swaps).
_SWITCH_INTERVAL_S = 0.0005


def set_switch_interval() -> None:
    """Make busy threads release the interpreter lock ten times as often as with Python's default."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)


def lower_thread_priority(nice: int = 5) -> None:
    """Give the calling thread a lower priority than labeling has, if the system permits it.

    Args:
        nice: From 0 to 19, the lowest priority.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)


class Heartbeat:
    """The current work of one thread and its deadline. Safe to read from any thread."""

    def __init__(self, name: str):
        self.name = name
        self._work: tuple[str, float] | None = None
        self._lock = threading.Lock()

    @contextmanager
    def deadline(self, limit_s: float, work: str) -> Iterator[None]:
        """Announce work that ends within `limit_s` seconds.

        Outside of the block, the thread may wait without a limit.
        """
        with self._lock:
            before, self._work = self._work, (work, time.monotonic() + limit_s)
        try:
            yield
        finally:
            with self._lock:
                self._work = before

    def overdue(self, now_s: float | None = None) -> str | None:
        """Describe the work that the thread is stuck in; return None if the deadline has not passed.

        Args:
            now_s: The time on time.monotonic(); None uses the current time.
        """
        with self._lock:
            work = self._work
        if work is None or (time.monotonic() if now_s is None else now_s) <= work[1]:
            return None
        return f"the {self.name} thread is stuck in {work[0]}"


class WatchedThread(threading.Thread):
    """A daemon thread with a heartbeat; `failure` is the exception that ended the thread, if any."""

    def __init__(self, name: str, target: Callable[[], object], heartbeat: Heartbeat | None = None):
        super().__init__(name=name, daemon=True)
        self.heartbeat = heartbeat or Heartbeat(name)
        self.failure: BaseException | None = None
        self._target_function = target

    def run(self) -> None:
        """Run the target."""
        try:
            self._target_function()
        except BaseException as error:  # noqa: BLE001 - kept for the supervisor, which ends the program with it
            self.failure = error


def find_overdue(heartbeats: Iterable[Heartbeat]) -> str | None:
    """Describe the first thread that is past its deadline; return None if there is none."""
    return next((stuck for heartbeat in heartbeats if (stuck := heartbeat.overdue())), None)
