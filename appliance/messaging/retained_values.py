"""The retained values of the device: only the latest value of each topic counts."""

from collections.abc import Iterable

from appliance.messaging.mqtt.message import Outgoing


class RetainedValues:
    """The values by topic, and those that the broker does not have yet. Use it on the publisher's thread only."""

    def __init__(self, last_topic: str):
        """Start with no values.

        Args:
            last_topic: A topic whose value is large and rarely changes: the announcement to Home Assistant. After a
                reconnect it is sent after all others, unless its value is new.
        """
        self._last_topic = last_topic
        self._values: dict[str, Outgoing] = {}
        self._unsent: dict[str, None] = {}
        self._known: Outgoing | None = None  # the value of the last topic that the broker acknowledged
        self._catching_up = True

    def set(self, message: Outgoing) -> None:
        """Set a value; values are sent in the order in which they were set."""
        self._values.pop(message.topic, None)
        self._values[message.topic] = message
        self._unsent.pop(message.topic, None)
        self._unsent[message.topic] = None

    def __getitem__(self, topic: str) -> Outgoing:
        """Return the value of a topic."""
        return self._values[topic]

    def handle_connect(self) -> None:
        """Mark all values as unsent, for a new connection."""
        self._unsent = dict.fromkeys(self._values)
        self._catching_up = True

    @property
    def unsent(self) -> list[str]:
        """The topics whose value is to be sent, in order."""
        topics = list(self._unsent)
        if not topics:
            self._catching_up = False
        elif self._catching_up and self._last_topic in self._unsent and self._known == self._values[self._last_topic]:
            topics.remove(self._last_topic)
            topics.append(self._last_topic)
        return topics

    def is_unsent(self, topic: str) -> bool:
        """Return whether the value of a topic is to be sent."""
        return topic in self._unsent

    def note_sent(self, topic: str) -> None:
        """Note that a value was sent."""
        self._unsent.pop(topic, None)

    def mark_unsent(self, topics: Iterable[str]) -> None:
        """Send the values of these topics again."""
        self._unsent |= dict.fromkeys(topic for topic in topics if topic in self._values)

    def note_acknowledged(self, message: Outgoing) -> None:
        """Note that the broker has a value; forget the topic if the value cleared it."""
        if message.topic == self._last_topic:
            self._known = message
        current = self._values.get(message.topic)
        if not message.payload and current is not None and not current.payload:
            del self._values[message.topic]
