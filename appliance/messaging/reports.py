"""What the device found, said over MQTT: which result goes to which topic, and how often.

Called by the labeling thread with every frame, and by the main thread. Nothing here waits for the broker or builds a
payload that is not sent: the publisher keeps retained values and durable events, and drops the rest while there is no
connection. A lock keeps the two callers apart; it is held for some microseconds.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

from appliance.bundle.identity import ModelIdentity
from appliance.errors import ApplianceError, MessagingError
from appliance.imaging.frame import Frame
from appliance.labeling.labels import Label
from appliance.labeling.tracker import Event
from appliance.messaging import payloads as said
from appliance.messaging.home_assistant.announcer import Announcer, Timer, start_timer
from appliance.messaging.home_assistant.discovery import WATCHED_LIMIT, discovery
from appliance.messaging.home_assistant.published import PublishedTopics, read_announced, write_announced
from appliance.messaging.last_frame import LastFrame
from appliance.messaging.payloads import encode
from appliance.messaging.topics import OFF, ON, Topics, slugs
from appliance.settings.schema import Settings

log = logging.getLogger(__name__)

# A snapshot that was asked for comes with the next frame, or is refused after this.
_SNAPSHOT_LIMIT_S = 10.0


class MessageSink(Protocol):
    """Where messages go: the publisher. No method blocks or raises."""

    def offer(self, event: dict[str, Any]) -> None:
        """A durable message: {"topic", "time" (seconds since 1970 UTC), "payload"}."""

    def retain(self, topic: str, payload: str | bytes | None, qos: int = 1) -> None:
        """The topic's value from now on; None clears it."""

    def send(self, topic: str, payload: str | bytes, qos: int = 0) -> None:
        """A message that is dropped while there is no connection."""


