"""Publish the topics of each label: whether it is on, how often it started today, and its last picture.

Not thread-safe; Reports holds its lock during every call.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from appliance.labeling.tracker import Event
from appliance.messaging.home_assistant.discovery import MAX_WATCHED_LABELS, WatchedLabels
from appliance.messaging.label_counts import LabelCounts
from appliance.messaging.payloads import SwitchState
from appliance.messaging.topics import Topics, make_slugs
from appliance.system.timestamps import to_rfc3339


class RetainedSink(Protocol):
    """Where retained values go: the publisher. The method neither blocks nor raises."""

    def retain(self, topic: str, payload: str | bytes | None, qos: int = 1) -> None:
        """Set the retained value of a topic; None clears it."""
        ...

    def show(self, topic: str, jpeg: bytes) -> None:
        """Send a retained picture once, after everything else."""
        ...


class LabelTopics:
    """The topics of the labels that are watched.

    Attributes:
        watched: The labels that have their own topics.
    """

    def __init__(self, sink: RetainedSink, topics: Topics, counts: LabelCounts):
        """Start without labels.

        Args:
            sink: The publisher.
            topics: The device's topics.
            counts: How often each label started today.
        """
        self._sink, self._topics, self._counts = sink, topics, counts
        self.watched = WatchedLabels()
        self._on: set[str] = set()

    @property
    def has_label_on(self) -> bool:
        """Whether any label has started and not ended."""
        return bool(self._on)

    def list_topics(self) -> set[str]:
        """Return every retained topic that the watched labels may have."""
        topics = set(map(self._topics.label, self.watched.slugs.values()))
        if self.watched.detailed:
            for slug in self.watched.slugs.values():
                topics |= {self._topics.today(slug), self._topics.last_seen(slug), self._topics.picture(slug)}
        return topics

    def use_labels(self, labels: Sequence[str], watched: WatchedLabels) -> None:
        """Use the labels of another model; labels that are on stay on if the new model has them too."""
        self.watched = watched
        self._on &= set(labels)
        if watched.detailed:
            self._counts.keep(labels)

    def publish(self) -> None:
        """Publish the states of all watched labels."""
        for label in self.watched.slugs:
            self.publish_switch(label)
            self._publish_today(label)

    def publish_switch(self, label: str) -> None:
        """Publish whether a label is on, if it is watched."""
        if slug := self.watched.slugs.get(label):
            self._sink.retain(self._topics.label(slug), SwitchState.ON if label in self._on else SwitchState.OFF)

    def record(self, event: Event) -> None:
        """Publish what an event changes."""
        if event.type == "started":
            self._on.add(event.label)
        else:
            self._on.discard(event.label)
        self.publish_switch(event.label)
        if not self.watched.detailed or event.label not in self.watched.slugs:
            return
        if event.type == "started":
            self._counts.record_start(event.label, event.started)
        elif event.ended is not None:
            self._counts.record_end(event.label, event.ended)
        self._publish_today(event.label)

    def begin_day(self) -> None:
        """Publish counts of 0 when the local date has changed."""
        if self.watched.detailed and self._counts.begin_day():
            for label in self.watched.slugs:
                self._publish_today(label)

    def publish_picture(self, labels: Iterable[str], jpeg: bytes) -> None:
        """Publish a picture as the last one of the labels that started with it."""
        for label in labels:
            if self.watched.detailed and (slug := self.watched.slugs.get(label)):
                self._sink.show(self._topics.picture(slug), jpeg)

    def clear_pictures(self) -> None:
        """Clear the last pictures, because snapshots are off."""
        if self.watched.detailed:
            for slug in self.watched.slugs.values():
                self._sink.retain(self._topics.picture(slug), None, qos=0)

    def _publish_today(self, label: str) -> None:
        if not self.watched.detailed:
            return
        slug, seen_s = self.watched.slugs[label], self._counts.last_seen_s(label)
        self._sink.retain(self._topics.today(slug), str(self._counts.count(label)), qos=0)
        if seen_s is not None:
            self._sink.retain(self._topics.last_seen(slug), to_rfc3339(seen_s), qos=0)


def select_watched(labels: Sequence[str], reportable: Iterable[bool], allow: Collection[str]) -> WatchedLabels:
    """Return the labels that have their own topics: the allowed ones, or all that can be reported if they are few.

    Args:
        labels: All labels of the model, in the order of its output.
        reportable: For each label, whether it can be reported.
        allow: The setting labeler.allow; empty for all labels.
    """
    names = zip(labels, make_slugs(labels), reportable, strict=True)
    is_small = len(labels) <= MAX_WATCHED_LABELS
    if allow:
        return WatchedLabels({label: slug for label, slug, _ in names if label in allow}, is_small)
    if not is_small:
        return WatchedLabels()
    return WatchedLabels({label: slug for label, slug, counts in names if counts}, is_small)
