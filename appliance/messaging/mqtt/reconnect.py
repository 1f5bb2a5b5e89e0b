"""Keep one connection to the broker: decide when to connect, how long to wait, and what to report.

Only the steps that can block (name lookup, TCP and TLS) run on a short-lived thread for each attempt, so that a slow
network does not delay writing events to the outbox. After a failure, the wait before the next attempt is 1 s and
doubles up to 30 s, with jitter. Only a stable connection resets the back-off, so that two clients with the same id do
not disconnect each other in a tight loop.

A condition is logged once when it begins. The next connection resolves it, except after a takeover or a series of short
connections: only a stable connection resolves those.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from appliance.messaging.mqtt import errors
from appliance.messaging.mqtt.conditions import ConditionLog
from appliance.messaging.mqtt.message import INVALID_PACKET_CODE, Reason
from appliance.settings.schema import MqttSettings
from appliance.system.backoff import BackOff

log = logging.getLogger("appliance.mqtt")

_FLAPPING = 3  # connections in a row that ended before they were stable
_KEY = "connection"


@dataclass(frozen=True, slots=True)
class ConnectionTimeouts:
    """The waiting times of the publisher.

    Attributes:
        first_s, longest_s: The wait between attempts to connect, doubling from first to longest, with jitter.
        answer_s: How long to wait for the broker to accept TCP, and to answer CONNECT.
        stable_s: A connection that is at least this old is stable.
        refused_s: How long to wait before a topic that the broker refused is tried again on the same connection.
        silent_s: How long to wait for the acknowledgment of a message or a subscription.
    """

    first_s: float = 1.0
    longest_s: float = 30.0
    answer_s: float = 10.0
    stable_s: float = 30.0
    refused_s: float = 60.0
    silent_s: float = 60.0


class AwaitedPacket(StrEnum):
    """A packet with which the broker acknowledges something."""

    PUBACK = "PUBACK"
    SUBACK = "SUBACK"


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """The broker and the client's identity, for error messages. `will_topic` is the topic of the will."""

    settings: MqttSettings
    broker: str
    client_id: str
    will_topic: str
    device: str


class BrokerConnection(Protocol):
    """An open connection on which CONNECT was sent."""

    error_text: str

    def close(self, *, farewell: bool) -> None:
        """Close the connection: with DISCONNECT (no will), or by closing the socket (the broker publishes the will)."""


C = TypeVar("C", bound=BrokerConnection)


