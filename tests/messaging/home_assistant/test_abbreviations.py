"""Test the abbreviations, which Home Assistant expands."""

from appliance.messaging.home_assistant.abbreviations import abbreviate


def test_keys_are_abbreviated_and_others_stay():
    component = {"platform": "sensor", "availability": [{"topic": "a/b"}], "qos": 1, "name": "platform"}
    assert abbreviate(component) == {"p": "sensor", "avty": [{"t": "a/b"}], "qos": 1, "name": "platform"}
