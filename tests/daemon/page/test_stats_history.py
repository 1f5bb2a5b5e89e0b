"""The statistics of the last 24 hours."""

from dataclasses import replace

from appliance.daemon.page.stats_history import POINTS, StatsHistory
from appliance.messaging.device_payloads import StatsPayload


def make_stats(fps=5.0):
    return StatsPayload(
        fps=fps, dropped=1, inference_p50_ms=2.0, inference_p95_ms=3.0, outbox_waiting=4, outbox_dropped=0,
        cpu_temp_c=40.0, rss_mb=100.0, uptime_s=1.0, started_s=0.0, runtime="r", camera_state="streaming",
        camera_restarts=0,
    )  # fmt: skip


def test_one_point_a_minute_is_kept_for_a_day():
    passed = []
    history = StatsHistory(passed.append)
    for second in range(0, (POINTS + 10) * 60, 30):
        history.add(replace(make_stats(), dropped=second), second)
    points = history.points()
    assert len(points) == POINTS and len(passed) == POINTS + 10 and points[-1] == passed[-1]
    assert {"time", "fps", "inference_ms", "temperature_c", "rss_mb", "disk_free_mb", "outbox_waiting"} <= set(
        points[0]
    )
