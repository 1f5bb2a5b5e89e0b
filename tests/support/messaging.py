"""Helpers for the tests of messaging: a sink in memory, timers that the test advances, and sample results."""

import json
from typing import Any

import numpy as np

from appliance.bundle.identity import ModelIdentity
from appliance.imaging.frame import Frame
from appliance.labeling.labels import Label
from appliance.labeling.tracker import Event
from appliance.messaging.device_payloads import StatsPayload

NOON = 1_767_268_800.0
"""2026-01-01 12:00:00 UTC."""

FLOWERS = ModelIdentity("flowers", "1.0.0", "ab" * 32)

STATS = StatsPayload(
    fps=4.987,
    dropped=3,
    inference_p50_ms=11.111,
    inference_p95_ms=None,
    outbox_waiting=2,
    outbox_dropped=0,
    cpu_temp_c=None,
    rss_mb=80.04,
    uptime_s=61.26,
    started_s=NOON,
    runtime="LiteRT 2.3.0",
    camera_state="streaming",
    camera_restarts=1,
)


class MemorySink:
    """A sink that keeps everything in order, as the publisher would send it over a good connection."""

    def __init__(self):
        self.messages: list[tuple[str, Any]] = []
        self.retained: dict[str, Any] = {}
        self.event_times: list[float] = []
        self.shown: list[tuple[str, dict[str, str], tuple[str, ...]]] = []

    def offer(self, event):
        assert set(event) == {"topic", "time", "payload"}
        json.dumps(event)
        self.event_times.append(event["time"])
        self.messages.append((event["topic"], event["payload"]))

    def retain(self, topic, payload, qos=1):
        self.messages.append((topic, payload))
        if payload is None:
            self.retained.pop(topic, None)
        else:
            self.retained[topic] = payload

    def show(self, topic, jpeg, user_properties=(), event_ids=(), *, requested=False):
        self.shown.append((topic, dict(user_properties), tuple(event_ids)))
        self.retain(topic, jpeg)

    def is_pending(self, topic):
        return False

    def send(self, topic, payload, qos=0):
        self.messages.append((topic, payload))

    def on(self, topic):
        """Return what was sent on a topic, in order; JSON is parsed."""
        return [_parse(payload) for seen, payload in self.messages if seen == topic]

    def last(self, topic):
        """Return the current value of a topic; JSON is parsed."""
        return _parse(self.retained[topic])


class ManualTimers:
    """Timers that fire when the test advances the time."""

    def __init__(self):
        self.now_s = 1000.0
        self._pending: list[tuple[float, Any, _Timer]] = []

    def clock(self):
        return self.now_s

    def start(self, delay_s, act):
        timer = _Timer()
        self._pending.append((self.now_s + delay_s, act, timer))
        return timer

    def advance(self, seconds):
        until = self.now_s + seconds
        while due := sorted((entry for entry in self._pending if entry[0] <= until), key=lambda entry: entry[0]):
            self._pending.remove(due[0])
            self.now_s = max(self.now_s, due[0][0])
            if not due[0][2].cancelled:
                due[0][1]()
        self.now_s = until


class _Timer:
    cancelled = False

    def cancel(self):
        self.cancelled = True


def frame(number=1, at_s=0.0):
    """Return a small frame taken `at_s` seconds after noon."""
    return Frame(np.zeros((4, 4, 3), np.uint8), NOON + at_s, 50.0 + at_s, number)


def seen(*labels):
    """Return labels with descending scores from 0.9."""
    return [Label(label, 0.9 - 0.1 * index, index) for index, label in enumerate(labels)]


def started(label, id="id-1", at_s=0.0, score=0.9):
    return Event(id, "started", label, score, score, NOON + at_s)


def ended(label, id="id-1", at_s=0.0, until_s=5.0, peak=0.95, reason=None):
    return Event(id, "ended", label, 0.6, peak, NOON + at_s, NOON + until_s, reason)


def _parse(payload):
    if isinstance(payload, bytes):
        try:
            return json.loads(payload)
        except ValueError:
            return payload
    return payload
