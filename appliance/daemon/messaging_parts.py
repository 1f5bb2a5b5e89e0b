"""Build the parts that connect the daemon to the broker; nothing runs yet."""

import logging
from dataclasses import dataclass
from pathlib import Path

from appliance.daemon.message_router import MessageRouter
from appliance.messaging.former_topics import FormerTopicsCleaner
from appliance.messaging.home_assistant.published import FILE_NAME as PUBLISHED_NAME
from appliance.messaging.home_assistant.published import PublishedTopicsFile
from appliance.messaging.identity import IdentityFile, make_address
from appliance.messaging.leftovers import LeftoverCleaner
from appliance.messaging.outbox.outbox import Outbox
from appliance.messaging.publisher import MqttPublisher
from appliance.messaging.reports import Reports
from appliance.messaging.topics import Topics
from appliance.settings.schema import Settings
from appliance.settings.secrets import read_secret

log = logging.getLogger("appliance.daemon")


@dataclass(frozen=True, slots=True)
class MessagingParts:
    """The parts of one daemon that connect it to the broker.

    Attributes:
        topics: The topics of the device.
        router: Maps topics to handlers; register before the publisher connects.
    """

    topics: Topics
    outbox: Outbox
    router: MessageRouter
    publisher: MqttPublisher
    reports: Reports
    former_topics: FormerTopicsCleaner
    leftovers: LeftoverCleaner


def build_messaging(settings: Settings, state: Path, boot: str, device: str) -> MessagingParts:
    """Build and connect the parts.

    Args:
        settings: Valid settings.
        state: The state folder.
        boot: The id of this program start.
        device: The device id.

    Raises:
        SettingsError: A secret cannot be read.
        OutboxError: Another process uses the outbox.
    """
    topics = Topics(settings.mqtt.base_topic, device, settings.mqtt.discovery_prefix)
    outbox = _open_outbox(settings, topics, state)
    former_topics = _make_former_topics_cleaner(settings, topics, state)
    router = MessageRouter()
    publisher = _make_publisher(settings, topics, outbox, router, device)
    reports = Reports(publisher, topics, settings, boot, state)
    router.register([topics.homeassistant_status], lambda message: reports.handle_homeassistant_status(message.payload))
    return MessagingParts(
        topics, outbox, router, publisher, reports, former_topics, _make_leftover_cleaner(settings, topics, reports)
    )


def _open_outbox(settings: Settings, topics: Topics, state: Path) -> Outbox:
    mqtt = settings.mqtt
    return Outbox(state / "outbox.sqlite3", mqtt.outbox_max_events, mqtt.outbox_max_age_s, address=make_address(topics))


def _make_former_topics_cleaner(settings: Settings, topics: Topics, state: Path) -> FormerTopicsCleaner:
    """Record the names of the topics; return the cleaner of former ones. Call it before the reports are built."""
    file = IdentityFile(state)
    former = file.update(topics, PublishedTopicsFile(state / PUBLISHED_NAME).read().topics)
    client_id = f"{settings.mqtt.client_id or f'appliance-{topics.device}'}-former"
    return FormerTopicsCleaner(
        settings.mqtt, _read_mqtt_password(settings) if former else None, client_id, file, former
    )


def _make_leftover_cleaner(settings: Settings, topics: Topics, reports: Reports) -> LeftoverCleaner:
    client_id = f"{settings.mqtt.client_id or f'appliance-{topics.device}'}-leftovers"
    return LeftoverCleaner(settings.mqtt, _read_mqtt_password(settings), client_id, topics, reports.clear_leftovers)


def _make_publisher(
    settings: Settings, topics: Topics, outbox: Outbox, router: MessageRouter, device: str
) -> MqttPublisher:
    return MqttPublisher(
        settings.mqtt,
        _read_mqtt_password(settings),
        topics,
        outbox,
        [*topics.commands.values(), topics.homeassistant_status],
        router.route,
        settings.mqtt.client_id or f"appliance-{device}",
    )


def _read_mqtt_password(settings: Settings) -> str | None:
    if settings.mqtt.password_file is None:
        return None
    password, warning = read_secret(settings.mqtt.password_file, "mqtt.password_file")
    if warning:
        log.warning("%s", warning)
    return password
