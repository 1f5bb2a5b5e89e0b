"""What goes to the broker next, and what became of it: the part of the publisher that knows nothing of the network.

Three kinds of messages share one window of unacknowledged messages: retained values (the last one counts; all are sent
again on each connect), messages that are worth nothing later (dropped while disconnected), and durable events from
the outbox, which leave it only with the broker's acknowledgement. A message that the broker refuses stays; its topic
is left alone for a while (refusals.py), so that others are not held up.

Some brokers close the connection instead of, or right after, refusing (mosquitto 2.0 does both), and then nobody knows which
of the messages on their way it was. So topics go on trial: the first message of a connection is sent alone and with an
acknowledgement, which counts only if the connection then stands for a moment. The topics of events are always tried,
the others after a connection that was short.
"""

import json
import logging
from collections import deque
from dataclasses import replace

from appliance.messaging.mqtt import errors as faults
from appliance.messaging.mqtt.message import Outgoing, Wire
from appliance.messaging.outbox.file import OutboxEvent
from appliance.messaging.outbox.outbox import Outbox
from appliance.messaging.payloads import LATE_AFTER_S, encode, marked_late
from appliance.messaging.refused_topics import RefusedTopics, Say

log = logging.getLogger(__name__)

WINDOW = 20
"""Messages sent and not yet acknowledged, at the most: more is not faster."""

_QUIET_S = 0.05  # after the answer to a trial: a broker that closes the connection does it within this
_SENDS_AT_MOST = 200
_FETCH = 200
_OVERHEAD_BYTES = 64  # of a PUBLISH packet, generously


