"""Publish Home Assistant discovery at the right moments."""

import random
import threading
import time
from collections.abc import Callable
from typing import Protocol

_GAP_S = 5.0


_SETTLE_S = 0.3


# Home Assistant asks its devices to come one after the other once it has started.
_AFTER_ONLINE_S = (1.0, 8.0)


class Timer(Protocol):
    """Something that was started and can be called off."""

    def cancel(self) -> None:
        """It will not happen any more."""


def start_timer(delay_s: float, act: Callable[[], None]) -> Timer:
    """Calls `act` once after `delay_s`, on a thread of its own that does not keep the program alive."""
    timer = threading.Timer(delay_s, act)
    timer.daemon = True
    timer.start()
    return timer


class Announcer:
    """Decides when the device is announced: soon after a change, again after Home Assistant started, never in a row."""

    def __init__(
        self,
        announce: Callable[[], None],
        start_timer: Callable[[float, Callable[[], None]], Timer] = start_timer,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Args:
        announce: Makes the message from what is so by then and hands it to the publisher.
        start_timer: Starts a timer.
        clock: Monotonic seconds.
        """
        self._announce = announce
        self._start_timer = start_timer
        self._clock = clock
        self._lock = threading.Lock()
        self._pending: Timer | None = None
        self._due_s = self._last_s = -_GAP_S
        self._stopped = False

    def changed(self) -> None:
        """What is announced has changed: announce it once it has settled."""
        self._schedule(_SETTLE_S)

    def homeassistant_started(self) -> None:
        """Home Assistant said `online`: announce again after a random delay."""
        self._schedule(random.uniform(*_AFTER_ONLINE_S))

    def stop(self) -> None:
        """Nothing is announced any more."""
        with self._lock:
            self._stopped = True
            if self._pending:
                self._pending.cancel()

    def _schedule(self, delay_s: float) -> None:
        with self._lock:
            now_s = self._clock()
            due_s = max(now_s + delay_s, self._last_s + _GAP_S)
            if self._stopped or (self._pending and self._due_s <= due_s):
                return  # what is pending comes first and will tell this change too
            if self._pending:
                self._pending.cancel()
            self._due_s = due_s
            self._pending = self._start_timer(due_s - now_s, self._fire)

    def _fire(self) -> None:
        with self._lock:
            if self._stopped:
                return
            self._pending, self._last_s = None, self._clock()
        self._announce()
