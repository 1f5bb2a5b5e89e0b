"""Pictures that wait to be sent: before their event if nothing else waits, else after everything else.

Of the pictures to one topic, only the newest is sent after a delay. A picture that was sent is not sent again.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from appliance.messaging.mqtt.message import Outgoing

FRESH_S = 2.0
"""A picture that waited longer than this does not precede its event, because something is in the way."""

_MAX_OF_TOPIC = 4
_MAX_SHOWN = 100


@dataclass(frozen=True, slots=True)
class PictureMessage:
    """A picture to send.

    Attributes:
        message: The message.
        events: The ids of the events that start with it.
        requested: Whether a person waits for it, so that it is sent even if that takes long.
    """

    message: Outgoing
    events: frozenset[str] = frozenset()
    requested: bool = False


@dataclass(frozen=True, slots=True)
class _Waiting:
    picture: PictureMessage
    since_s: float


class PictureQueue:
    """The pictures that wait. All times are monotonic."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[_Waiting]] = {}  # by topic, oldest first
        self._shown: dict[str, None] = {}

    def add(self, picture: PictureMessage, now_s: float) -> None:
        """Add a picture."""
        of_topic = self._waiting.setdefault(picture.message.topic, [])
        of_topic.append(_Waiting(picture, now_s))
        del of_topic[:-_MAX_OF_TOPIC]

    def remove(self, topic: str) -> None:
        """Forget the pictures that wait for a topic, because it has another value now."""
        self._waiting.pop(topic, None)

    def find(self, event_id: str, now_s: float) -> PictureMessage | None:
        """Return the picture of an event, unless it is no longer fresh."""
        for of_topic in self._waiting.values():
            for waiting in of_topic:
                if event_id in waiting.picture.events:
                    return waiting.picture if now_s - waiting.since_s <= FRESH_S else None
        return None

    def iterate_newest(self) -> Iterator[PictureMessage]:
        """Yield the newest picture of each topic."""
        for of_topic in list(self._waiting.values()):
            yield of_topic[-1].picture

    def note_sent(self, picture: PictureMessage, *, shown: bool = True) -> None:
        """Forget a picture that was sent (or, unless `shown`, cannot be sent), and older ones of its topic."""
        if shown:
            self._shown |= dict.fromkeys(picture.events)
            while len(self._shown) > _MAX_SHOWN:
                del self._shown[next(iter(self._shown))]
        topic = picture.message.topic
        of_topic = self._waiting.pop(topic, [])
        index = next((index for index, waiting in enumerate(of_topic) if waiting.picture is picture), -1)
        if newer := of_topic[index + 1 :]:
            self._waiting[topic] = newer

    def is_shown(self, event_id: str) -> bool:
        """Return whether the picture of an event was sent on this connection."""
        return event_id in self._shown

    def handle_disconnect(self) -> None:
        """Keep only the newest picture of each topic, which is sent after everything else."""
        self._shown.clear()
        for topic, of_topic in self._waiting.items():
            self._waiting[topic] = [_Waiting(of_topic[-1].picture, float("-inf"))]
