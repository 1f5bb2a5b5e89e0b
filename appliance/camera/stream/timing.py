"""Timing of streams: whether key frames suffice for the wanted rate, and when a frame that came early is due."""

import time
from collections import deque

# Most cameras send a key frame at least this often, so at lower rates the first interval is not awaited.
USUAL_KEY_INTERVAL_S = 2.0
_REMEMBERED_INTERVALS = 4
_TOLERANCE_S = 0.01  # timestamps are rounded
# No live stream is further ahead of the clock than a server's buffer; what is further is a file.
LIVE_LEAD_S = 2.0
SHORT_FILE_S = 0.5
LONGEST_LEAD_S = 60.0  # a larger one is a jump of the timestamps


class KeyFrameSchedule:
    """Decides whether to decode only key frames, because the wanted period is not shorter than their interval.

    All other frames of most codecs can be decoded only after those before them, so they are needed at a higher rate.
    """

    def __init__(self, fps: float):
        """Start a schedule for a maximum of `fps` frames per second."""
        self._period_s = 1 / fps
        self._last_key_s: float | None = None
        self._intervals_s: deque[float] = deque(maxlen=_REMEMBERED_INTERVALS)
        self.is_key_only = False

    def note_key_frame(self, time_s: float) -> None:
        """Record a key frame; afterwards `is_key_only` is valid until the next one.

        Args:
            time_s: Its time on any steady timeline.
        """
        if self._last_key_s is not None and time_s > self._last_key_s:
            self._intervals_s.append(time_s - self._last_key_s)
        self._last_key_s = time_s
        longest_s = max(self._intervals_s, default=USUAL_KEY_INTERVAL_S)
        self.is_key_only = self._period_s >= longest_s - _TOLERANCE_S


class Pace:
    """Determines how long to hold back packets of a source that sends faster than in real time."""

    def __init__(self, is_playlist: bool):
        """Start with the first packet.

        Args:
            is_playlist: Whether the source sends whole segments (HLS), so that even a live one is ahead of the clock.
        """
        self._free_lead_s = 0.0 if is_playlist else LIVE_LEAD_S
        self._is_playlist = is_playlist
        self._offset_s: float | None = None  # between the stream's timeline and the clock
        self._is_ahead = is_playlist
        self._first: tuple[float, float] | None = None  # the clock and the stream's timeline at the first packet
        self._last_s: float | None = None

    @property
    def is_file(self) -> bool:
        """Whether the source turned out to be a file: it came faster than in real time."""
        if self._is_playlist or self._first is None or self._last_s is None:
            return False
        took_s = time.monotonic() - self._first[0]
        return self._is_ahead or self._last_s - self._first[1] > 2 * took_s + SHORT_FILE_S

    @property
    def rest_s(self) -> float:
        """How long a file that has ended would still last in real time; at least a moment."""
        if self._first is None or self._last_s is None:
            return SHORT_FILE_S
        return max(SHORT_FILE_S, self._last_s - self._first[1] - (time.monotonic() - self._first[0]))

    def wait_s(self, time_s: float | None) -> float:
        """Return how long to hold back the packet with this presentation time; zero for a live stream."""
        if time_s is None:
            return 0.0
        now_s = time.monotonic()
        self._last_s = time_s
        self._first = self._first or (now_s, time_s)
        if self._offset_s is None:
            self._offset_s = now_s - time_s
        lead_s = time_s + self._offset_s - now_s
        if lead_s < 0 or lead_s > LONGEST_LEAD_S:
            self._offset_s = now_s - time_s
            return 0.0
        if not self._is_ahead and lead_s > self._free_lead_s:
            self._is_ahead = True
            self._offset_s = now_s - time_s
            return 0.0
        return lead_s if self._is_ahead else 0.0
