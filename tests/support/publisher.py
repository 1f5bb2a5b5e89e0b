"""A device for tests: an outbox, and a publisher on a thread, with a real or scripted broker; and its log."""

import json
import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.messaging.mqtt.reconnect import ConnectionTimeouts
from appliance.messaging.outbox.outbox import Outbox
from appliance.messaging.publisher import MqttPublisher
from appliance.messaging.topics import Topics
from appliance.settings.schema import MqttSettings
from support.broker import Observer

if TYPE_CHECKING:
    from appliance.messaging.mqtt.message import Received

TOPICS = Topics("appliance", "pi-test")
HASTY = ConnectionTimeouts(first_s=0.05, longest_s=0.4, answer_s=2.0, stable_s=1.5, refused_s=0.5)
"""Waiting times for tests, in the proportions of the real ones."""


def event(number: int, **more: Any) -> dict[str, Any]:
    """Return a durable event as the program offers it; `more` is added to the payload."""
    return {
        "topic": TOPICS.event,
        "payload": {"id": f"event-{number}", "type": "started", "label": "daisy", "seq": number, **more},
    }


class Device:
    """A publisher on its thread."""

    def __init__(
        self,
        folder: Path,
        broker: Any,
        *,
        password: str | None = None,
        subscriptions: Sequence[str] = (),
        client_id: str = "appliance-pi-test",
        timeouts: ConnectionTimeouts = HASTY,
        outbox: Outbox | None = None,
        **settings: Any,
    ):
        self.messages: list[Received] = []
        self.outbox = outbox or Outbox(folder / "outbox.db", 100_000, 604_800)
        mqtt = MqttSettings(**(({"host": broker.host, "port": broker.port} if broker else {}) | settings))
        self.publisher = MqttPublisher(
            mqtt, password, TOPICS, self.outbox, subscriptions, self.messages.append, client_id, timeouts=timeouts
        )
        self.thread = threading.Thread(target=self.publisher.run, daemon=True)
        self.thread.start()

    def end(self) -> None:
        """Stop the publisher as the service does."""
        self.publisher.stop(5.0)
        self.thread.join(5.0)
        self.outbox.close()


@contextmanager
def device(folder: Path, broker: Any, **options: Any) -> Iterator[Device]:
    """Yield a device that is stopped at the end of the block."""
    made = Device(folder, broker, **options)
    try:
        yield made
    finally:
        made.end()


def logged(caplog: Any, part: str) -> list[str]:
    """Return the log messages at INFO and above that contain `part`."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.INFO and part in record.getMessage()
    ]


def received_seqs(observer: Observer) -> list[int]:
    """Return the sequence numbers of the events that an observer received, in order."""
    return [json.loads(payload)["seq"] for payload in observer.payloads(TOPICS.event)]


@contextmanager
def scripted(connack: bytes, on_publish: bytes | None) -> Iterator[tuple[int, list[bytes]]]:
    """Run a server that answers CONNECT and, if `on_publish` is given, each PUBLISH, and then closes.

    Yields its port and a list to which each PUBLISH is appended.
    """
    published: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client, client.makefile("rb") as stream:
                    while head := stream.read(2):  # all packets here are shorter than 128 bytes
                        stream.read(head[1])
                        if head[0] >> 4 == 1:
                            client.sendall(connack)
                        elif head[0] >> 4 == 3:
                            published.append(head)
                            if on_publish is not None:
                                client.sendall(on_publish)
                                break

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], published
