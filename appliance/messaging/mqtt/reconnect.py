"""Keeping one connection to the broker: when to try, how long to wait, and what to say about it.

Only what may block for long (name lookup, TCP and TLS) happens in a short-lived thread for each attempt, so that events
are written to the outbox in time whatever the network does. After a failure the next attempt waits 1 s, doubling to
30 s, with jitter; the wait begins anew only after a connection that has lasted, so that two clients with one id do
not throw each other out in a tight loop.

A trouble is said once when it begins. It is over with the next connection, except after a takeover or a series of short
connections: those prove nothing by connecting once more, only by lasting.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from appliance.messaging.mqtt import errors as faults
from appliance.messaging.mqtt.conditions import ConditionLog
from appliance.settings.schema import MqttSettings
from appliance.system.backoff import BackOff

log = logging.getLogger(__name__)

_FLAPPING = 3  # connections in a row that ended before they had settled
_KEY = "connection"


@dataclass(frozen=True, slots=True)
class ConnectionTimeouts:
    """How long the publisher waits for what.

    Attributes:
        first_s, longest_s: Between attempts to connect, doubling from the first to the longest, with jitter.
        answer_s: For the broker's answer, to TCP and to CONNECT.
        settled_s: A connection this old has proved itself.
        refused_s: Before a topic that the broker refused is tried again, while the connection stands.
    """

    first_s: float = 1.0
    longest_s: float = 30.0
    answer_s: float = 10.0
    settled_s: float = 30.0
    refused_s: float = 60.0


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Whom to connect to and as whom: what sentences name. `will` is the topic of the will."""

    settings: MqttSettings
    broker: str
    client_id: str
    will: str


class BrokerConnection(Protocol):
    """An opened connection, on which CONNECT was sent."""

    happened: deque[tuple[Any, ...]]
    said: str

    def close(self, farewell: bool) -> None:
        """Ends it: with DISCONNECT (no will is sent), or by closing the socket (the broker sends the will)."""


