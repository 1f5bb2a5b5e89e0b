"""Collect the state of the device, for T/stats and for `appliance check`."""

import time
from pathlib import Path
from typing import Any

from appliance import __version__
from appliance.camera.capture import Capture
from appliance.collection.collector import Collector
from appliance.daemon.active_model import ActiveModel
from appliance.daemon.meter import Meter, find_percentile
from appliance.daemon.pipeline import Pipeline
from appliance.messaging.device_payloads import StatsPayload
from appliance.messaging.outbox.outbox import Outbox
from appliance.messaging.publisher import MqttPublisher
from appliance.system.metrics import measure_rss_mb, read_cpu_temp_c


class Status:
    """Read the state of every part. Only one caller may use `collect_stats`; any thread may call `describe`."""

    def __init__(
        self,
        device: str,
        active: ActiveModel,
        capture: Capture,
        pipeline: Pipeline,
        publisher: MqttPublisher,
        outbox: Outbox,
        meter: Meter,
        collector: Collector | None,
    ):
        """Keep references to the parts, and start to count the uptime."""
        self._device = device
        self._active, self._capture, self._pipeline = active, capture, pipeline
        self._publisher, self._outbox = publisher, outbox
        self._meter, self._collector = meter, collector
        self._started, self._started_s = time.time(), time.monotonic()

    def collect_stats(self) -> StatsPayload:
        """Return the payload of T/stats; frames per second are measured since the previous call."""
        times_ms, camera = self._meter.inference_times_ms, self._capture.status
        return StatsPayload(
            fps=self._meter.take_fps(),
            dropped=self._capture.dropped,
            inference_p50_ms=find_percentile(times_ms, 50),
            inference_p95_ms=find_percentile(times_ms, 95),
            outbox_waiting=self._outbox.waiting,
            outbox_dropped=self._outbox.dropped,
            cpu_temp_c=read_cpu_temp_c(),
            rss_mb=measure_rss_mb(),
            uptime_s=time.monotonic() - self._started_s,
            started_s=self._started,
            runtime=self._active.current.runtime,
            camera_state=camera.state,
            camera_restarts=camera.restarts,
            time_s=time.time(),
            unchanged_s=self._capture.unchanged_s,
            damaged=self._capture.damaged,
            set_aside=self._outbox.set_aside,
            kernels=self._active.current.kernels,
            collect=self._collector.stats() if self._collector else None,
        )

    def describe(self, settings: Path | None) -> dict[str, Any]:
        """Return the state of the daemon for the control socket.

        Args:
            settings: The settings file; None for the defaults.
        """
        camera, engine, last_s = self._capture.status, self._pipeline.engine, self._capture.last_frame_s
        return {
            "version": __version__,
            "device": self._device,
            "settings": str(settings) if settings else None,
            "camera": {
                "state": camera.state,
                "reason": camera.reason,
                "description": camera.description,
                "last_frame_age_s": None if last_s is None else round(time.monotonic() - last_s, 2),
            },
            "labels": engine.tracker.open_labels if engine else [],
            "model": self._active.current.identity.as_dict(),
            "runtime": self._active.current.runtime,
            "frames": self._meter.frames,
            "labeling_trouble": self._pipeline.error,
            "broker": {"connected": self._publisher.connected, "trouble": self._publisher.error},
            "outbox": {
                "waiting": self._outbox.waiting,
                "dropped": self._outbox.dropped,
                "trouble": self._outbox.error,
            },
        }
