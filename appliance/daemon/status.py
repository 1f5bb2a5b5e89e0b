"""Collect the state of the device, for T/stats and for `appliance check`."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance import __version__
from appliance.camera.capture import Capture
from appliance.collection.collector import Collector
from appliance.daemon.active_model import ActiveModel
from appliance.daemon.labeling_health import LabelingHealth
from appliance.daemon.meter import Meter, find_percentile
from appliance.daemon.pipeline import Pipeline
from appliance.messaging.device_payloads import StatsPayload
from appliance.messaging.former_topics import FormerTopicsCleaner
from appliance.messaging.outbox.outbox import Outbox
from appliance.messaging.publisher import MqttPublisher
from appliance.system.metrics import measure_free_disk_mb, measure_rss_mb, read_cpu_temp_c, read_ip_address


@dataclass(frozen=True, slots=True)
class StatusSources:
    """The parts whose state is reported.

    Attributes:
        device: The device id.
        collector: The collector; its statistics are reported while it is on.
        state_error: Why the state folder cannot be written; None if it can.
        state: The state folder, the free space of whose disk is reported.
    """

    device: str
    active: ActiveModel
    capture: Capture
    pipeline: Pipeline
    publisher: MqttPublisher
    outbox: Outbox
    meter: Meter
    health: LabelingHealth
    collector: Collector
    former_topics: FormerTopicsCleaner
    state_error: str | None = None
    state: Path = Path("/")


class Status:
    """Read the state of every part. Only one caller may use `collect_stats`; any thread may call `describe`."""

    def __init__(self, sources: StatusSources):
        """Keep references to the parts, and start to count the uptime."""
        self._sources = sources
        self._started, self._started_s = time.time(), time.monotonic()

    def collect_stats(self) -> StatsPayload:
        """Return the payload of T/stats; frames per second are measured since the previous call."""
        sources = self._sources
        times_ms, camera, health = sources.meter.inference_times_ms, sources.capture.status, sources.health.report
        return StatsPayload(
            fps=sources.meter.take_fps(),
            dropped=sources.capture.dropped,
            inference_p50_ms=find_percentile(times_ms, 50),
            inference_p95_ms=find_percentile(times_ms, 95),
            outbox_waiting=sources.outbox.waiting,
            outbox_dropped=sources.outbox.dropped,
            cpu_temp_c=read_cpu_temp_c(),
            rss_mb=measure_rss_mb(),
            uptime_s=time.monotonic() - self._started_s,
            started_s=self._started,
            runtime=sources.active.current.runtime,
            camera_state=camera.state,
            camera_restarts=camera.restarts,
            time_s=time.time(),
            unchanged_s=sources.capture.unchanged_s,
            damaged=sources.capture.damaged,
            labeling=health.state,
            labeling_errors=health.errors,
            set_aside=sources.outbox.set_aside,
            kernels=sources.active.current.kernels,
            collect=sources.collector.stats() if sources.collector.enabled else None,
            storage_error=sources.state_error or sources.outbox.error,
            disk_free_mb=measure_free_disk_mb(sources.state),
            ip_address=read_ip_address(),
        )

    def describe(self, settings: Path | None) -> dict[str, Any]:
        """Return the state of the daemon for the control socket.

        Args:
            settings: The settings file; None for the defaults.
        """
        sources = self._sources
        camera, engine, last_s = sources.capture.status, sources.pipeline.engine, sources.capture.last_frame_s
        return {
            "version": __version__,
            "device": sources.device,
            "settings": str(settings) if settings else None,
            "camera": {
                "state": camera.state,
                "reason": camera.reason,
                "description": camera.description,
                "last_frame_age_s": None if last_s is None else round(time.monotonic() - last_s, 2),
                "frame_limit_s": sources.capture.frame_limit_s,
            },
            "state_trouble": sources.state_error,
            "former_topics": sources.former_topics.leftovers,
            "labels": engine.tracker.open_labels if engine else [],
            "model": sources.active.current.identity.as_dict(),
            "runtime": sources.active.current.runtime,
            "kernels": sources.active.current.kernels,
            "input": sources.active.input_description,
            "frames": sources.meter.frames,
            "labeling_trouble": sources.health.report.reason or sources.pipeline.error,
            "broker": {"connected": sources.publisher.connected, "trouble": sources.publisher.error},
            "collect": sources.collector.describe() if sources.collector.enabled else None,
            "outbox": {
                "waiting": sources.outbox.waiting,
                "dropped": sources.outbox.dropped,
                "trouble": sources.outbox.error,
            },
        }