class BrokerLink:
    """The connection there is, or the way to the next one. Belongs to the publisher's thread."""

    def __init__(
        self,
        open_connection: Callable[[], BrokerConnection],
        address: BrokerAddress,
        patience: ConnectionTimeouts,
        troubles: ConditionLog,
        *,
        wake: Callable[[], None],
        waiting: Callable[[], int],
        dropped: Callable[[int], bool],
        settled: Callable[[], None],
    ):
        """Args:
        open_connection: Called on a thread of its own; may block and raise.
        address: Whom to connect to.
        patience: The waiting times.
        troubles: Where troubles are said.
        wake: Wakes the publisher's thread; called from any.
        waiting: How many events wait, for the log.
        dropped: Called when a connection is gone, with the reason code of its end (0: the device's own); says whether
            it is known, and said, what ended it.
        settled: Called when a connection has lasted.
        """
        self.connection: Any = None
        self.connected = False
        self.connect_at_s = 0.0
        self.connecting = False
        self._open, self._address, self._patience, self._troubles = open_connection, address, patience, troubles
        self._wake, self._waiting, self._dropped, self._settled = wake, waiting, dropped, settled
        self._back_off = BackOff(patience.first_s, patience.longest_s)
        self._arrived: deque[BrokerConnection | Exception] = deque()
        self._since_s = 0.0
        self._short_lives = 0
        self._unsettled = False
        self._alert: str | None = None
        self._closed = threading.Event()

    def tend(self, now_s: float) -> None:
        """Does what is due: takes over what an attempt gave, begins the next, gives up on a silent broker."""
        while self._arrived:
            self._take(self._arrived.popleft(), now_s)
        if self.connection is None:
            if not self.connecting and not self._closed.is_set() and now_s >= self.connect_at_s:
                self.connecting = True
                threading.Thread(target=self._attempt, name="broker-connect", daemon=True).start()
        elif self.connected:
            self._settle(now_s - self._since_s)
        elif now_s >= self._since_s + self._patience.answer_s:
            self.failed(faults.unanswered(self._address.broker))

    def answered(self, code: int, name: str, now_s: float) -> bool:
        """The broker answered CONNECT with this reason code. Returns whether it said yes."""
        if code:
            to = self._address
            self.failed(faults.refused_connection(code, name, to.broker, to.settings, to.client_id, to.will))
            return False
        self.connected, self._since_s = True, now_s
        if not self._unsettled:
            self._announce()
        return True

    def ended(self, code: int, name: str, now_s: float) -> None:
        """The connection came to its end, with this reason code where the broker gave one."""
        to = self._address
        if not self.connected:
            # The alert that tells why may arrive with one attempt and be lost with the next: it is the same condition.
            self._alert = faults.tls_alert(self.connection.said, to.broker) or self._alert
            self.failed(self._alert or faults.closed_unanswered(to.broker, to.settings), alert=self._alert)
            return
        if self.drop(farewell=False, code=code):
            self.failed(None, unsettled=self._unsettled)
            return
        self._short_lives = self._short_lives + 1 if now_s - self._since_s < self._patience.settled_s else 0
        flapping = self._short_lives >= _FLAPPING
        if code == faults.SESSION_TAKEN_OVER:
            self.failed(faults.another_client(to.broker, to.client_id), unsettled=True)
        elif self._unsettled or flapping:
            self.failed(None if self._unsettled else faults.flapping(to.broker, to.client_id), unsettled=True)
        else:
            self.failed(faults.lost(code, name, to.broker))

    def failed(self, sentence: str | None, *, unsettled: bool = False, alert: str | None = None) -> None:
        """There is no connection, for this reason (None: the one that was said); the next attempt follows after a wait.

        Args:
            sentence: What to say.
            unsettled: The next connection alone does not mean that the trouble is over.
            alert: The TLS alert behind it.
        """
        self.drop(farewell=False)
        if sentence:
            self._troubles.say(_KEY, sentence)
        self._unsettled, self._alert = unsettled, alert
        self.connect_at_s = time.monotonic() + self._back_off.next_s()

    def drop(self, farewell: bool, code: int = 0) -> bool:
        """Ends the connection, if there is one; returns whether what had ended it (`code`) is known, and said."""
        self.connected = False
        if self.connection is None:
            return False
        self.connection.close(farewell)
        self.connection = None
        return self._dropped(code)

    @property
    def careful(self) -> bool:
        """Whether the connection before was short, and nobody knows why."""
        return self._short_lives > 0

    def retire(self) -> None:
        """No further attempts; the present connection stays."""
        self._closed.set()
        self._close_arrived()

    def _take(self, arrived: BrokerConnection | Exception, now_s: float) -> None:
        self.connecting = False
        if isinstance(arrived, Exception):
            log.debug("connecting to %s: %r", self._address.broker, arrived)
            self.failed(faults.connecting(arrived, self._address.broker, self._address.settings))
        else:
            self.connection, self._since_s = arrived, now_s

    def _attempt(self) -> None:
        """One attempt, on a thread of its own: what it gives goes back through a queue."""
        try:
            self._arrived.append(self._open())
        except Exception as error:  # noqa: BLE001 - turned into a sentence by the publisher's thread
            self._arrived.append(error)
        self._wake()
        if self._closed.is_set():
            self._close_arrived()

    def _settle(self, age_s: float) -> None:
        if age_s < self._patience.settled_s:
            return
        self._back_off.reset()
        self._short_lives = 0
        self._settled()
        if self._unsettled:
            self._unsettled = False
            self._announce()

    def _announce(self) -> None:
        self._troubles.over(_KEY)
        log.info("connected to %s; %d events waiting", self._address.broker, self._waiting())

    def _close_arrived(self) -> None:
        while self._arrived:
            if not isinstance(arrived := self._arrived.popleft(), Exception):
                arrived.close(farewell=False)
