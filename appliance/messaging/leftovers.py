"""Clear what is retained below the device's own topics and no longer belongs to it.

When the state folder is lost, as with a new SD card, nothing on the device lists the topics of an earlier model's
labels, which would stay `ON` on the broker for ever. So the device reads its own retained topics once in each run.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterable

from appliance.errors import MessagingError
from appliance.messaging.former_topics import list_retained
from appliance.messaging.topics import Topics
from appliance.settings.schema import MqttSettings
from appliance.system.backoff import BackOff

log = logging.getLogger("appliance.mqtt")

_FIRST_WAIT_S, _LONGEST_WAIT_S = 5.0, 600.0


class LeftoverCleaner:
    """Reads the retained topics on its own thread and connection, which end when it has succeeded."""

    def __init__(
        self,
        settings: MqttSettings,
        password: str | None,
        client_id: str,
        topics: Topics,
        clear: Callable[[Collection[str]], bool],
    ):
        """Prepare; nothing connects before `start`.

        Args:
            settings: The mqtt section.
            password: The account's password.
            client_id: The MQTT client id; must differ from the daemon's other ones.
            topics: The device's topics.
            clear: Receives every retained topic below T; returns False to be called again later.
        """
        self._settings, self._password, self._client_id = settings, password, client_id
        self._topics, self._clear = topics, clear
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="leftovers", daemon=True).start()

    def stop(self) -> None:
        """End the thread soon; it is not joined, because it may wait for the network."""
        self._stopped.set()

    def _run(self) -> None:
        waits = BackOff(_FIRST_WAIT_S, _LONGEST_WAIT_S)
        while not self._stopped.is_set():
            try:
                found = list_retained(self._settings, self._password, self._client_id, [f"{self._topics.root}/#"])
            except MessagingError as error:  # no broker, which the publisher reports
                log.debug("the retained topics of this device cannot be read yet: %s", error)
            else:
                if self._stopped.is_set() or self._clear(found):
                    return
            self._stopped.wait(waits.next_s())


def select_leftovers(topics: Topics, found: Iterable[str], owned: Collection[str]) -> list[str]:
    """Return the topics to clear, in order.

    Retained commands and answers belong to the clients that published them, so they stay.

    Args:
        topics: The device's topics.
        found: The retained topics on the broker.
        owned: The retained topics that the device publishes.
    """
    foreign = {*topics.commands.values(), topics.labels, topics.event, topics.update}
    return sorted(
        topic
        for topic in found
        if topic.startswith(f"{topics.root}/")
        and topic not in owned
        and topic not in foreign
        and not topic.startswith(topics.responses)
    )
