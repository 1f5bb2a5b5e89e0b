"""A programmable MQTT broker: it accepts everything, unless a test scripts another answer.

It speaks enough of MQTT 3.1.1 and 5 for one device: CONNECT, SUBSCRIBE, PUBLISH with QoS 0 and 1, PINGREQ, DISCONNECT.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

CLOSE = "close"
"""The answer that closes the connection without a word."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One PUBLISH as it arrived.

    Attributes:
        connection: Counts the connections, from 1.
        at_s: When it arrived, monotonic.
    """

    topic: str
    payload: bytes
    qos: int
    retained: bool
    connection: int
    at_s: float


Answer = int | str | None
"""The reason code of a PUBACK; `-code` for a DISCONNECT with that reason; CLOSE; or None for no answer."""


class ScriptedBroker:
    """A broker on a free port of 127.0.0.1; use it with `with`.

    Attributes:
        arrived: Each PUBLISH, in order.
        wills: The will of each CONNECT: (topic, QoS, retain), or None.
        connect_properties: The raw properties of each CONNECT (MQTT 5).
        connections: How many clients have connected.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        on_publish: Callable[[Arrived], Answer] = lambda message: 0,
        *,
        connack: Callable[[tuple[str, int, bool] | None], bytes] = lambda will: b"\x20\x03\x00\x00\x00",
        suback: Callable[[], int | None] = lambda: 1,
        on_subscribed: Callable[[socket.socket], None] = lambda client: None,
    ):
        """Start listening.

        Args:
            on_publish: Returns the answer to each PUBLISH.
            connack: Returns the answer to CONNECT, given the will; the default accepts with MQTT 5.
            suback: Returns the code for each topic of a SUBSCRIBE; None for no answer.
            on_subscribed: Called after SUBACK with the client's socket, to send anything.
        """
        self._on_publish, self._connack, self._suback = on_publish, connack, suback
        self._on_subscribed = on_subscribed
        self.arrived: list[Arrived] = []
        self.wills: list[tuple[str, int, bool] | None] = []
        self.connect_properties: list[bytes] = []
        self.subscribed: list[list[str]] = []
        self.connections = 0
        self._server = socket.create_server((self.host, 0))
        self.port: int = self._server.getsockname()[1]
        self._clients: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "ScriptedBroker":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Close all connections."""
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        self._clients.clear()

    def on(self, topic: str) -> list[Arrived]:
        """Return what arrived on a topic, in order."""
        return [message for message in list(self.arrived) if message.topic == topic]

    def send(self, packet: bytes) -> None:
        """Send bytes to the newest client."""
        self._clients[-1].sendall(packet)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            self._clients.append(client)
            threading.Thread(target=self._serve, args=(client, self.connections), daemon=True).start()

    def _serve(self, client: socket.socket, number: int) -> None:
        mqtt5 = True
        with contextlib.suppress(OSError), client, client.makefile("rb") as stream:
            while head := stream.read(1):
                body = stream.read(_read_length(stream))
                match head[0] >> 4:
                    case 1:
                        mqtt5 = body[6] == 5
                        client.sendall(self._answer_connect(body, mqtt5=mqtt5))
                    case 8:
                        if self._answer_subscribe(client, body, mqtt5=mqtt5):
                            self._on_subscribed(client)
                    case 3:
                        if not self._answer_publish(client, head[0], body, number, mqtt5=mqtt5):
                            return
                    case 12:
                        client.sendall(b"\xd0\x00")
                    case 14:
                        return

    def _answer_connect(self, body: bytes, *, mqtt5: bool) -> bytes:
        flags, at = body[7], 10
        if mqtt5:
            self.connect_properties.append(body[at + 1 : at + 1 + body[at]])
            at += 1 + body[at]
        at += 2 + int.from_bytes(body[at : at + 2], "big")
        will = None
        if flags & 4:
            at += 1 + body[at] if mqtt5 else 0
            length = int.from_bytes(body[at : at + 2], "big")
            will = (body[at + 2 : at + 2 + length].decode(), flags >> 3 & 3, bool(flags & 0x20))
        self.wills.append(will)
        return self._connack(will) if mqtt5 else b"\x20\x02\x00\x00"

    def _answer_subscribe(self, client: socket.socket, body: bytes, *, mqtt5: bool) -> bool:
        at = 3 + body[2] if mqtt5 else 2
        topics = []
        while at < len(body):
            length = int.from_bytes(body[at : at + 2], "big")
            topics.append(body[at + 2 : at + 2 + length].decode())
            at += 3 + length
        self.subscribed.append(topics)
        code = self._suback()
        if code is None:
            return False
        answer = body[:2] + (b"\x00" if mqtt5 else b"") + bytes([code]) * len(topics)
        client.sendall(bytes([0x90, len(answer)]) + answer)
        return True

    def _answer_publish(self, client: socket.socket, flags: int, body: bytes, number: int, *, mqtt5: bool) -> bool:
        """Answer a PUBLISH; return whether the connection stays open."""
        at = 2 + int.from_bytes(body[:2], "big")
        topic, qos = body[2:at].decode(), flags >> 1 & 3
        packet_id = body[at : at + 2] if qos else b""
        at += len(packet_id)
        at += 1 + body[at] if mqtt5 else 0
        message = Arrived(topic, body[at:], qos, bool(flags & 1), number, time.monotonic())
        self.arrived.append(message)
        answer = self._on_publish(message)
        if answer == CLOSE:
            return False
        if isinstance(answer, int) and answer < 0:
            client.sendall(bytes([0xE0, 2, -answer, 0]))
            return False
        if isinstance(answer, int) and qos:
            client.sendall(b"\x40\x03" + packet_id + bytes([answer]) if mqtt5 else b"\x40\x02" + packet_id)
        return True


def publish_packet(topic: str, payload: bytes, *, announce: int | None = None, mqtt5: bool = True) -> bytes:
    """Return a PUBLISH with QoS 0; `announce` is the length in the header, if it is not the real one."""
    name = topic.encode()
    body = len(name).to_bytes(2, "big") + name + (b"\x00" if mqtt5 else b"") + payload
    return b"\x30" + _write_length(len(body) if announce is None else announce) + body


def _read_length(stream: object) -> int:
    value, shift = 0, 0
    while True:
        [byte] = stream.read(1)  # type: ignore[attr-defined]
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value


def _write_length(length: int) -> bytes:
    encoded = b""
    while True:
        length, low = divmod(length, 128)
        encoded += bytes([low | (128 if length else 0)])
        if not length:
            return encoded
