"""Limit how many commands run a second: the last one of each kind wins, and the others are not run.

Any client that the broker accepts may send commands without pause, from a faulty automation or on purpose. So a few run
at once, and then a few a second: of those that wait, only the newest with each name.
"""

import threading
import time
from collections.abc import Callable

from appliance.messaging.home_assistant.announcer import Timer, start_timer

Action = Callable[[], None]
"""Runs a command, or answers one that a newer command replaced."""


class Allowance:
    """A number of uses that is restored over time. Not thread-safe.

    Attributes:
        burst: How many uses are possible after a pause.
    """

    def __init__(self, burst: int, per_s: float, clock: Callable[[], float] = time.monotonic):
        """Start with the whole burst.

        Args:
            burst: How many uses are possible after a pause.
            per_s: How many uses are restored in a second.
            clock: Monotonic seconds.
        """
        self.burst, self._per_s, self._clock = burst, per_s, clock
        self._left, self._at_s = float(burst), clock()

    def take(self) -> bool:
        """Return whether a use is possible, and count it."""
        self._restore()
        if self._left < 1:
            return False
        self._left -= 1
        return True

    @property
    def wait_s(self) -> float:
        """How long until the next use is possible."""
        self._restore()
        return max(0.0, (1 - self._left) / self._per_s)

    @property
    def is_full(self) -> bool:
        """Whether the whole burst is possible."""
        self._restore()
        return self._left >= self.burst

    def _restore(self) -> None:
        now_s = self._clock()
        self._left = min(self.burst, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s


class CommandPace:
    """Run commands at a bounded rate. Safe to use from any thread."""

    def __init__(
        self,
        burst: int,
        per_s: float,
        start_timer: Callable[[float, Action], Timer] = start_timer,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Start with nothing that waits.

        Args:
            burst: How many commands run at once after a pause.
            per_s: How many commands run in a second after that.
            start_timer: Runs an action after a delay in seconds, on another thread.
            clock: Monotonic seconds.
        """
        self._allowance = Allowance(burst, per_s, clock)
        self._start_timer = start_timer
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[Action, Action]] = {}
        self._timer: Timer | None = None

    def submit(self, name: str, run: Action, replace: Action) -> None:
        """Run a command now if that is possible, else when it is its turn.

        Args:
            name: The command; a newer one with the same name replaces one that waits.
            run: Runs the command.
            replace: Called instead, if a newer command replaces this one.
        """
        with self._lock:
            replaced = self._waiting.pop(name, None)
            if not self._waiting and self._allowance.take():
                now = run
            else:
                now = None
                self._waiting[name] = (run, replace)
                self._schedule()
        if replaced:
            replaced[1]()
        if now:
            now()

    def _schedule(self) -> None:
        if self._timer is None:
            self._timer = self._start_timer(self._allowance.wait_s, self._run_next)

    def _run_next(self) -> None:
        with self._lock:
            self._timer = None
            if not self._waiting:
                return
            run = None
            if self._allowance.take():
                run, _ = self._waiting.pop(next(iter(self._waiting)))
            if self._waiting:
                self._schedule()
        if run:
            run()
