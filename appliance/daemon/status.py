"""How the device is doing: the figures of T/stats, and what `appliance check` asks a running daemon."""

import time
from pathlib import Path
from typing import Any

from appliance import __version__
from appliance.camera.capture import Capture
from appliance.collection.collector import Collector
from appliance.daemon.active_model import ActiveModel
from appliance.daemon.meter import Meter, percentile
from appliance.daemon.pipeline import Pipeline
from appliance.messaging.outbox.outbox import Outbox
from appliance.messaging.payloads import stats_payload
from appliance.messaging.publisher import MqttPublisher
from appliance.system.metrics import cpu_temp_c, rss_mb


class Status:
    """Looks at every part and changes none; `stats` belongs to one caller, `describe` to any thread."""

    def __init__(
        self,
        device: str,
        models: ActiveModel,
        capture: Capture,
        pipeline: Pipeline,
        publisher: MqttPublisher,
        outbox: Outbox,
        meter: Meter,
        collector: Collector | None,
    ):
        """Takes the parts; the time from now on counts as the device's uptime."""
        self._device = device
        self._models, self._capture, self._pipeline = models, capture, pipeline
        self._publisher, self._outbox = publisher, outbox
        self._meter, self._collector = meter, collector
        self._started, self._started_s = time.time(), time.monotonic()

    def stats(self) -> dict[str, Any]:
        """The payload of T/stats; frames a second count from one call to the next."""
        times, camera = self._meter.inference_ms(), self._capture.status
        payload = stats_payload(
            fps=self._meter.take_fps(),
            dropped=self._capture.dropped,
            inference_p50_ms=percentile(times, 50),
            inference_p95_ms=percentile(times, 95),
            outbox_waiting=self._outbox.waiting,
            outbox_dropped=self._outbox.dropped,
            cpu_temp_c=cpu_temp_c(),
            rss_mb=rss_mb(),
            uptime_s=time.monotonic() - self._started_s,
            started=self._started,
            runtime=self._models.current.runtime,
            camera_state=camera.state,
            camera_restarts=camera.restarts,
        )
        return payload | ({"collect": self._collector.stats()} if self._collector else {})

    def describe(self, settings: Path | None) -> dict[str, Any]:
        """What the daemon says of itself on the control socket.

        Args:
            settings: The file that its settings came from; None: the defaults.
        """
        camera, engine, last_s = self._capture.status, self._pipeline.engine, self._capture.last_frame_s
        identity = self._models.current.identity
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
            "model": identity.as_dict(),
            "runtime": self._models.current.runtime,
            "frames": self._meter.frames,
            "labeling_trouble": self._pipeline.trouble,
            "broker": {"connected": self._publisher.connected, "trouble": self._publisher.trouble},
            "outbox": {
                "waiting": self._outbox.waiting,
                "dropped": self._outbox.dropped,
                "trouble": self._outbox.trouble,
            },
        }