class Reports:
    """Ties results to topics."""

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
        """Args:
        sink: The publisher.
        topics: The device's topics.
        settings: All settings; the mqtt section, the allowed labels and the device's name count here.
        boot: The id of this start of the program.
        state_dir: Where the last frame and what stands on the broker are remembered.
        clock: Seconds since 1970 UTC.
        start_timer: Calls a function after a delay.
        """
        self._sink = sink
        self._topics = topics
        self._mqtt = settings.mqtt
        self._allow = settings.labeler.allow
        self._name = settings.device.name or f"Camera {topics.device}"
        self._boot = boot
        self._clock = clock
        self._start_timer = start_timer
        self._lock = threading.Lock()
        self._seq = 0
        self._running = True
        self._model: ModelIdentity | None = None
        self._watched: dict[str, str] = {}
        self._on: set[str] = set()
        self._state: tuple[Any, ...] | None = None
        self._labels_due_s = float("-inf")
        self._snapshot: tuple[Future[None], Timer] | None = None
        self._last_frame = LastFrame(state_dir / "last-frame")
        self._announced_file = state_dir / "announced.json"
        self._before = read_announced(self._announced_file)
        self._announcer = Announcer(self._announce, start_timer) if self._mqtt.discovery else None

    # From the labeling thread.

    def model_changed(self, model: ModelIdentity, labels: Sequence[str], reportable: Iterable[bool]) -> None:
        """From the next frame on, this model labels; also called once at the start.

        Labels that are on stay on where the new model has them too; the topics of the others are cleared.

        Args:
            model: Which it is.
            labels: All its labels, in the order of its output.
            reportable: For each, whether it can be reported (allow, deny and the background label applied).
        """
        with self._lock:
            watched = self._to_watch(labels, reportable)
            if model == self._model and watched == self._watched:
                return
            first, self._model, self._watched = self._model is None, model, watched
            self._on &= set(labels)
            standing = {self._topics.label(slug) for slug in watched.values()}
            for topic in sorted(self._before.topics - standing - {self._topics.discovery}):
                self._sink.retain(topic, None)
            for label in watched:
                self._switch(label)
            if first and not self._mqtt.snapshots:
                # A picture of a time when snapshots were on must not stay where others can see it.
                self._sink.retain(self._topics.snapshot, None, qos=0)
            self._state = None
            if not self._on:
                self._tell_nothing()
            if self._announcer:
                standing.add(self._topics.discovery)
                self._announcer.changed()
            elif self._topics.discovery in self._before.topics:
                self._sink.retain(self._topics.discovery, None)
            standing_now = PublishedTopics(frozenset(standing), self._before.components if self._announcer else {})
            if standing_now != self._before:  # a disk may take its time, and frames wait for this thread
                self._before = standing_now
                write_announced(self._announced_file, self._before)

    def allow(self, labels: Sequence[str]) -> None:
        """Other labels get a topic of their own (the setting labeler.allow), from the next `model_changed` on."""
        with self._lock:
            self._allow = tuple(labels)

    def frame(
        self,
        frame: Frame,
        labels: Sequence[Label],
        inference_ms: float,
        events: Sequence[Event],
        open_peaks: Mapping[str, float],
        snapshot: Callable[[], bytes],
    ) -> None:
        """One frame was labeled.

        Args:
            frame: The frame.
            labels: What passes, best first.
            inference_ms: What the model took for it.
            events: What ended and started with it.
            open_peaks: The peak score of each event that is open after it, by the event's id.
            snapshot: Makes a JPEG of it; called only when one is sent.
        """
        with self._lock:
            self._last_frame.note(frame.time, open_peaks)
            self._tell_events(events)
            if self._running:
                self._tell_labels(frame, labels, inference_ms)
                self._tell_state(frame.time, labels)
            asked, self._snapshot = self._snapshot, None
        if asked or (self._mqtt.snapshots and any(event.type == "started" for event in events)):
            self._send_snapshot(snapshot, asked)

    def events_ended(self, events: Sequence[Event]) -> None:
        """Events were ended by something else than a frame: a stop, a swap, running off."""
        with self._lock:
            self._last_frame.note(self._clock(), {})
            self._tell_events(events)
            self._tell_nothing()

    # From the main thread.

    def end_unfinished(self, open_events: Sequence[Mapping[str, Any]]) -> None:
        """Ends the events that were open when an earlier process died; called once, before the first frame.

        Args:
            open_events: The payloads of their starts, from the outbox.
        """
        last = self._last_frame.before
        with self._lock:
            for started in open_events:
                ended_s = last.time_s if last else None
                peak = last.peaks.get(started["id"]) if last else None
                self._seq += 1
                payload = said.restart_payload(started, ended_s, peak, self._boot, self._seq)
                # Old news from the first: what ended before a night without power is delivered as late.
                self._offer(self._topics.event, payload, said.unix(payload["ended"]))
                if started["label"] in self._watched:
                    self._switch(started["label"])

    def threshold(self, value: float) -> None:
        """The common threshold in force."""
        self._sink.retain(self._topics.threshold, said.number(value))

    def running(self, running: bool) -> None:
        """Whether the device labels or was told not to; while it does not, nothing counts as seen."""
        with self._lock:
            self._running = running
            self._sink.retain(self._topics.running, ON if running else OFF)
            if not running:
                self._tell_nothing()

    def nothing_seen(self) -> None:
        """No frames come for a while (the camera is gone): T/state must not go on naming what was last seen."""
        with self._lock:
            self._tell_nothing()

    def stats(self, payload: Mapping[str, Any]) -> None:
        """How the device is doing (payloads.stats_payload)."""
        self._sink.retain(self._topics.stats, encode(payload), qos=0)

    def model(self, payload: Mapping[str, Any]) -> None:
        """Which model is installed and which is the latest (payloads.model_payload)."""
        self._sink.retain(self._topics.model, encode(payload))

    def update(self, payload: Mapping[str, Any]) -> None:
        """A step of a model update (payloads.update_payload); durable."""
        self._offer(self._topics.update, payload)

    def request_snapshot(self) -> Future[None]:
        """Asks for a snapshot of the next frame. The future fails with MessagingError when none comes."""
        with self._lock:
            if self._snapshot is None:
                asked: Future[None] = Future()
                self._snapshot = asked, self._start_timer(_SNAPSHOT_LIMIT_S, lambda: self._no_snapshot(asked))
            return self._snapshot[0]

    def homeassistant_status(self, payload: bytes) -> None:
        """What Home Assistant says of itself; after `online` the device is announced again."""
        if self._announcer and payload == b"online":
            self._announcer.homeassistant_started()

    def close(self) -> None:
        """Nothing is seen any more and nothing more will be said; called after the labeling has ended."""
        with self._lock:
            self._tell_nothing()
            asked = self._snapshot
            self._last_frame.close()
        if self._announcer:
            self._announcer.stop()
        if asked:
            future, timer = asked
            timer.cancel()
            self._no_snapshot(future)

    # With the lock held.

    def _to_watch(self, labels: Sequence[str], reportable: Iterable[bool]) -> dict[str, str]:
        names = zip(labels, slugs(labels), reportable, strict=True)
        if self._allow:
            return {label: slug for label, slug, _ in names if label in self._allow}
        return {label: slug for label, slug, counts in names if counts} if len(labels) <= WATCHED_LIMIT else {}

    def _tell_events(self, events: Sequence[Event]) -> None:
        for event in events:
            self._seq += 1
            self._offer(
                self._topics.event, said.event_payload(event, self._model, self._topics.device, self._boot, self._seq)
            )
            (self._on.add if event.type == "started" else self._on.discard)(event.label)
            if event.label in self._watched:
                self._switch(event.label)

    def _offer(self, topic: str, payload: Mapping[str, Any], time_s: float | None = None) -> None:
        self._sink.offer(
            {"topic": topic, "time": self._clock() if time_s is None else time_s, "payload": dict(payload)}
        )

    def _switch(self, label: str) -> None:
        self._sink.retain(self._topics.label(self._watched[label]), ON if label in self._on else OFF)

    def _tell_labels(self, frame: Frame, labels: Sequence[Label], inference_ms: float) -> None:
        if not self._mqtt.labels_per_s or frame.monotonic_s < self._labels_due_s:
            return
        # The next one is due by the clock, not by this frame, so that frames that come a little late do not add up.
        interval_s = 1 / self._mqtt.labels_per_s
        behind = frame.monotonic_s - self._labels_due_s >= interval_s
        self._labels_due_s = (frame.monotonic_s if behind else self._labels_due_s) + interval_s
        payload = said.labels_payload(frame.time, frame.number, self._model, labels, inference_ms)
        self._sink.send(self._topics.labels, encode(payload))

    def _tell_state(self, time_s: float, labels: Sequence[Label]) -> None:
        # What is seen has changed when the first label or the set of labels has; scores alone move with every frame.
        state = (labels[0].label if labels else None, frozenset(label.label for label in labels))
        if state != self._state:
            self._state = state
            self._sink.retain(self._topics.state, encode(said.state_payload(time_s, self._model, labels)))

    def _tell_nothing(self) -> None:
        if self._model:
            self._tell_state(self._clock(), ())

    # Without the lock.

    def _send_snapshot(self, snapshot: Callable[[], bytes], asked: tuple[Future[None], Timer] | None) -> None:
        trouble = None
        try:
            self._sink.retain(self._topics.snapshot, snapshot(), qos=0)
        except ApplianceError as error:
            trouble = error
            log.warning("no snapshot was sent: %s", error)
        if asked:
            future, timer = asked
            timer.cancel()
            if trouble:
                future.set_exception(trouble)
            else:
                future.set_result(None)

    def _no_snapshot(self, asked: Future[None]) -> None:
        with self._lock:
            if self._snapshot is None or self._snapshot[0] is not asked:
                return
            self._snapshot = None
        asked.set_exception(
            MessagingError(f"no frame came within {_SNAPSHOT_LIMIT_S:g} s: see the camera's state in T/stats")
        )

    def _announce(self) -> None:
        with self._lock:
            known, watched = self._before.components, dict(self._watched)
            message = discovery(self._topics, self._name, watched, known)
            components = {key: component["platform"] for key, component in message["components"].items()}
            # Those that are gone stay in the message while this process lives, for a Home Assistant that missed it.
            self._before = PublishedTopics(self._before.topics, components)
            write_announced(self._announced_file, self._before)
            self._sink.retain(self._topics.discovery, encode(message))
