"""Run an embedded MQTT broker for the demo."""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

from appliance.errors import ApplianceError, UsageError, suggest_install

_START_LIMIT_S = 20.0


class LocalBroker:
    """An MQTT 3.1.1 broker on 127.0.0.1 with one subscriber, on its own thread.

    Attributes:
        port: The TCP port.
    """

    def __init__(self, topic_filter: str, on_message: Callable[[str, bytes], None]):
        """Start the broker.

        Args:
            topic_filter: The subscriber's topic filter.
            on_message: Receives the topic and payload of each message, on the broker's thread.

        Raises:
            UsageError: amqtt is not installed.
            ApplianceError: The broker did not start.
        """
        try:
            import amqtt.broker
            import amqtt.client
        except ImportError as error:
            raise UsageError(f"the demo's broker is missing; {suggest_install('demo')}") from error
        self._amqtt = amqtt
        self._topic_filter = topic_filter
        self._on_message = on_message
        self.port = _find_free_port()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)
        self._thread.start()
        if not self._started.wait(_START_LIMIT_S) or self._failure:
            reason = self._failure or "no answer"
            raise ApplianceError(f"the demo's broker did not start on 127.0.0.1:{self.port}: {reason}")

    def close(self) -> None:
        """Stop the broker and wait until it has ended."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_START_LIMIT_S)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except Exception as error:  # noqa: BLE001 - passed to the thread that waits for the start
            self._failure = error
            self._started.set()

    async def _serve(self) -> None:
        address = f"127.0.0.1:{self.port}"
        anonymous = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        broker = self._amqtt.broker.Broker(
            {"listeners": {"default": {"type": "tcp", "bind": address}}, "plugins": anonymous}
        )
        writers: list[asyncio.StreamWriter] = []
        connect = broker.stream_connected

        async def note_connection(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
        ) -> None:
            writers.append(writer)
            await connect(reader, writer, listener_name=listener_name)

        broker.stream_connected = note_connection
        await broker.start()
        client = self._amqtt.client.MQTTClient(config={"auto_reconnect": False})
        await client.connect(f"mqtt://{address}")
        await client.subscribe([(self._topic_filter, 1)])
        self._started.set()
        receiving = asyncio.create_task(self._receive(client))
        await self._stop.wait()
        receiving.cancel()
        await client.disconnect()
        await broker.shutdown()
        await _close_connections(writers)

    async def _receive(self, client: Any) -> None:
        while True:
            message = await client.deliver_message()
            self._on_message(message.topic, bytes(message.data))


async def _close_connections(writers: Sequence[asyncio.StreamWriter]) -> None:
    """Close the connections that the broker leaves open when it shuts down."""
    for writer in writers:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


def _find_free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
