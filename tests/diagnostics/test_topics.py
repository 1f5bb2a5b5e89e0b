"""Test that everything a device has retained is cleared, with a real broker."""

import pytest

from appliance.diagnostics.topics import clear_device_topics
from appliance.errors import MessagingError
from appliance.messaging.topics import Topics
from appliance.settings.schema import DeviceSettings, MqttSettings, Settings

T = Topics("appliance", "pi-1")


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path))
    return tmp_path


def make_settings(port):
    return Settings(DeviceSettings("pi-1"), mqtt=MqttSettings(host="127.0.0.1", port=port))


def test_tree_and_announcement_are_cleared_and_nothing_else(broker, state):
    own = [T.availability, T.snapshot, T.label("daisy"), T.discovery, f"{T.root}/view/gate/state"]
    other = ["appliance/pi-10/state", "homeassistant/device/pi-10/config"]
    with broker.observer() as observer:
        for topic in [*own, *other]:
            observer.publish(topic, "x", retain=True)
        result = clear_device_topics(make_settings(broker.port))
        for topic in own:
            observer.wait_for(topic, b"")
    assert (result.cleared, result.left, result.reason) == (len(own), [], None)
    with broker.observer() as observer:
        for topic in other:
            observer.wait_for(topic, b"x")
        assert {message.topic for message in observer.messages} == set(other)


def test_absent_broker_is_an_error(state):
    with pytest.raises(MessagingError):
        clear_device_topics(make_settings(1))
