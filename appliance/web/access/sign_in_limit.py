"""Limit failed sign-ins: 10 a minute for each address, then none for the rest of that minute."""

import ipaddress
import threading
import time
from collections import deque
from collections.abc import Callable

MAX_FAILURES, WINDOW_S = 10, 60.0
_MAX_ADDRESSES = 1000


class SignInLimit:
    """Counts failures by address; an IPv6 network of /64 counts as one address. Safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        """Start without failures.

        Args:
            clock: Returns monotonic time in seconds.
        """
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: dict[str, deque[float]] = {}

    def is_exceeded(self, address: str) -> bool:
        """Return whether an address has failed too often in the last minute."""
        with self._lock:
            return len(self._recent(_group(address))) >= MAX_FAILURES

    def record_failure(self, address: str) -> None:
        """Count a failure."""
        with self._lock:
            group = _group(address)
            recent = self._recent(group)
            if len(recent) >= MAX_FAILURES:
                return
            while group not in self._failures and len(self._failures) >= _MAX_ADDRESSES:
                del self._failures[next(iter(self._failures))]
            recent.append(self._clock())
            self._failures[group] = recent

    def _recent(self, group: str) -> deque[float]:
        times, since_s = self._failures.get(group, deque()), self._clock() - WINDOW_S
        while times and times[0] <= since_s:
            times.popleft()
        return times


def _group(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
