"""Route incoming MQTT messages to their handlers by topic."""

from collections.abc import Callable, Iterable

from appliance.messaging.mqtt.message import Received


class MessageRouter:
    """Map topics to handlers. Register before the publisher connects; `route` runs on the publisher's thread."""

    def __init__(self) -> None:
        self._handlers: dict[str, Callable[[Received], None]] = {}

    def register(self, topics: Iterable[str], handle: Callable[[Received], None]) -> None:
        """Call `handle` with every message on one of these topics."""
        self._handlers |= dict.fromkeys(topics, handle)

    def route(self, message: Received) -> None:
        """Pass a message to the handler of its topic; ignore a message on any other topic."""
        if handle := self._handlers.get(message.topic):
            handle(message)
