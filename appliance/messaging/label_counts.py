"""Count how often each label started today, and remember when it was last present, across restarts."""

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from appliance.errors import describe_os_error
from appliance.system.state_file import StateFile

log = logging.getLogger("appliance.mqtt")

_MAX_LABELS = 1000


@dataclass(frozen=True, slots=True)
class _DayCounts:
    """The content of the file.

    Attributes:
        date: The local date of the counts, YYYY-MM-DD.
        counts: How often each label started on that date.
        last_seen_s: When each label was last present, Unix time.
    """

    date: str
    counts: dict[str, int]
    last_seen_s: dict[str, float]


class LabelCounts:
    """The counts of the current local day, in the file today.json. Not thread-safe."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time):
        """Read the file.

        Args:
            path: The file.
            clock: Returns Unix time in seconds.
        """
        self._clock = clock
        self._file = StateFile(
            path,
            _decode,
            _encode,
            _DayCounts("", {}, {}),
            mode=0o640,
            durable=False,  # after a power cut, a count that is one too low is good enough
            if_unreadable="today's counts start at 0",
            log=log,
        )
        self._values = self._file.read()
        self._is_writable = True

    def begin_day(self) -> bool:
        """Set the counts to 0 if the local date has changed; return whether it has."""
        date = time.strftime("%Y-%m-%d", time.localtime(self._clock()))
        if date == self._values.date:
            return False
        self._values = replace(self._values, date=date, counts={})
        return True

    def record_start(self, label: str, time_s: float) -> None:
        """Record that a label started."""
        self.begin_day()
        counts = self._values.counts | {label: self._values.counts.get(label, 0) + 1}
        self._record(replace(self._values, counts=counts), label, time_s)

    def record_end(self, label: str, time_s: float) -> None:
        """Record when a label was last present."""
        self._record(self._values, label, time_s)

    def keep(self, labels: Collection[str]) -> None:
        """Forget the labels of other models."""
        counts, seen = self._values.counts, self._values.last_seen_s
        self._values = replace(
            self._values,
            counts={label: counts[label] for label in counts if label in labels},
            last_seen_s={label: seen[label] for label in seen if label in labels},
        )

    def count(self, label: str) -> int:
        """Return how often a label started today."""
        self.begin_day()
        return self._values.counts.get(label, 0)

    def last_seen_s(self, label: str) -> float | None:
        """Return when a label was last present, Unix time; None if never."""
        return self._values.last_seen_s.get(label)

    def _record(self, values: _DayCounts, label: str, time_s: float) -> None:
        seen = {each: seen_s for each, seen_s in values.last_seen_s.items() if each != label} | {label: time_s}
        self._values = replace(values, last_seen_s=dict(list(seen.items())[-_MAX_LABELS:]))
        if not self._is_writable:
            return
        try:
            self._file.write(self._values)
        except OSError as error:
            self._is_writable = False  # do not log it again for each event
            log.warning("%s: %s; today's counts end with a restart", self._file.path, describe_os_error(error))


def _encode(counts: _DayCounts) -> dict[str, Any]:
    return {"date": counts.date, "counts": counts.counts, "last_seen": counts.last_seen_s}


def _decode(data: Any) -> _DayCounts:
    counts = {str(label): int(count) for label, count in data["counts"].items()}
    seen = {str(label): float(time_s) for label, time_s in data["last_seen"].items()}
    if not all(0 <= time_s < 1e11 for time_s in seen.values()):  # also false for nan
        raise ValueError("a time is out of range")
    return _DayCounts(str(data["date"]), counts, seen)