class Delivery:
    """The order of messages, the window, and the acknowledgements. Belongs to the publisher's thread."""

    def __init__(self, outbox: Outbox, say: Say, refused_s: float):
        """Args:
        outbox: Where events wait.
        say: Told of a trouble: its key, and the sentence or None when it is over.
        refused_s: How long a topic that the broker refused is left alone.
        """
        self._outbox = outbox
        self._say = say
        self._refusals = RefusedTopics(say, refused_s)
        self._retained: dict[str, Outgoing] = {}
        self._unsent: dict[str, None] = {}  # topics whose retained value the broker does not have
        self._sends: deque[Outgoing] = deque(maxlen=_SENDS_AT_MOST)
        self._fetched: deque[OutboxEvent] = deque()
        self._more = True
        self._in_flight: dict[int, Outgoing | OutboxEvent] = {}
        self._window = WINDOW
        self._limit_bytes: int | None = None
        self._oversized: str | None = None
        self._careful = False
        self._tried: set[str] = set()
        self._trial: str | None = None
        self._quiet_until_s: float | None = None
        self._taken_on_trial: OutboxEvent | None = None

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

    def connected(self, window: int | None, limit_bytes: int | None, careful: bool) -> None:
        """A new connection: everything retained and all that is unacknowledged goes out again.

        Args:
            window: How many unacknowledged messages the broker takes, where it says so.
            limit_bytes: The largest packet that it takes, where it says so.
            careful: The connection before was short, and nobody knows why: put each topic on trial.
        """
        self._refusals.reconnected()
        self._unsent = dict.fromkeys(self._retained)
        self._window = min(WINDOW, window or WINDOW)
        self._limit_bytes = limit_bytes
        self._careful = careful
        self._tried.clear()
        self._say("single", None)
        self._say("size", None)

    def disconnected(self, code: int, now_s: float) -> bool:
        """Forgets what was on its way; the outbox gives events out again.

        Args:
            code: The reason code of the end.
            now_s: Monotonic.

        Returns:
            Whether it is known, and said, which message was the reason.
        """
        explained = self._refusals.explain(self._trial, code, now_s)
        self._trial = self._quiet_until_s = self._taken_on_trial = None
        self._in_flight.clear()
        self._sends.clear()
        self._restart_events()
        return explained

    def settled(self) -> None:
        """The connection has lasted: with the next one, refused topics are tried at once."""
        self._refusals.settled()

    def fill(self, wire: Wire, now_s: float) -> None:
        """Puts on the wire what has room in the window."""
        if self._trial_goes_on(now_s):
            return
        for topic in self._refusals.due(now_s):
            self._tried.discard(topic)
            if topic in self._retained:
                self._unsent[topic] = None
            self._restart_events()
        if wire.clogged:
            self._sends.clear()
        while self._sends:
            if not self._may_put(self._sends[0].topic, wire):
                return
            self._put(wire, self._sends.popleft())
        for topic in list(self._unsent):
            if not self._may_put(topic, wire):
                return
            del self._unsent[topic]
            self._put(wire, self._retained[topic])
        while entry := self._next_event():
            if not self._may_put(entry.topic, wire, durable=True):
                return
            self._put_event(wire, self._fetched.popleft())

    def acknowledged(self, number: int, code: int, name: str, now_s: float) -> None:
        """The broker answered a message: `code` is its reason code, `name` what that is called."""
        message = self._in_flight.pop(number, None)
        if message is None:
            return
        if self._trial == message.topic:
            self._quiet_until_s = now_s + _QUIET_S
        if code >= faults.REFUSED_FROM:
            self._refused(message, code, name, now_s)
            return
        self._refusals.taken(message.topic)
        if isinstance(message, OutboxEvent) and self._trial == message.topic:
            self._taken_on_trial = message
        elif isinstance(message, OutboxEvent):
            self._outbox.acknowledge((message.id,))
        elif message.retain and not message.payload:
            self._forget(message)

    def is_unanswered(self, topic: str) -> bool:
        """Whether the retained value of a topic is not yet with the broker."""
        return topic in self._unsent or any(message.topic == topic for message in self._in_flight.values())

    @property
    def idle(self) -> bool:
        """Whether nothing is left to send or to wait for, except what the broker refuses."""
        return not (self._in_flight or self._unsent or self._sends or self._fetched or self._more or self._trial)

    @property
    def next_s(self) -> float:
        """When `fill` is worth calling again although nothing happened (monotonic)."""
        return self._quiet_until_s or float("inf")

    def _trial_goes_on(self, now_s: float) -> bool:
        if self._trial is None:
            return False
        if self._quiet_until_s is None or now_s < self._quiet_until_s:
            return True
        self._tried.add(self._trial)
        self._refusals.passed(self._trial)
        if self._taken_on_trial:
            self._outbox.acknowledge((self._taken_on_trial.id,))
        self._trial = self._quiet_until_s = self._taken_on_trial = None
        return False

    def _may_put(self, topic: str, wire: Wire, durable: bool = False) -> bool:
        room = self._trial is None and len(self._in_flight) < self._window and not wire.clogged
        return room and not (self._in_flight and self._on_trial(topic, durable))

    def _on_trial(self, topic: str, durable: bool) -> bool:
        return topic not in self._tried and (durable or self._careful or self._refusals.is_suspect(topic))

    def _next_event(self) -> OutboxEvent | None:
        if not self._fetched and self._more:
            self._fetched.extend(self._outbox.next_batch(_FETCH, self._refusals.paused))
            self._more = bool(self._fetched)
        return self._fetched[0] if self._fetched else None

    def _put_event(self, wire: Wire, entry: OutboxEvent) -> None:
        payload = entry.payload.encode()
        if (age_s := self._outbox.age_s(entry)) > LATE_AFTER_S:
            payload = encode(marked_late(json.loads(entry.payload), age_s))
        self._put(wire, Outgoing(entry.topic, payload, qos=1), entry)

    def _put(self, wire: Wire, message: Outgoing, entry: OutboxEvent | None = None) -> None:
        if message.topic in self._refusals.paused:
            return
        size_bytes = len(message.topic.encode()) + len(message.payload) + _OVERHEAD_BYTES
        if self._limit_bytes and size_bytes > self._limit_bytes:
            self._oversized = message.topic
            self._say("size", faults.too_large(message.topic, size_bytes, self._limit_bytes))
            return
        if message.topic == self._oversized:
            self._oversized = None
            self._say("size", None)
        if self._on_trial(message.topic, durable=entry is not None):
            self._trial, message = message.topic, replace(message, qos=1)
        try:
            number = wire.publish(message)
        except ValueError as error:
            log.error("a message for %s cannot be sent: %s", message.topic, error)
            self._trial = None
            return
        if message.qos:
            self._in_flight[number] = entry or message
        elif message.retain and not message.payload:
            self._forget(message)

    def _refused(self, message: Outgoing | OutboxEvent, code: int, name: str, now_s: float) -> None:
        if code not in (faults.NOT_AUTHORIZED, faults.QUOTA_EXCEEDED) and isinstance(message, OutboxEvent):
            # Not its topic is refused but this one alone: it is tried again with the next connection.
            self._say("single", faults.refused_message(message.topic, name))
            return
        self._refusals.refused(message.topic, name, now_s, durable=isinstance(message, OutboxEvent))
        # What was fetched may be of this topic; it is fetched again without it.
        self._restart_events()

    def _forget(self, cleared: Outgoing) -> None:
        current = self._retained.get(cleared.topic)
        if current is not None and not current.payload:
            del self._retained[cleared.topic]

    def _restart_events(self) -> None:
        self._fetched.clear()
        held = [*self._in_flight.values(), self._taken_on_trial]
        self._outbox.release(except_ids=[message.id for message in held if isinstance(message, OutboxEvent)])
        self._more = True
