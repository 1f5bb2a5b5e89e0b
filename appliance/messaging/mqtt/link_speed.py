"""Estimate from acknowledgments how fast the link to the broker is, to decide whether it can carry a picture.

Kernels and proxies accept far more bytes than a slow link has carried, so only an acknowledgment shows what has
arrived. The rate over the time in which something was unacknowledged is a lower bound of the link's speed; it counts
only over many bytes, because a few pass through any link at once. As long as there is no sign of a slow link, a large
message is also allowed as a probe.
"""

SLOW_S = 2.0
"""An acknowledgment that takes at least this long shows that the link or the broker is slow."""

_CARRY_S = 3.0  # a message that takes no longer than this may precede events
_MIN_SAMPLE_BYTES = 2048
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 300.0, 3600.0


class LinkSpeed:
    """The speed of the link, which outlasts a connection. All times are monotonic.

    Attributes:
        is_slow: Whether the last acknowledgment was slow.
    """

    def __init__(self) -> None:
        self.is_slow = False
        self._bytes_per_s = 0.0
        self._is_answered = False
        self._sent = self._confirmed = 0
        self._base, self._since_s = 0, 0.0
        self._large_until = 0  # the position after the last large message
        self._large_s = 0.0  # when it was sent
        self._probe_at_s = float("-inf")
        self._pause_s = _FIRST_PAUSE_S

    def handle_connect(self) -> None:
        """Start counting for a new connection; keep what is known about the link."""
        self._sent = self._confirmed = self._large_until = 0

    def note_sent(self, size_bytes: int, now_s: float, *, large: bool = False) -> int:
        """Count a message; return the position of its end among all bytes sent."""
        if self._confirmed == self._sent:
            self._base, self._since_s = self._sent, now_s
        self._sent += size_bytes
        if large:
            self._large_until, self._large_s = self._sent, now_s
        return self._sent

    def note_answer(self, position: int, sent_s: float, now_s: float) -> None:
        """Note the acknowledgment of a message.

        Args:
            position: The value that `note_sent` returned for it.
            sent_s: When it was sent.
            now_s: The current time.
        """
        if position <= self._confirmed:
            return
        self._confirmed, self._is_answered = position, True
        self.is_slow = now_s - sent_s >= SLOW_S
        if self.is_slow:
            self._bytes_per_s = 0.0
            self._postpone_probe(now_s)
        elif position - self._base >= _MIN_SAMPLE_BYTES:
            rate = (position - self._base) / max(now_s - self._since_s, 1e-6)
            self._bytes_per_s = max(self._bytes_per_s, rate)
            if position >= self._large_until > self._base:
                self._pause_s = _FIRST_PAUSE_S

    def can_carry(self, size_bytes: int, now_s: float) -> bool:
        """Return whether a large message is likely to arrive soon enough not to delay events."""
        if size_bytes <= self._bytes_per_s * _CARRY_S:
            return True
        return self._is_answered and not self.is_slow and now_s >= self._probe_at_s

    def handle_disconnect(self, now_s: float) -> None:
        """Note the end of the connection; a large message that did not arrive in time was too much for the link."""
        if self._large_until > self._confirmed and now_s - self._large_s >= SLOW_S:
            self._bytes_per_s = 0.0
            self._postpone_probe(now_s)

    def _postpone_probe(self, now_s: float) -> None:
        if now_s >= self._probe_at_s:
            self._probe_at_s = now_s + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
