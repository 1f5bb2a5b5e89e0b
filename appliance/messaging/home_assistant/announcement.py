"""Announce the device to Home Assistant when its labels change, and know which messages are on the broker for that.

After each announcement the states are sent again: Home Assistant ignores a state of a label that it does not know yet,
and would show the former one until the next change.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Protocol

from appliance.messaging.home_assistant.announcer import Announcer, Timer
from appliance.messaging.home_assistant.discovery import DeviceDescription, WatchedLabels, build_discovery
from appliance.messaging.home_assistant.label_entities import list_label_components
from appliance.messaging.home_assistant.published import FILE_NAME, PublishedTopics, PublishedTopicsFile, log
from appliance.messaging.topics import Topics

_SETTLE_S = 2.0  # Home Assistant needs about 0.2 s for 32 labels, and longer on a small machine
_MAX_SETTLE_S = 60.0


class AnnouncementSink(Protocol):
    """Where the announcement goes: the publisher. No method blocks or raises."""

    def retain(self, topic: str, payload: str | bytes | None, qos: int = 1) -> None:
        """Set the retained value of a topic; None clears it."""
        ...

    def is_pending(self, topic: str) -> bool:
        """Return whether the broker does not have the retained value of a topic yet."""
        ...


class Announcement:
    """The announcement of one device. Safe to use from any thread."""

    def __init__(
        self,
        sink: AnnouncementSink,
        topics: Topics,
        device: DeviceDescription,
        state_dir: Path,
        repeat_states: Callable[[], None],
        start_timer: Callable[[float, Callable[[], None]], Timer],
        *,
        enabled: bool,
    ):
        """Read which messages an earlier process left on the broker.

        Args:
            sink: The publisher.
            topics: The device's topics.
            device: What the device page shows.
            state_dir: Holds the file that records the messages on the broker.
            repeat_states: Sends the states again; called on a timer's thread.
            start_timer: Runs an action after a delay in seconds.
            enabled: Whether the device is announced (mqtt.discovery); otherwise an earlier announcement is cleared.
        """
        self._sink, self._topics, self._device = sink, topics, device
        self._repeat_states, self._start_timer = repeat_states, start_timer
        self._lock = threading.Lock()
        self._file = PublishedTopicsFile(state_dir / FILE_NAME)
        self._published = self._file.read().keep_own(topics)
        self._watched = WatchedLabels()
        self._omitted = 0
        self._announcer = Announcer(self._announce, start_timer) if enabled else None
        self._repeat: Timer | None = None

    def use_labels(self, watched: WatchedLabels, topics: Collection[str]) -> list[str]:
        """Announce other labels, at once unless the last announcement was a moment ago.

        Args:
            watched: The labels that have their own topics.
            topics: The retained topics of these labels.

        Returns:
            The topics of former labels, which must be cleared after the announcement.
        """
        with self._lock:
            self._watched = watched
            former = self._published.topics - set(topics) - {self._topics.discovery}
            if self._announcer:
                published = PublishedTopics(frozenset([*topics, self._topics.discovery]), self._published.components)
            else:
                published = PublishedTopics(frozenset(topics))
                if self._topics.discovery in self._published.topics:
                    self._sink.retain(self._topics.discovery, None)
            self._write(published)
        if self._announcer:
            self._announcer.announce_change()
        return sorted(former)

    def remove_labels(self, topics: Collection[str]) -> None:
        """Remove the entities of labels that the device no longer has, of which only these topics were left."""
        prefix = self._topics.label("")
        slugs = {topic.removeprefix(prefix) for topic in topics if topic.startswith(prefix)}
        watched = set(self._watched.slugs.values())
        removed: dict[str, str] = {}
        for slug in slugs - watched:
            removed |= list_label_components(slug)
        if not removed or not self._announcer:
            return
        with self._lock:
            self._write(PublishedTopics(self._published.topics, removed | dict(self._published.components)))
        self._announcer.announce_change()

    def handle_homeassistant_start(self) -> None:
        """Announce again after a random delay, because Home Assistant has started."""
        if self._announcer:
            self._announcer.handle_homeassistant_start()

    def stop(self) -> None:
        """Stop announcing, and cancel what is pending."""
        if self._announcer:
            self._announcer.stop()
        with self._lock:
            if self._repeat:
                self._repeat.cancel()

    def _announce(self) -> None:
        with self._lock:
            discovery = build_discovery(self._topics, self._device, self._watched, self._published.components)
            # Removed components stay in the message until this process ends, in case Home Assistant missed one message.
            self._write(PublishedTopics(self._published.topics, discovery.components))
            self._sink.retain(self._topics.discovery, discovery.payload)
            self._log_omitted(discovery.omitted)
            self._schedule_repeat(_SETTLE_S)

    def _log_omitted(self, omitted: int) -> None:
        if omitted and omitted != self._omitted:
            log.warning(
                "%d of %d labels have no entity in Home Assistant, because the announcement would be larger than 32 kB;"
                " list fewer labels in labeler.allow",
                omitted,
                len(self._watched.slugs),
            )
        self._omitted = omitted

    def _schedule_repeat(self, delay_s: float) -> None:
        if self._repeat:
            self._repeat.cancel()
        self._repeat = self._start_timer(delay_s, lambda: self._repeat_when_sent(delay_s))

    def _repeat_when_sent(self, delay_s: float) -> None:
        """Send the states again if the announcement has reached the broker, or else try again later."""
        if self._sink.is_pending(self._topics.discovery):
            with self._lock:
                self._schedule_repeat(min(2 * delay_s, _MAX_SETTLE_S))
        else:
            self._repeat_states()

    def _write(self, published: PublishedTopics) -> None:
        if published != self._published:  # avoid a write that may be slow, because it delays the next frame
            self._published = published
            self._file.write(published)

    @property
    def components(self) -> Mapping[str, str]:
        """The components announced to Home Assistant: key → platform."""
        return self._published.components
