"""Clear what the device published under a former id or base topic, over a connection of its own.

A broker often allows an account to write only below the device's own id. It then refuses to clear the former topics, or
closes the connection, neither of which may affect the device's other messages. So this happens on a separate
connection, once in each run of the program, and what is refused is left to the broker's administrator.
"""

import logging
import os
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from appliance.errors import MessagingError
from appliance.messaging.identity import FormerIdentity, IdentityFile
from appliance.messaging.mqtt import errors
from appliance.messaging.mqtt.connection import Connection, broker_port, open_connection
from appliance.messaging.mqtt.message import (
    Connected,
    ConnectionEvent,
    ConnectRefused,
    Disconnected,
    Outgoing,
    Published,
    Received,
    Subscribed,
)
from appliance.settings.schema import MqttSettings
from appliance.system.backoff import BackOff
from appliance.system.foreign_text import clean_text

log = logging.getLogger("appliance.mqtt")

_LIMIT_S = 20.0
_LISTEN_S = 1.5  # a broker sends retained messages at once after the subscription
_FIRST_WAIT_S, _LONGEST_WAIT_S = 5.0, 600.0
_MAX_REASON = 200
_WINDOW = 10


@dataclass(slots=True)
class ClearedTopics:
    """The result of one attempt.

    Attributes:
        cleared: How many topics were cleared, as far as the broker reports it.
        left: Topics that are still on the broker, or that the broker refused to clear.
        reason: Why; None if nothing is left.
    """

    cleared: int = 0
    left: list[str] = field(default_factory=list)
    reason: str | None = None


def describe_leftovers(former: FormerIdentity, settings: MqttSettings) -> str:
    """Return a sentence with the command that clears former topics as the broker's administrator."""
    command = [
        "mosquitto_sub", "-h", settings.host, "-p", str(broker_port(settings)), "-u", "ADMIN", "-P", "PASSWORD",
        "-t", f"{former.names.root}/#", "-t", former.names.discovery, "--retained-only", "--remove-retained", "-W", "5",
    ]  # fmt: skip
    return (
        f"retained messages of the former name {former.names.root} may be left on the broker ({former.refused}); its"
        f" administrator can clear them: {shlex.join(command)}"
    )


class FormerTopicsCleaner:
    """Clears former topics on its own thread, which ends when nothing is left to try."""

    def __init__(
        self,
        settings: MqttSettings,
        password: str | None,
        client_id: str,
        file: IdentityFile,
        former: tuple[FormerIdentity, ...],
    ):
        """Prepare; nothing connects before `start`.

        Args:
            settings: The mqtt section.
            password: The account's password.
            client_id: The MQTT client id; must differ from the daemon's other one.
            file: Records what is left.
            former: What to clear.
        """
        self._settings, self._password, self._client_id, self._file = settings, password, client_id, file
        self.former = former
        self._stopped = threading.Event()

    @property
    def leftovers(self) -> str | None:
        """What the broker's administrator can do about topics that cannot be cleared; None if there are none."""
        return "; ".join(describe_leftovers(each, self._settings) for each in self.former if each.refused) or None

    def start(self) -> None:
        """Start the thread, if there is something to clear."""
        if self.former:
            threading.Thread(target=self._run, name="former-topics", daemon=True).start()

    def stop(self) -> None:
        """End the thread soon; it is not joined, because it may wait for the network."""
        self._stopped.set()

    def _run(self) -> None:
        waits = BackOff(_FIRST_WAIT_S, _LONGEST_WAIT_S)
        for former in self.former:
            while not self._stopped.is_set():
                try:
                    result = clear_topics(self._settings, self._password, self._client_id, former)
                except MessagingError as error:  # no broker, which the publisher reports
                    log.debug("the topics of %s cannot be cleared yet: %s", former.names.root, error)
                    self._stopped.wait(waits.next_s())
                    continue
                self._record(former, result)
                break

    def _record(self, former: FormerIdentity, result: ClearedTopics) -> None:
        if result.reason is None:
            log.info("the %d topics of the former name %s are cleared", result.cleared, former.names.root)
            self.former = tuple(each for each in self.former if each.names != former.names)
        else:
            left = replace(former, topics=frozenset(result.left), refused=clean_text(result.reason, _MAX_REASON))
            if former.refused != left.refused:
                log.warning("%s", describe_leftovers(left, self._settings))
            self.former = tuple(left if each.names == former.names else each for each in self.former)
        self._file.record_former(self.former)


