"""Test how the parts that connect the daemon to the broker are built."""

from dataclasses import replace

import pytest

from appliance.daemon.messaging_parts import build_messaging
from appliance.errors import OutboxError, SettingsError
from appliance.settings.schema import MqttSettings, Settings

SETTINGS = Settings(mqtt=replace(MqttSettings(), base_topic="house/cameras", host="127.0.0.1", port=1))


@pytest.fixture
def state(tmp_path):
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


def test_topics_follow_the_settings_and_the_device_id(state):
    messaging = build_messaging(SETTINGS, state, "boot", "t")
    try:
        assert messaging.topics.availability == "house/cameras/t/availability"
        assert messaging.outbox.waiting == 0
    finally:
        messaging.outbox.close()


def test_outbox_of_a_running_daemon_is_not_opened_again(state):
    messaging = build_messaging(SETTINGS, state, "boot", "t")
    try:
        with pytest.raises(OutboxError):
            build_messaging(SETTINGS, state, "boot", "t")
    finally:
        messaging.outbox.close()


def test_missing_password_is_an_error_of_the_settings(state):
    mqtt = replace(SETTINGS.mqtt, username="t", password_file=state / "missing")
    with pytest.raises(SettingsError, match=r"mqtt\.password_file"):
        build_messaging(replace(SETTINGS, mqtt=mqtt), state, "boot", "t")
