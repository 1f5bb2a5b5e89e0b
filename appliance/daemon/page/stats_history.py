"""Keep the statistics of the last 24 hours in memory, one point a minute, for the charts of the page."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from appliance.messaging.device_payloads import StatsPayload
from appliance.system.timestamps import to_rfc3339

POINTS = 24 * 60
_INTERVAL_S = 55.0


class StatsHistory:
    """The points, oldest first. Safe to use from any thread."""

    def __init__(self, on_point: Callable[[dict[str, Any]], None] = lambda _: None):
        """Start empty.

        Args:
            on_point: Receives each new point; must not block.
        """
        self._lock = threading.Lock()
        self._points: deque[dict[str, Any]] = deque(maxlen=POINTS)
        self._kept_s = float("-inf")
        self.on_point = on_point

    def add(self, stats: StatsPayload, now_s: float | None = None) -> None:
        """Keep statistics, unless the newest point is less than a minute old.

        Args:
            stats: The payload of T/stats.
            now_s: Monotonic time in seconds.
        """
        now_s = time.monotonic() if now_s is None else now_s
        if now_s - self._kept_s < _INTERVAL_S:
            return
        point = {
            "time": to_rfc3339(time.time() if stats.time_s is None else stats.time_s),
            "fps": round(stats.fps, 2),
            "inference_ms": stats.inference_p50_ms,
            "inference_p95_ms": stats.inference_p95_ms,
            "dropped": stats.dropped,
            "damaged": stats.damaged,
            "temperature_c": stats.cpu_temp_c,
            "rss_mb": stats.rss_mb,
            "disk_free_mb": stats.disk_free_mb,
            "outbox_waiting": stats.outbox_waiting,
        }
        with self._lock:
            self._kept_s = now_s
            self._points.append(point)
        self.on_point(point)

    def points(self) -> list[dict[str, Any]]:
        """Return the points, oldest first."""
        with self._lock:
            return list(self._points)