def clear_topics(
    settings: MqttSettings, password: str | None, client_id: str, former: FormerIdentity, limit_s: float = _LIMIT_S
) -> ClearedTopics:
    """Clear the retained messages of former names, those that are known and those that the broker shows.

    Args:
        settings: The mqtt section.
        password: The account's password.
        client_id: The MQTT client id.
        former: The former names.
        limit_s: The time limit.

    Raises:
        MessagingError: The broker cannot be reached or refuses the connection.
    """
    filters = [f"{former.names.root}/#", former.names.discovery]
    connect = _make_connector(settings, password, client_id, limit_s)
    # The broker answers a subscription that the account may not read with silence. It shows at least the availability
    # if the account may read, and then what it shows counts more than what it acknowledges.
    found = _list_retained(connect, filters, limit_s)
    topics = [*former.retained, *sorted(found - set(former.retained))]
    result = _send_empty(connect, topics, limit_s)
    if found:
        result.left = sorted(_list_retained(connect, filters, limit_s))
        result.reason = (result.reason or "the broker keeps them") if result.left else None
        result.cleared = len(found) - len(result.left)
    elif settings.protocol != "5":
        # An acknowledgment by MQTT 3.1.1 is no proof that the account may write, also if the connection ended early.
        unknown = "with MQTT 3.1.1, the broker does not report whether it cleared them"
        result.left, result.reason = topics, result.reason or unknown
    return result


def list_retained(
    settings: MqttSettings, password: str | None, client_id: str, filters: Sequence[str], limit_s: float = _LIMIT_S
) -> set[str]:
    """Return the retained topics that match the filters, as far as this account may read them.

    Args:
        settings: The mqtt section.
        password: The account's password.
        client_id: The MQTT client id.
        filters: Topic filters.
        limit_s: The time limit.

    Raises:
        MessagingError: The broker cannot be reached or refuses the connection.
    """
    return _list_retained(_make_connector(settings, password, client_id, limit_s), filters, limit_s)


def _make_connector(
    settings: MqttSettings, password: str | None, client_id: str, limit_s: float
) -> Callable[[], Connection]:
    def connect() -> Connection:
        try:
            return open_connection(settings, password, client_id, None, limit_s)
        except Exception as error:
            broker = f"{settings.host}:{broker_port(settings)}"
            raise MessagingError(errors.describe_connect_error(error, broker, settings)) from error

    return connect


def _list_retained(connect: Callable[[], Connection], filters: Sequence[str], limit_s: float) -> set[str]:
    """Return the retained topics that match, as far as this account may read them."""
    found: set[str] = set()
    with _ClearingSession(connect, limit_s) as session:
        for event in session:
            match event:
                case Connected():
                    session.connection.subscribe([], filters)
                case Subscribed():
                    session.until_s = time.monotonic() + _LISTEN_S
                case Received() if event.retained and event.payload:
                    found.add(event.topic)
    return found


def _send_empty(connect: Callable[[], Connection], topics: Sequence[str], limit_s: float) -> ClearedTopics:
    """Publish an empty retained message to each topic; what was not acknowledged in the end is left."""
    result = ClearedTopics()
    waiting, in_flight = list(reversed(topics)), dict[int, str]()
    with _ClearingSession(connect, limit_s) as session:
        for event in session:
            if isinstance(event, Disconnected):
                result.reason = "the broker closes the connection"
            elif isinstance(event, Published) and (topic := in_flight.pop(event.packet_id, None)):
                if event.reason.is_error:
                    result.left.append(topic)
                    result.reason = f"the broker answers {event.reason.name}"
                else:
                    result.cleared += 1
            while waiting and len(in_flight) < _WINDOW and result.reason is None:
                topic = waiting.pop()
                in_flight[session.connection.publish(Outgoing(topic, b"", 1, retain=True))] = topic
            if not in_flight:
                break
    result.left += [*in_flight.values(), *reversed(waiting)]
    if result.left and result.reason is None:
        result.reason = "the broker does not answer"
    return result


class _ClearingSession:
    """A short connection, whose events can be iterated until a deadline.

    Attributes:
        connection: The connection.
        until_s: The deadline (monotonic).
    """

    def __init__(self, connect: Callable[[], Connection], limit_s: float):
        self.connection = connect()
        self.until_s = time.monotonic() + limit_s

    def __enter__(self) -> "_ClearingSession":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close(farewell=True)

    def __iter__(self) -> Iterator[ConnectionEvent]:
        """Yield the events from the broker's acceptance on; a disconnect is the last.

        Raises:
            MessagingError: The broker refuses the connection, or does not answer.
        """
        wake_fd, accepted = os.eventfd(0), False  # never written to, but `wait` requires one
        try:
            while (left_s := self.until_s - time.monotonic()) > 0:
                self.connection.wait(wake_fd, left_s)
                while self.connection.events:
                    event = self.connection.events.popleft()
                    if isinstance(event, ConnectRefused) or (isinstance(event, Disconnected) and not accepted):
                        raise MessagingError(f"the broker refuses the connection ({event.reason.name})")
                    accepted = True
                    yield event
                    if isinstance(event, Disconnected):
                        return
            if not accepted:
                raise MessagingError("the broker does not answer")
        finally:
            os.close(wake_fd)
