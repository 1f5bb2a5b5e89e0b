"""Clear what the device has retained on the broker, when it is given away or stopped for good."""

from appliance.diagnostics.running_daemon import ask_running_daemon
from appliance.errors import ControlError
from appliance.messaging.former_topics import ClearedTopics, clear_topics
from appliance.messaging.home_assistant.published import FILE_NAME, PublishedTopicsFile
from appliance.messaging.identity import FormerIdentity
from appliance.messaging.topics import Topics
from appliance.settings.credentials import apply_credentials
from appliance.settings.schema import Settings
from appliance.settings.secrets import read_secret
from appliance.system.device_id import resolve_device_id
from appliance.system.paths import find_state_dir


def clear_device_topics(settings: Settings) -> ClearedTopics:
    """Clear every retained message of the device, and its announcement to Home Assistant.

    Args:
        settings: Valid settings.

    Raises:
        ControlError: The daemon is running, and would publish them again.
        MessagingError: The broker cannot be reached or refuses the connection.
        SettingsError: The password cannot be read.
    """
    if ask_running_daemon(settings):
        raise ControlError("the daemon is running and would publish its topics again; stop it first")
    settings = apply_credentials(settings)
    mqtt, state = settings.mqtt, find_state_dir()
    device = resolve_device_id(settings.device.id, state)
    password = None if mqtt.password_file is None else read_secret(mqtt.password_file, "mqtt.password_file")[0]
    topics = Topics(mqtt.base_topic, device, mqtt.discovery_prefix)
    published = PublishedTopicsFile(state / FILE_NAME).read().topics
    client_id = f"{mqtt.client_id or f'appliance-{device}'}-clear"
    return clear_topics(mqtt, password, client_id, FormerIdentity(topics, published))
