"""Publish the statistics (T/stats) at regular intervals."""

import time
from collections.abc import Callable

from appliance.messaging.device_payloads import StatsPayload

STATS_EVERY_S = 60.0
FIRST_STATS_S = 5.0
SOON_S = 1.0


class StatsTimer:
    """Publish the statistics every 60 s, and soon after an important change."""

    def __init__(
        self,
        publish: Callable[[StatsPayload], None],
        clock: Callable[[], float] = time.monotonic,
    ):
        """Start the interval; the first statistics are due after 5 s.

        Args:
            publish: Sends the payload of T/stats.
            clock: Returns monotonic time in seconds.
        """
        self._publish = publish
        self._clock = clock
        self._due_s = clock() + FIRST_STATS_S

    def request_soon(self) -> None:
        """Make the statistics due within one second; callable from any thread."""
        self._due_s = min(self._due_s, self._clock() + SOON_S)

    def poll(self, collect_stats: Callable[[], StatsPayload]) -> None:
        """Publish the statistics if they are due; called about once a second.

        Args:
            collect_stats: Returns the payload of T/stats.
        """
        if self._clock() >= self._due_s:
            self._due_s = self._clock() + STATS_EVERY_S
            self._publish(collect_stats())
