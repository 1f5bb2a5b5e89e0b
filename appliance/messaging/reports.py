"""Publish the device's results over MQTT: which result goes to which topic, and how often.

The labeling thread calls this module for every frame, and the main thread calls it too. Nothing here waits for the
broker or builds a payload that is not sent: the publisher keeps retained values and durable events, and drops the rest
while there is no connection. A lock, held for a few microseconds, protects the state that both threads use.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

from appliance.bundle.identity import ModelIdentity
from appliance.errors import ApplianceError
from appliance.imaging.frame import Frame
from appliance.labeling.labels import Label
from appliance.labeling.tracker import Event, EventProgress
from appliance.messaging.device_payloads import ModelPayload, StatsPayload, UpdatePayload
from appliance.messaging.home_assistant.announcer import Announcer, Timer, start_timer
from appliance.messaging.home_assistant.discovery import MAX_WATCHED_LABELS, build_discovery
from appliance.messaging.home_assistant.published import PublishedTopics, PublishedTopicsFile
from appliance.messaging.last_frame import LastFrame
from appliance.messaging.payloads import (
    Availability,
    EventPayload,
    LabelsPayload,
    StatePayload,
    SwitchState,
    encode,
    format_number,
)
from appliance.messaging.snapshots import SnapshotRequest, SnapshotRequests
from appliance.messaging.topics import Topics, make_slugs
from appliance.settings.schema import Settings

log = logging.getLogger("appliance.mqtt")


class MessageSink(Protocol):
    """Where messages go: the publisher. No method blocks or raises."""

    def offer(self, event: dict[str, Any]) -> None:
        """Queue a durable message: {"topic", "time" (Unix time in seconds), "payload"}."""
        ...

    def retain(self, topic: str, payload: str | bytes | None, qos: int = 1) -> None:
        """Set the retained value of a topic; None clears it."""
        ...

    def send(self, topic: str, payload: str | bytes, qos: int = 0) -> None:
        """Send a message that is dropped while there is no connection."""
        ...


class Reports:
    """Turns results into messages on the device's topics."""

    def __init__(
        self,
        sink: MessageSink,
        topics: Topics,
        settings: Settings,
        boot: str,
        state_dir: Path,
        clock: Callable[[], float] = time.time,
        start_timer: Callable[[float, Callable[[], None]], Timer] = start_timer,
    ):
        """Create the reports; nothing is published before `use_model`.

        Args:
            sink: The publisher.
            topics: The device's topics.
            settings: All settings; the mqtt section, the allowed labels and the device's name are used.
            boot: The id of this program start.
            state_dir: Holds the files that record the last frame and the topics on the broker.
            clock: Returns Unix time in seconds.
            start_timer: Runs an action after a delay in seconds.
        """
        self._sink = sink
        self._topics = topics
        self._mqtt = settings.mqtt
        self._allow = settings.labeler.allow
        self._name = settings.device.name or f"Camera {topics.device}"
        self._boot = boot
        self._clock = clock
        self._lock = threading.Lock()
        self._seq = 0
        self._running = True
        self._model: ModelIdentity | None = None
        self._watched: dict[str, str] = {}
        self._on: set[str] = set()
        self._state: tuple[str | None, frozenset[str], bool] | None = None
        self._known = False  # whether there are frames
        self._camera: Availability | None = None
        self._labels_due_s = float("-inf")
        self._snapshots = SnapshotRequests(start_timer)
        self._last_frame = LastFrame(state_dir / "last-frame")
        self._published_file = PublishedTopicsFile(state_dir / "announced.json")
        self._published = self._published_file.read()
        self._announcer = Announcer(self._announce, start_timer) if self._mqtt.discovery else None

    # Called by the labeling thread.

    def use_model(self, model: ModelIdentity, labels: Sequence[str], reportable: Iterable[bool]) -> None:
        """Report the labels of this model from the next frame on; also called once at the start.

        Labels that are on stay on if the new model has them too; the topics of labels that it lacks are cleared.

        Args:
            model: The model's identity.
            labels: All labels of the model, in the order of its output.
            reportable: For each label, whether it can be reported (after allow, deny and the background label).
        """
        with self._lock:
            watched = self._select_watched(labels, reportable)
            if model == self._model and watched == self._watched:
                return
            first, self._model, self._watched = self._model is None, model, watched
            self._on &= set(labels)
            topics = {self._topics.label(slug) for slug in watched.values()}
            for topic in sorted(self._published.topics - topics - {self._topics.discovery}):
                self._sink.retain(topic, None)
            for label in watched:
                self._retain_switch(label)
            if first and not self._mqtt.snapshots:
                # A picture from when snapshots were enabled must not stay visible on the broker.
                self._sink.retain(self._topics.snapshot, None, qos=0)
            self._state = None
            if not self._on:
                self._retain_empty_state()
            self._retain_camera(self._camera or Availability.OFFLINE)
            self._update_announcement(topics)

    def allow(self, labels: Sequence[str]) -> None:
        """Give each of these labels its own topic (the setting labeler.allow) from the next `use_model` on."""
        with self._lock:
            self._allow = tuple(labels)

    def report_frame(
        self,
        frame: Frame,
        labels: Sequence[Label],
        inference_ms: float,
        events: Sequence[Event],
        open_events: Mapping[str, EventProgress],
        snapshot: Callable[[], bytes],
    ) -> None:
        """Report the result of one frame.

        Args:
            frame: The frame.
            labels: The labels that pass the filter, best first.
            inference_ms: How long the model took.
            events: The events that ended or started with the frame.
            open_events: The progress of each event that is open after the frame, by event id.
            snapshot: Encodes the frame as JPEG; called only if a snapshot is sent.
        """
        with self._lock:
            self._last_frame.note(frame.time, open_events)
            self._offer_events(events)
            if self._running and self._model:
                self._known = True
                self._send_labels(self._model, frame, labels, inference_ms)
                self._retain_state(self._model, frame.time, labels)
                self._retain_camera(Availability.ONLINE)  # after the state, which is looked at as soon as it is online
        request = self._snapshots.take()
        if request or (self._mqtt.snapshots and any(event.type == "started" for event in events)):
            self._send_snapshot(snapshot, request)

    def report_ended(self, events: Sequence[Event]) -> None:
        """Report events that ended for a reason other than a frame: a stop, a swap, or labeling turned off."""
        with self._lock:
            self._last_frame.note(self._clock(), {})
            self._offer_events(events)
            self._retain_empty_state()

    # Called by the main thread.

    def end_unfinished(self, open_events: Sequence[Mapping[str, Any]]) -> None:
        """End the events that were open when an earlier process died; called once, before the first frame.

        Args:
            open_events: The start payloads, from the outbox.
        """
        last = self._last_frame.before
        with self._lock:
            for started in map(EventPayload.from_dict, open_events):
                self._seq += 1
                ended_s, progress = (last.time_s, last.events.get(started.id)) if last else (None, None)
                ended = started.end_at_restart(ended_s, progress, self._boot, self._seq)
                # The age counts from the end of the event, so after a night without power it is delivered as late.
                self._offer(self._topics.event, ended.as_dict(), ended.ended_s)
                if started.label in self._watched:
                    self._retain_switch(started.label)

    def report_threshold(self, value: float) -> None:
        """Report the common threshold in use."""
        self._sink.retain(self._topics.threshold, format_number(value))

    def report_running(self, running: bool) -> None:
        """Report whether labeling is on; while it is off, T/state has no label."""
        with self._lock:
            self._running = running
            self._sink.retain(self._topics.running, SwitchState.ON if running else SwitchState.OFF)
            if not running:
                self._known = False
                self._retain_empty_state()

    def report_unknown(self) -> None:
        """Report that the labels are unknown until the next frame that can be labeled."""
        with self._lock:
            self._known = False
            self._retain_empty_state()

    def report_camera(self, *, online: bool) -> None:
        """Report whether the camera delivers frames; a frame that is labeled reports it by itself."""
        with self._lock:
            self._retain_camera(Availability.ONLINE if online else Availability.OFFLINE)

    def report_stats(self, payload: StatsPayload) -> None:
        """Report the statistics of the device."""
        self._sink.retain(self._topics.stats, encode(payload.as_dict()), qos=0)

    def report_model(self, payload: ModelPayload) -> None:
        """Report the installed and the latest model."""
        self._sink.retain(self._topics.model, encode(payload.as_dict()))

    def report_update(self, payload: UpdatePayload) -> None:
        """Report a step of a model update; durable."""
        self._offer(self._topics.update, payload.as_dict())

    def request_snapshot(self) -> Future[None]:
        """Request a snapshot of the next frame; the future fails with MessagingError if no frame arrives in time."""
        return self._snapshots.add()

    def handle_homeassistant_status(self, payload: bytes) -> None:
        """Announce the device again if Home Assistant has come online."""
        if self._announcer and payload == b"online":
            self._announcer.handle_homeassistant_start()

    def close(self) -> None:
        """Clear T/state and stop reporting; called after labeling has ended."""
        with self._lock:
            self._known = False
            self._retain_empty_state()
            self._retain_camera(Availability.OFFLINE)
            self._last_frame.close()
        if self._announcer:
            self._announcer.stop()
        self._snapshots.close()

    # With the lock held.

    def _select_watched(self, labels: Sequence[str], reportable: Iterable[bool]) -> dict[str, str]:
        names = zip(labels, make_slugs(labels), reportable, strict=True)
        if self._allow:
            return {label: slug for label, slug, _ in names if label in self._allow}
        if len(labels) > MAX_WATCHED_LABELS:
            return {}
        return {label: slug for label, slug, counts in names if counts}

    def _update_announcement(self, topics: set[str]) -> None:
        if self._announcer:
            topics = topics | {self._topics.discovery}
            self._announcer.announce_soon()
        elif self._topics.discovery in self._published.topics:
            self._sink.retain(self._topics.discovery, None)
        published = PublishedTopics(frozenset(topics), self._published.components if self._announcer else {})
        if published != self._published:  # avoid a write that may be slow, because it delays the next frame
            self._published = published
            self._published_file.write(published)

    def _offer_events(self, events: Sequence[Event]) -> None:
        for event in events:
            if self._model:
                self._seq += 1
                payload = EventPayload.from_event(event, self._model, self._topics.device, self._boot, self._seq)
                self._offer(self._topics.event, payload.as_dict())
            (self._on.add if event.type == "started" else self._on.discard)(event.label)
            if event.label in self._watched:
                self._retain_switch(event.label)

    def _offer(self, topic: str, payload: dict[str, Any], time_s: float | None = None) -> None:
        self._sink.offer({"topic": topic, "time": self._clock() if time_s is None else time_s, "payload": payload})

    def _retain_switch(self, label: str) -> None:
        state = SwitchState.ON if label in self._on else SwitchState.OFF
        self._sink.retain(self._topics.label(self._watched[label]), state)

    def _send_labels(self, model: ModelIdentity, frame: Frame, labels: Sequence[Label], inference_ms: float) -> None:
        if not self._mqtt.labels_per_s or frame.monotonic_s < self._labels_due_s:
            return
        # Schedule the next message from the due time, not from this frame, so that delays do not accumulate.
        interval_s = 1 / self._mqtt.labels_per_s
        behind = frame.monotonic_s - self._labels_due_s >= interval_s
        self._labels_due_s = (frame.monotonic_s if behind else self._labels_due_s) + interval_s
        payload = LabelsPayload.from_result(frame.time, frame.number, model, labels, inference_ms)
        self._sink.send(self._topics.labels, encode(payload.as_dict()))

    def _retain_state(self, model: ModelIdentity, time_s: float, labels: Sequence[Label]) -> None:
        # The state changes only with the first label or the set of labels; scores change with every frame.
        state = (labels[0].label if labels else None, frozenset(label.label for label in labels), self._known)
        if state != self._state:
            self._state = state
            payload = StatePayload.from_result(time_s, model, labels, known=self._known)
            self._sink.retain(self._topics.state, encode(payload.as_dict()))

    def _retain_camera(self, camera: Availability) -> None:
        if camera != self._camera:
            self._camera = camera
            self._sink.retain(self._topics.camera, camera)

    def _retain_empty_state(self) -> None:
        if self._model:
            self._retain_state(self._model, self._clock(), ())

    # Without the lock.

    def _send_snapshot(self, snapshot: Callable[[], bytes], request: SnapshotRequest | None) -> None:
        failure = None
        try:
            self._sink.retain(self._topics.snapshot, snapshot(), qos=0)
        except ApplianceError as error:
            failure = error
            log.warning("no snapshot was sent: %s", error)
        if request:
            request.finish(failure)

    def _announce(self) -> None:
        with self._lock:
            message = build_discovery(self._topics, self._name, dict(self._watched), self._published.components)
            components = {key: component["platform"] for key, component in message["components"].items()}
            # Removed components stay in the message until this process ends, in case Home Assistant missed one message.
            self._published = PublishedTopics(self._published.topics, components)
            self._published_file.write(self._published)
            self._sink.retain(self._topics.discovery, encode(message))