class BrokerLink(Generic[C]):
    """The current connection, or the attempts to open one. Use it on the publisher's thread only.

    Attributes:
        connection: The open connection, even if the broker has not accepted it yet; None while there is none.
        connected: Whether the broker has accepted the connection.
        connecting: Whether an attempt is running.
        connect_at_s: When the next attempt is due (monotonic).
    """

    def __init__(
        self,
        open_connection: Callable[[], C],
        address: BrokerAddress,
        timeouts: ConnectionTimeouts,
        conditions: ConditionLog,
        *,
        wake: Callable[[], None],
        count_waiting: Callable[[], int],
        on_disconnect: Callable[[Reason | None, bool], bool],
        on_stable: Callable[[], None],
    ):
        """Create the link; `poll` starts the first attempt.

        Args:
            open_connection: Called on a separate thread; may block and raise.
            address: The broker to connect to.
            timeouts: The waiting times.
            conditions: Receives the conditions.
            wake: Wakes the publisher's thread; called from any thread.
            count_waiting: Returns the number of events in the outbox, for the log.
            on_disconnect: Called when a connection has ended, with the reason (None if the device closed it) and
                whether the connection was short; returns whether the cause is known and was reported.
            on_stable: Called when a connection has become stable.
        """
        self.connection: C | None = None
        self.connected = False
        self.connect_at_s = 0.0
        self.connecting = False
        self._open, self._address, self._timeouts, self._conditions = open_connection, address, timeouts, conditions
        self._wake, self._count_waiting = wake, count_waiting
        self._on_disconnect, self._on_stable = on_disconnect, on_stable
        self._back_off = BackOff(timeouts.first_s, timeouts.longest_s, limit_s=timeouts.longest_s)
        self._results: deque[C | Exception] = deque()
        self._since_s = 0.0
        self._short_lives = 0
        self._unstable = False
        self._needs_proof: AwaitedPacket | None = None  # what the broker has not sent for a long time
        self._is_proven = True
        self._alert: str | None = None
        self._closed = threading.Event()

    def poll(self, now_s: float) -> None:
        """Advance the connection: take over finished attempts, start the next one, time out a silent broker."""
        while self._results:
            self._adopt(self._results.popleft(), now_s)
        if self.connection is None:
            if not self.connecting and not self._closed.is_set() and now_s >= self.connect_at_s:
                self.connecting = True
                threading.Thread(target=self._connect, name="broker-connect", daemon=True).start()
        elif self.connected:
            self._check_stable(now_s - self._since_s)
        elif now_s >= self._since_s + self._timeouts.answer_s:
            self.schedule_retry(errors.describe_unanswered(self._address.broker))

    def handle_connack(self, now_s: float) -> None:
        """Note that the broker has accepted CONNECT."""
        self.connected, self._since_s, self._is_proven = True, now_s, self._needs_proof is None
        if not self._unstable:
            self._log_connected()

    def handle_refusal(self, reason: Reason) -> None:
        """Note that the broker has refused CONNECT."""
        to = self._address
        self.schedule_retry(
            errors.describe_refused_connection(reason, to.broker, to.settings, to.client_id, to.will_topic)
        )

    def handle_disconnect(self, reason: Reason, now_s: float) -> None:
        """Note that the connection has ended."""
        to = self._address
        if not self.connected:
            # The TLS alert that explains the end may arrive on one attempt but not on the next; reuse it.
            text = self.connection.error_text if self.connection else ""
            self._alert = errors.describe_tls_alert(text, to.broker) or self._alert
            self.schedule_retry(
                self._alert or errors.describe_closed_unanswered(to.broker, to.settings), alert=self._alert
            )
            return
        short = now_s - self._since_s < self._timeouts.stable_s
        if self.disconnect(farewell=False, reason=reason, short=short):
            # The message that was the cause is not sent again soon, so the next connection is likely to last.
            self._back_off.reset()
            self.schedule_retry(None, unstable=self._unstable)
            return
        if not self._short_lives:
            self._back_off.reset()  # it grew while no broker answered
        self._short_lives = self._short_lives + 1 if short else 0
        flapping = self._short_lives >= _FLAPPING
        if reason.code == errors.SESSION_TAKEN_OVER:
            self.schedule_retry(errors.describe_takeover(to.broker, to.client_id, to.device), unstable=True)
        elif reason.code == INVALID_PACKET_CODE:
            self.schedule_retry(errors.describe_lost(reason, to.broker), unstable=True)
        elif self._unstable or flapping:
            description = None if self._unstable else errors.describe_flapping(to.broker, to.client_id, to.device)
            self.schedule_retry(description, unstable=True)
        else:
            self.schedule_retry(errors.describe_lost(reason, to.broker))

    def handle_silence(self, packet: AwaitedPacket, silent_s: float) -> None:
        """Note that the broker sends no packets of a kind; only such a packet on a later connection resolves it."""
        self._needs_proof = packet
        self.schedule_retry(errors.describe_silence(self._address.broker, silent_s), unstable=True)

    def note_acknowledgment(self, packet: AwaitedPacket) -> None:
        """Note that the broker has acknowledged a message or the subscriptions."""
        if self._needs_proof is packet and self.connected:
            self._needs_proof, self._is_proven = None, True
            self._unstable = False
            self._log_connected()

    def schedule_retry(self, description: str | None, *, unstable: bool = False, alert: str | None = None) -> None:
        """Report why there is no connection, and schedule the next attempt.

        Args:
            description: The condition; None if it was already reported.
            unstable: Whether only a stable connection resolves the condition.
            alert: The description of the TLS alert that caused the condition.
        """
        self.disconnect(farewell=False)
        if description:
            self._conditions.report(_KEY, description)
        self._unstable, self._alert = unstable, alert
        self.connect_at_s = time.monotonic() + self._back_off.next_s()

    def disconnect(self, *, farewell: bool, reason: Reason | None = None, short: bool = False) -> bool:
        """Close the connection if there is one.

        Args:
            farewell: Whether to send DISCONNECT, so that the broker does not publish the will.
            reason: Why the connection ended; None if the device closes it.
            short: Whether the connection was short.

        Returns:
            Whether the cause of the disconnect is known and was reported.
        """
        self.connected = False
        if self.connection is None:
            return False
        self.connection.close(farewell=farewell)
        self.connection = None
        return self._on_disconnect(reason, short)

    def retire(self) -> None:
        """Start no further attempts; keep the current connection."""
        self._closed.set()
        self._close_results()

    def _adopt(self, result: C | Exception, now_s: float) -> None:
        self.connecting = False
        if isinstance(result, Exception):
            log.debug("connecting to %s failed: %r", self._address.broker, result)
            self.schedule_retry(errors.describe_connect_error(result, self._address.broker, self._address.settings))
        else:
            self.connection, self._since_s = result, now_s

    def _connect(self) -> None:
        """Make one attempt on a separate thread; the result is passed back through a queue."""
        try:
            self._results.append(self._open())
        except Exception as error:  # noqa: BLE001 - the publisher's thread describes it
            self._results.append(error)
        self._wake()
        if self._closed.is_set():
            self._close_results()

    def _check_stable(self, age_s: float) -> None:
        if age_s < self._timeouts.stable_s or not self._is_proven:
            return
        self._back_off.reset()
        self._short_lives = 0
        self._on_stable()
        if self._unstable:
            self._unstable = False
            self._log_connected()

    def _log_connected(self) -> None:
        self._conditions.remove(_KEY)
        log.info("connected to %s; %d events waiting", self._address.broker, self._count_waiting())

    def _close_results(self) -> None:
        while self._results:
            if not isinstance(result := self._results.popleft(), Exception):
                result.close(farewell=False)
