"""What goes to the broker next, and what became of it: the part of the publisher that knows nothing of the network.

Three kinds of messages share one window of unacknowledged messages: retained values (the last one counts; all are sent
again on each connect), messages that are worth nothing later (dropped while disconnected), and durable events from
the outbox, which leave it only with the broker's acknowledgement. An event that the broker refuses stays; where the
reason concerns its topic, the topic is left alone for a while, so that others are not held up.

It belongs to the publisher's thread, except for the queues in front of it, which are the publisher's.
"""

import json
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from appliance.messaging import faults
from appliance.messaging.outbox import Outbox
from appliance.messaging.outbox_file import Entry
from appliance.messaging.topics import LATE_AFTER_S, encode, marked_late

log = logging.getLogger(__name__)

WINDOW = 20
"""Messages sent and not yet acknowledged, at the most: more is not faster."""

REFUSED_RETRY_S = 60.0
"""How long a topic that the broker refused is left alone."""

_FETCH = 200
_OVERHEAD_BYTES = 64  # of a PUBLISH packet, generously


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message on its way. `answers` is the correlation data of an answer (MQTT 5)."""

    topic: str
    payload: bytes
    qos: int
    retain: bool = False
    answers: bytes | None = None


class Wire(Protocol):
    """A connection that messages can be put on."""

    @property
    def clogged(self) -> bool:
        """Whether bytes wait that the network does not take at present."""

    def publish(self, message: Outgoing) -> int:
        """Puts a message on the wire; returns its number, by which the acknowledgement will name it."""


class Delivery:
    """The order of messages, the window, and the acknowledgements."""

    def __init__(self, outbox: Outbox, say: Callable[[str, str | None], None]):
        """
        Args:
            outbox: Where events wait.
            say: Told of a trouble: its key, and the sentence or None when it is over.
        """
        self._outbox = outbox
        self._say = say
        self._retained: dict[str, Outgoing] = {}
        self._unsent: dict[str, None] = {}  # topics whose retained value the broker does not have
        self._sends: deque[Outgoing] = deque()
        self._fetched: deque[Entry] = deque()
        self._more = True
        self._in_flight: dict[int, Outgoing | Entry] = {}
        self._refused_until_s: dict[str, float] = {}
        self._partly_refused: set[str] = set()
        self._window = WINDOW
        self._limit_bytes: int | None = None

    def retain(self, message: Outgoing) -> None:
        """Sets a retained value; it goes out after those that were set before it."""
        self._retained.pop(message.topic, None)
        self._retained[message.topic] = message
        self._unsent.pop(message.topic, None)
        self._unsent[message.topic] = None

    def send(self, message: Outgoing) -> None:
        """Sends a message once, if that can be done now."""
        self._sends.append(message)

    def more_events(self) -> None:
        """There may be new events in the outbox."""
        self._more = True

    def connected(self, window: int | None, limit_bytes: int | None) -> None:
        """A new connection: everything retained and all that is unacknowledged goes out again.

        Args:
            window: How many unacknowledged messages the broker takes, where it says so.
            limit_bytes: The largest packet that it takes, where it says so.
        """
        self.disconnected()
        self._unsent = dict.fromkeys(self._retained)
        self._refused_until_s.clear()
        self._partly_refused.clear()
        self._window = min(WINDOW, window or WINDOW)
        self._limit_bytes = limit_bytes

    def disconnected(self) -> None:
        """Forgets what was on its way; the outbox gives events out again."""
        self._in_flight.clear()
        self._sends.clear()
        self._restart_events()

    def fill(self, wire: Wire, now_s: float) -> None:
        """Puts on the wire what has room in the window."""
        while self._sends and not wire.clogged:
            self._put(wire, self._sends.popleft())
        if wire.clogged:
            self._sends.clear()
        while self._unsent and self._room(wire):
            topic = next(iter(self._unsent))
            del self._unsent[topic]
            self._put(wire, self._retained[topic])
        self._try_refused_again(now_s)
        while self._room(wire) and (entry := self._next_event()):
            self._put_event(wire, entry)

    def acknowledged(self, number: int, code: int, name: str, now_s: float) -> None:
        """The broker answered a message: `code` is its reason code, `name` what that is called."""
        message = self._in_flight.pop(number, None)
        if message is None:
            return
        refused = code >= faults.REFUSED_FROM
        if isinstance(message, Entry):
            self._event_answered(message, code, name, now_s)
        elif message.retain:
            self._say(f"retained {message.topic}", faults.refused_topic(message.topic, name, False) if refused else None)
            if not message.payload:
                self._forget(message)

    def is_unanswered(self, topic: str) -> bool:
        """Whether the retained value of a topic is not yet with the broker."""
        return topic in self._unsent or any(message.topic == topic for message in self._in_flight.values())

    @property
    def idle(self) -> bool:
        """Whether nothing is left to send or to wait for, except what the broker refuses."""
        return not (self._in_flight or self._unsent or self._sends or self._fetched or self._more)

    def _room(self, wire: Wire) -> bool:
        return len(self._in_flight) < self._window and not wire.clogged

    def _next_event(self) -> Entry | None:
        if not self._fetched and self._more:
            self._fetched.extend(self._outbox.next_batch(_FETCH, self._refused_until_s))
            self._more = bool(self._fetched)
        return self._fetched.popleft() if self._fetched else None

    def _put_event(self, wire: Wire, entry: Entry) -> None:
        payload = entry.payload.encode()
        if (age_s := self._outbox.age_s(entry)) > LATE_AFTER_S:
            payload = encode(marked_late(json.loads(entry.payload), age_s))
        self._put(wire, Outgoing(entry.topic, payload, qos=1), entry)

    def _put(self, wire: Wire, message: Outgoing, entry: Entry | None = None) -> None:
        size_bytes = len(message.topic.encode()) + len(message.payload) + _OVERHEAD_BYTES
        if self._limit_bytes and size_bytes > self._limit_bytes:
            self._say(f"size {message.topic}", faults.too_large(message.topic, size_bytes, self._limit_bytes))
            return
        try:
            number = wire.publish(message)
        except ValueError as error:
            log.error("a message for %s cannot be sent: %s", message.topic, error)
            return
        if self._limit_bytes:
            self._say(f"size {message.topic}", None)
        if message.qos:
            self._in_flight[number] = entry or message
        elif message.retain and not message.payload:
            self._forget(message)

    def _event_answered(self, entry: Entry, code: int, name: str, now_s: float) -> None:
        if code < faults.REFUSED_FROM:
            self._outbox.acknowledge((entry.id,))
            if entry.topic not in self._partly_refused:
                self._say(f"event {entry.topic}", None)
            return
        self._say(f"event {entry.topic}", faults.refused_topic(entry.topic, name, True))
        if code in (faults.NOT_AUTHORIZED, faults.QUOTA_EXCEEDED):
            self._refused_until_s[entry.topic] = now_s + REFUSED_RETRY_S
            # What was fetched may be of this topic; it is fetched again without it.
            self._restart_events()
        else:
            # This one alone: it is tried again with the next connection.
            self._partly_refused.add(entry.topic)

    def _try_refused_again(self, now_s: float) -> None:
        due = [topic for topic, until_s in self._refused_until_s.items() if now_s >= until_s]
        for topic in due:
            del self._refused_until_s[topic]
        if due:
            self._restart_events()

    def _forget(self, cleared: Outgoing) -> None:
        if self._retained.get(cleared.topic) is cleared:
            del self._retained[cleared.topic]

    def _restart_events(self) -> None:
        self._fetched.clear()
        self._outbox.release(except_ids=[message.id for message in self._in_flight.values() if isinstance(message, Entry)])
        self._more = True
