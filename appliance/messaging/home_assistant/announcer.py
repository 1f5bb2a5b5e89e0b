"""Publish the announcement to Home Assistant at the right moments."""

import random
import threading
import time
from collections.abc import Callable
from typing import Protocol

_MIN_GAP_S = 5.0  # if two messages follow each other quickly, Home Assistant ignores new components in the second
_AFTER_ONLINE_S = (1.0, 8.0)  # Home Assistant asks devices to spread their announcements after it has started


class Timer(Protocol):
    """A started timer."""

    def cancel(self) -> None:
        """Cancel the timer, so that its action does not run."""


def start_timer(delay_s: float, action: Callable[[], None]) -> Timer:
    """Run an action once after a delay, on its own daemon thread, which does not keep the program alive."""
    timer = threading.Timer(delay_s, action)
    timer.daemon = True
    timer.start()
    return timer


class Announcer:
    """Times the announcement: at a change and after Home Assistant starts, with a minimum gap."""

    def __init__(
        self,
        announce: Callable[[], None],
        start_timer: Callable[[float, Callable[[], None]], Timer] = start_timer,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Create the announcer.

        Args:
            announce: Builds the message from the current state and passes it to the publisher.
            start_timer: Starts a timer.
            clock: Monotonic seconds.
        """
        self._announce = announce
        self._start_timer = start_timer
        self._clock = clock
        self._lock = threading.Lock()
        self._pending: Timer | None = None
        self._due_s = self._last_s = -_MIN_GAP_S
        self._stopped = False

    def announce_change(self) -> None:
        """Announce a change at once, or after the minimum gap, together with any further changes until then."""
        with self._lock:
            now_s = self._clock()
            is_due = now_s >= self._last_s + _MIN_GAP_S
            if self._stopped:
                return
            if is_due:
                if self._pending:
                    self._pending.cancel()
                self._pending, self._last_s = None, now_s
        if is_due:
            self._announce()
        else:
            self._schedule(0.0)

    def handle_homeassistant_start(self) -> None:
        """Announce again after a random delay, because Home Assistant has started."""
        self._schedule(random.uniform(*_AFTER_ONLINE_S))

    def stop(self) -> None:
        """Stop announcing, and cancel a pending announcement."""
        with self._lock:
            self._stopped = True
            if self._pending:
                self._pending.cancel()

    def _schedule(self, delay_s: float) -> None:
        with self._lock:
            now_s = self._clock()
            due_s = max(now_s + delay_s, self._last_s + _MIN_GAP_S)
            if self._stopped or (self._pending and self._due_s <= due_s):
                return  # the pending announcement is due earlier and will include this change
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
