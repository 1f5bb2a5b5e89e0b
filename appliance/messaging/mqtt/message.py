"""MQTT messages and events as values."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message on its way. `correlation` is that of an answer (MQTT 5)."""

    topic: str
    payload: bytes
    qos: int
    retain: bool = False
    correlation: bytes | None = None


class Wire(Protocol):
    """A connection that messages can be put on."""

    @property
    def clogged(self) -> bool:
        """Whether bytes wait that the network does not take at present."""

    def publish(self, message: Outgoing) -> int:
        """Puts a message on the wire; returns its number, by which the acknowledgement will name it."""


@dataclass(frozen=True, slots=True)
class Message:
    """What came in. `retained`: the broker had kept it. The last two are MQTT 5's, for an answer."""

    topic: str
    payload: bytes
    retained: bool
    response_topic: str | None = None
    correlation: bytes | None = None
