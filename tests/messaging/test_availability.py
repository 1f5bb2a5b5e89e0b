"""Test T/availability: what a second daemon with the same device id does to it, and who notices."""

import pytest

from appliance.messaging.availability import AvailabilityTopic
from appliance.messaging.mqtt.message import Received
from appliance.messaging.payloads import Availability
from support.broker import wait_until
from support.publisher import TOPICS, device

TOPIC = "T/availability"


class Rig:
    def __init__(self):
        self.condition = None
        self.availability = AvailabilityTopic(TOPIC, self._report)

    def _report(self, key, description):
        assert key == "second writer"
        self.condition = description

    def get(self, payload, now_s=0.0, retained=False, writer=None):
        """Return the answer to a message."""
        properties = (("writer", writer),) if writer else ()
        self.availability.handle_message(Received(TOPIC, payload, retained, user_properties=properties), now_s)
        return self.availability.poll(now_s)


def test_own_messages_are_ignored_with_and_without_properties():
    rig = Rig()
    own = rig.availability.handle_connect()
    assert rig.get(own.payload, writer=own.user_properties[0][1]) is None
    assert rig.get(own.payload) is None  # MQTT 3.1.1
    assert rig.condition is None
    assert rig.get(b"online", retained=True, writer="other") is None


def test_second_writer_is_reported_and_answered_now_and_then():
    rig = Rig()
    rig.availability.handle_connect()
    assert rig.get(b"online", 0.0, writer="other").payload == b"online"
    assert "device.id" in rig.condition and TOPIC in rig.condition
    assert rig.get(b"online", 30.0, writer="other") is None
    assert rig.get(b"online", 61.0, writer="other") is not None
    rig.availability.poll(200.0)
    assert rig.condition
    rig.availability.poll(400.0)
    assert rig.condition is None


def test_offline_of_another_client_is_corrected():
    rig = Rig()
    rig.availability.handle_connect()
    assert rig.get(b"offline").payload == b"online"
    assert rig.condition is None
    assert [rig.get(b"offline", 0.001 * number) for number in range(1000)] == [None] * 1000
    assert rig.availability.poll(5.0).payload == b"online"
    rig.availability.build(Availability.OFFLINE)
    assert rig.get(b"offline", 20.0) is None


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_two_daemons_with_one_device_id_both_notice(tmp_path, broker, protocol):
    with device(tmp_path, broker, protocol=protocol) as first:
        wait_until(lambda: first.publisher.connected, "connected")
        with device(tmp_path / "b", broker, protocol=protocol, client_id="another") as second:
            wait_until(lambda: "second daemon" in (first.publisher.error or ""), "the first notices")
            wait_until(lambda: "second daemon" in (second.publisher.error or ""), "the second notices")
        with broker.observer() as observer:
            observer.wait_for(TOPICS.availability, b"online")  # although the second has published `offline`


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_single_daemon_that_reconnects_is_not_reported(tmp_path, broker, protocol):
    with device(tmp_path, broker, protocol=protocol) as pi:
        for _ in range(3):
            wait_until(lambda: pi.publisher.connected, "connected")
            broker.kill()
            wait_until(lambda: not pi.publisher.connected, "the loss is noticed")
            broker.start()
        with broker.observer() as observer:
            observer.wait_for(TOPICS.availability, b"online")
        assert "second daemon" not in (pi.publisher.error or "")
