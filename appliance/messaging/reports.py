"""Publish the device's results over MQTT: which result goes to which topic, and how often.

The labeling thread calls this module for every frame, and the main thread calls it too. Nothing here waits for the
broker or builds a payload that is not sent: the publisher keeps retained values and durable events, and drops the rest
while there is no connection. A lock, held for a few microseconds, protects the state that both threads use.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from appliance.bundle.identity import ModelIdentity
from appliance.imaging.frame import Frame
from appliance.labeling.labels import Label
from appliance.labeling.tracker import Event, EventProgress
from appliance.messaging.device_payloads import ModelPayload, StatsPayload, UpdatePayload
from appliance.messaging.home_assistant.announcement import Announcement
from appliance.messaging.home_assistant.announcer import Timer, start_timer
from appliance.messaging.home_assistant.description import describe_device
from appliance.messaging.label_counts import LabelCounts
from appliance.messaging.label_topics import LabelTopics, select_watched
from appliance.messaging.last_frame import LastFrame
from appliance.messaging.leftovers import select_leftovers
from appliance.messaging.payloads import (
    Availability,
    EventPayload,
    LabelsPayload,
    SwitchState,
    encode,
    format_number,
)
from appliance.messaging.snapshots import SnapshotRequests, send_snapshot
from appliance.messaging.state_topics import StateTopics
from appliance.messaging.topics import Topics
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

    def show(
        self,
        topic: str,
        jpeg: bytes,
        user_properties: Sequence[tuple[str, str]] = (),
        event_ids: Collection[str] = (),
        *,
        requested: bool = False,
    ) -> None:
        """Send a retained picture once: before the events that it belongs to if nothing else waits, else last."""
        ...

    def is_pending(self, topic: str) -> bool:
        """Return whether the broker does not have the retained value of a topic yet."""
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
        self._boot = boot
        self._clock = clock
        self._lock = threading.Lock()
        self._seq = 0
        self._running = True
        self._sends_snapshots = self._mqtt.snapshots
        self._model: ModelIdentity | None = None
        self._labels = LabelTopics(sink, topics, LabelCounts(state_dir / "today.json", clock))
        self._state = StateTopics(sink, topics)
        self._labels_per_s = self._mqtt.labels_per_s
        self._labels_due_s = float("-inf")
        self._snapshots = SnapshotRequests(start_timer)
        self._last_frame = LastFrame(state_dir / "last-frame")
        self._announcement = Announcement(
            sink, topics, describe_device(settings, topics.device), state_dir, self._repeat_states, start_timer,
            enabled=self._mqtt.discovery,
        )  # fmt: skip

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
            watched = select_watched(labels, reportable, self._allow)
            if model == self._model and watched == self._labels.watched:
                return
            first, self._model = self._model is None, model
            self._labels.use_labels(labels, watched)
            for topic in self._announcement.use_labels(watched, self._labels.list_topics()):
                self._sink.retain(topic, None)
            self._labels.publish()
            if first and not self._sends_snapshots:
                self._clear_pictures()
            self._state.forget()
            if not self._labels.has_label_on:
                self._retain_empty_state()
            self._state.retain_camera()

    def allow(self, labels: Sequence[str]) -> None:
        """Give each of these labels its own topic (the setting labeler.allow) from the next `use_model` on."""
        with self._lock:
            self._allow = tuple(labels)

    def limit_labels(self, labels_per_s: float) -> None:
        """Publish at most this many messages on T/labels per second from now on; 0 publishes none."""
        with self._lock:
            self._labels_per_s, self._labels_due_s = labels_per_s, float("-inf")

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
        started = [event for event in events if event.type == "started"]
        request = self._snapshots.take()
        jpeg = None
        if request or (started and self._sends_snapshots):
            # The picture is queued before its events, which state whether it was taken.
            jpeg = send_snapshot(self._sink, self._topics.snapshot, frame, started, snapshot, request)
        with self._lock:
            self._last_frame.note(frame.time, open_events)
            self._offer_events(events, has_picture=jpeg is not None)
            if jpeg:
                self._labels.publish_picture([event.label for event in started], jpeg)
            if self._running and self._model:
                self._state.known = True
                self._send_labels(self._model, frame, labels, inference_ms)
                self._state.retain_labels(self._model, frame.time, labels, frame.monotonic_s)
                # After the state, which is looked at as soon as the camera is online.
                self._state.retain_camera(Availability.ONLINE)

    def report_ended(self, events: Sequence[Event]) -> None:
        """Report events that ended for a reason other than a frame: a stop, a swap, or labeling turned off."""
        with self._lock:
            self._last_frame.note(self._clock(), {})
            self._offer_events(events)
            self._retain_empty_state()

    # Called by the main thread.

    def end_unfinished(self, open_events: Sequence[Mapping[str, Any]]) -> list[Event]:
        """End the events that were open when an earlier process died; called once, before the first frame.

        Args:
            open_events: The start payloads, from the outbox.

        Returns:
            The ends.
        """
        last, ends = self._last_frame.before, []
        with self._lock:
            for started in map(EventPayload.from_dict, open_events):
                self._seq += 1
                ended_s, progress = (last.time_s, last.events.get(started.id)) if last else (None, None)
                ended = started.end_at_restart(ended_s, progress, self._boot, self._seq)
                # The age counts from the end of the event, so after a night without power it is delivered as late.
                self._offer(self._topics.event, ended.as_dict(), ended.ended_s)
                self._labels.publish_switch(started.label)
                ends.append(ended.to_event())
        return ends

    def report_threshold(self, value: float) -> None:
        """Report the common threshold in use."""
        self._sink.retain(self._topics.threshold, format_number(value))

    def report_running(self, running: bool) -> None:
        """Report whether labeling is on; while it is off, T/state has no label."""
        with self._lock:
            self._running = running
            self._sink.retain(self._topics.running, SwitchState.ON if running else SwitchState.OFF)
            if not running:
                self._state.known = False
                self._retain_empty_state()

    def report_snapshots(self, on: bool) -> None:
        """Publish the pictures that start events, or not, and report that; if not, clear those on the broker."""
        with self._lock:
            if self._sends_snapshots and not on:
                self._clear_pictures()
            self._sends_snapshots = on
            self._sink.retain(self._topics.snapshots, SwitchState.ON if on else SwitchState.OFF)

    def report_collect(self, on: bool) -> None:
        """Report whether frames are collected."""
        self._sink.retain(self._topics.collect, SwitchState.ON if on else SwitchState.OFF)

    def report_unknown(self) -> None:
        """Report that the labels are unknown until the next frame that can be labeled."""
        with self._lock:
            self._state.known = False
            self._retain_empty_state()

    def report_camera(self, *, online: bool) -> None:
        """Report whether the camera delivers frames; a frame that is labeled reports it by itself."""
        with self._lock:
            self._state.retain_camera(Availability.ONLINE if online else Availability.OFFLINE)

    def clear_leftovers(self, found: Collection[str]) -> bool:
        """Clear those of the retained topics that the device no longer owns; return False if it has no labels yet."""
        with self._lock:
            if self._model is None:
                return False
            leftovers = select_leftovers(self._topics, found, {*self._topics.retained, *self._labels.list_topics()})
            self._announcement.remove_labels(leftovers)
            for topic in leftovers:
                self._sink.retain(topic, None)
        if leftovers:
            log.info("cleared %d retained topics that this device no longer publishes", len(leftovers))
        return True

    def report_stats(self, payload: StatsPayload) -> None:
        """Report the statistics of the device."""
        with self._lock:
            self._labels.begin_day()
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
        if payload == b"online":
            self._announcement.handle_homeassistant_start()

    def close(self) -> None:
        """Clear T/state and stop reporting; called after labeling has ended."""
        with self._lock:
            self._state.known = False
            self._retain_empty_state()
            self._state.retain_camera(Availability.OFFLINE)
            self._last_frame.close()
        self._announcement.stop()
        self._snapshots.close()

    # With the lock held.

    def _offer_events(self, events: Sequence[Event], *, has_picture: bool = False) -> None:
        for event in events:
            if self._model:
                self._seq += 1
                payload = EventPayload.from_event(event, self._model, self._topics.device, self._boot, self._seq)
                if event.type == "started" and (has_picture or self._sends_snapshots):
                    payload = replace(payload, snapshot=has_picture)
                self._offer(self._topics.event, payload.as_dict())
            self._labels.record(event)

    def _offer(self, topic: str, payload: dict[str, Any], time_s: float | None = None) -> None:
        self._sink.offer({"topic": topic, "time": self._clock() if time_s is None else time_s, "payload": payload})

    def _send_labels(self, model: ModelIdentity, frame: Frame, labels: Sequence[Label], inference_ms: float) -> None:
        if not self._labels_per_s or frame.monotonic_s < self._labels_due_s:
            return
        # Schedule the next message from the due time, not from this frame, so that delays do not accumulate.
        interval_s = 1 / self._labels_per_s
        behind = frame.monotonic_s - self._labels_due_s >= interval_s
        self._labels_due_s = (frame.monotonic_s if behind else self._labels_due_s) + interval_s
        payload = LabelsPayload.from_result(frame.time, frame.number, model, labels, inference_ms)
        self._sink.send(self._topics.labels, encode(payload.as_dict()))

    def _clear_pictures(self) -> None:
        # A picture from when snapshots were enabled must not stay visible on the broker.
        self._sink.retain(self._topics.snapshot, None, qos=0)
        self._labels.clear_pictures()

    def _retain_empty_state(self) -> None:
        if self._model:
            self._state.retain_labels(self._model, self._clock(), ())

    # Without the lock.

    def _repeat_states(self) -> None:
        with self._lock:
            if self._model:
                self._state.repeat()
                self._labels.publish()
