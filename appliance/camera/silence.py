"""Decide when a live source is silent: the limit follows the source's own rate and the wanted rate.

A constant limit would always declare a slower source silent. Until a source has shown its rate, it gets as long
as a slow one needs for a first picture.
"""

import time
from collections.abc import Callable

FIRST_LIMIT_S = 60.0  # until two arrivals show the rate; streams exist with a key frame or picture every 30 s
SHORTEST_LIMIT_S = 5.0
TOLERATED_GAPS = 3  # of the longest recent gap: a source that misses two pictures is not silent yet
TOLERATED_PERIODS = 2  # of camera.fps
LONGEST_MEDIA_GAP_S = 600.0  # a larger one is a jump of the timestamps
WINDOW_S = 60.0  # a gap is remembered for at least this long, and at most for twice as long
WINDOW_ARRIVALS = 4  # and for at least this many arrivals


class SilenceLimit:
    """The longest silence of one source that is not a fault; not thread-safe.

    Attributes:
        shortest_s: The shortest limit in seconds.
    """

    def __init__(self, fps: float, clock: Callable[[], float] = time.monotonic, *, first_s: float = FIRST_LIMIT_S):
        """Start with the first silence.

        Args:
            fps: Wanted frames per second (`camera.fps`): if few are wanted, a fault need not be found sooner.
            clock: Returns seconds on a clock that is never adjusted.
            first_s: The limit in seconds until the rate is known.
        """
        self.shortest_s = SHORTEST_LIMIT_S
        self._wanted_s = TOLERATED_PERIODS / fps
        self._first_s = first_s
        self._clock = clock
        self._last_s = self._window_began_s = clock()
        self._last_media_s: float | None = None
        self._arrivals = 0
        self._window_arrivals = 0
        self._longest_s = self._longest_before_s = 0.0  # in this window, and in the one before it

    @property
    def limit_s(self) -> float:
        """Seconds without an arrival after which the source is silent."""
        if self._arrivals < 2:
            return max(self._first_s, self._wanted_s)
        longest_s = max(self._longest_s, self._longest_before_s)
        return max(self.shortest_s, self._wanted_s, TOLERATED_GAPS * longest_s)

    @property
    def has_arrivals(self) -> bool:
        """Whether anything arrived so far."""
        return self._arrivals > 0

    @property
    def silent_s(self) -> float:
        """Seconds since the last arrival, or since the beginning."""
        return self._clock() - self._last_s

    @property
    def remaining_s(self) -> float:
        """Seconds until the source is silent if nothing arrives; zero or negative if it is."""
        return self.limit_s - self.silent_s

    def note_arrival(self, media_s: float | None = None) -> None:
        """Record that a picture, or a part of one, arrived now.

        Args:
            media_s: Its time on the source's own timeline. Pictures that were held back arrive at once, so the larger
                of the two gaps counts.
        """
        now_s = self._clock()
        gap_s, self._last_s = now_s - self._last_s, now_s
        if (
            media_s is not None
            and self._last_media_s is not None
            and media_s - self._last_media_s < LONGEST_MEDIA_GAP_S
        ):
            gap_s = max(gap_s, media_s - self._last_media_s)
        self._last_media_s = media_s
        self._arrivals += 1
        if self._arrivals == 1:
            self._window_began_s = now_s
            return  # the time to the first arrival is that of connecting
        self._longest_s = max(self._longest_s, gap_s)
        self._window_arrivals += 1
        if now_s - self._window_began_s >= WINDOW_S and self._window_arrivals >= WINDOW_ARRIVALS:
            self._longest_before_s, self._longest_s = self._longest_s, 0.0
            self._window_began_s, self._window_arrivals = now_s, 0
