"""MQTT messages and connection events as values."""

from dataclasses import dataclass, replace
from typing import Protocol

FIRST_ERROR_CODE = 0x80
"""This reason code and all higher ones are errors (OASIS MQTT 5.0, 2.4)."""

INVALID_PACKET_CODE = 0x1FF
"""Not a code of MQTT: the device ended the connection because it could not read a packet of the broker."""

_OVERHEAD_BYTES = 64  # upper bound for the header of a PUBLISH packet
_PROPERTY_BYTES = 5  # a user property in addition to its texts


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to publish.

    Attributes:
        topic: The topic.
        payload: The payload.
        qos: The quality of service, 0 or 1.
        retain: The retain flag.
        correlation: The correlation data of a response (MQTT 5).
        user_properties: Names and values that describe the payload (MQTT 5; omitted with MQTT 3.1.1).
    """

    topic: str
    payload: bytes
    qos: int
    retain: bool = False
    correlation: bytes | None = None
    user_properties: tuple[tuple[str, str], ...] = ()

    @property
    def size_bytes(self) -> int:
        """An upper bound for the size of the packet."""
        size_bytes = len(self.topic.encode()) + len(self.payload) + _OVERHEAD_BYTES
        for name, value in self.user_properties:
            size_bytes += len(name.encode()) + len(value.encode()) + _PROPERTY_BYTES
        return size_bytes


class Wire(Protocol):
    """A connection that can publish messages."""

    @property
    def is_clogged(self) -> bool:
        """Whether bytes are waiting that the network does not accept yet."""
        ...

    def publish(self, message: Outgoing) -> int:
        """Publish a message; return its packet identifier, which its acknowledgment contains."""
        ...


@dataclass(frozen=True, slots=True)
class Reason:
    """An MQTT reason code (OASIS MQTT 5.0, 2.4) and its name in the standard.

    The client library converts the return codes of MQTT 3.1.1 to these.
    """

    code: int
    name: str

    @property
    def is_error(self) -> bool:
        """Whether the code reports an error."""
        return self.code >= FIRST_ERROR_CODE


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker accepted CONNECT.

    Attributes:
        receive_maximum: How many unacknowledged messages the broker accepts; None if it sets no limit.
        maximum_packet_bytes: The largest packet that the broker accepts; None if it sets no limit.
        maximum_qos: The highest quality of service that the broker accepts.
        retain_available: Whether the broker accepts messages with the retain flag.
    """

    receive_maximum: int | None = None
    maximum_packet_bytes: int | None = None
    maximum_qos: int = 2
    retain_available: bool = True

    def adapt(self, message: Outgoing, *, acknowledged: bool) -> Outgoing:
        """Return a message as the broker accepts it; with QoS 1 if it is to be acknowledged and that is possible."""
        qos = min(1 if acknowledged else message.qos, self.maximum_qos)
        retain = message.retain and self.retain_available
        if qos == message.qos and retain == message.retain:
            return message
        return replace(message, qos=qos, retain=retain)


@dataclass(frozen=True, slots=True)
class ConnectRefused:
    """The broker refused CONNECT."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection was closed by either side, or was lost."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Published:
    """A message was acknowledged (QoS 1), or sent (QoS 0)."""

    packet_id: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The broker answered SUBSCRIBE, with one reason for each topic, in the order of the topics."""

    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Received:
    """A message arrived.

    Attributes:
        topic: The topic.
        payload: The payload.
        retained: The retain flag.
        response_topic: The topic for the response (MQTT 5); None if there is none.
        correlation: The correlation data that the response must repeat (MQTT 5); None if there is none.
        user_properties: Names and values that describe the payload (MQTT 5).
    """

    topic: str
    payload: bytes
    retained: bool
    response_topic: str | None = None
    correlation: bytes | None = None
    user_properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Oversized:
    """The broker announced a packet that is too large; the connection ends before the packet is read.

    Attributes:
        topic: The topic of the message; empty if the packet is no message, or its topic could not be read.
        size_bytes: The announced size.
    """

    topic: str
    size_bytes: int


ConnectionEvent = Connected | ConnectRefused | Disconnected | Published | Subscribed | Received | Oversized
"""Everything that a connection records; consumers match on the class."""
