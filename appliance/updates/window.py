"""The local time in which a model may be swapped in (update.window)."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from appliance.settings.checks import WINDOW
from appliance.system.clock import is_clock_before_build


@dataclass(frozen=True, slots=True)
class Window:
    """A part of each day in local time; it contains midnight if it ends before it begins.

    Attributes:
        start: The first minute in it.
        end: The first minute after it.
    """

    start: time
    end: time

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"

    def contains(self, now: datetime) -> bool:
        """Return whether a local time is in the window."""
        clock = now.time().replace(tzinfo=None)
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end

    def find_next_start(self, now: datetime) -> datetime:
        """Return the local time at which the window opens next, after `now`."""
        naive = now.replace(tzinfo=None)
        start = datetime.combine(naive.date(), self.start)
        if start <= naive:
            start += timedelta(days=1)
        opening = start
        while not _exists(opening):  # the clocks are turned forward in it
            opening += timedelta(minutes=1)
        if opening > start and not self.contains(opening):
            opening = start + timedelta(days=1)  # the whole window is skipped on that day
        return opening.astimezone()

    def find_obstacle(self, now: datetime) -> str | None:
        """Return why no model may be swapped in at a local time, and until when; None if one may be."""
        if is_clock_before_build(now.timestamp()):
            return f"waits for update.window ({self}), because this device's clock is not set"
        if self.contains(now):
            return None
        return f"waits for update.window ({self}), which opens on {self.find_next_start(now):%Y-%m-%d at %H:%M}"

    def describe(self, now: datetime) -> str:
        """Return for people when models may be swapped in: now, or when next."""
        if obstacle := self.find_obstacle(now):
            return f"a new model {obstacle}"
        return f"update.window ({self}) is open"


def _exists(local: datetime) -> bool:
    """Return whether a local time without a zone exists; the hour that is skipped in spring does not."""
    return local.astimezone().replace(tzinfo=None) == local


def parse_window(text: str | None) -> Window | None:
    """Parse the setting update.window, which was checked before; None if it is not set."""
    times = WINDOW.fullmatch(text or "")
    return Window(time.fromisoformat(times["start"]), time.fromisoformat(times["end"])) if times else None
