"""Test what the device page of Home Assistant shows."""

from appliance.messaging.home_assistant.description import describe_device
from appliance.settings.schema import DeviceSettings, Settings


def test_name_is_that_of_the_settings_or_contains_the_id():
    assert describe_device(Settings(DeviceSettings("pi-1", "Front door")), "pi-1").name == "Front door"
    assert describe_device(Settings(DeviceSettings("pi-1")), "pi-1").name == "Camera pi-1"
