"""Test one connection to a real broker: its events, and how it ends."""

import os
import time
import tomllib
from importlib.metadata import version

import pytest

from appliance.errors import MessagingError
from appliance.messaging.mqtt.connection import MAXIMUM_PACKET_BYTES, broker_port, open_connection
from appliance.messaging.mqtt.message import (
    Connected,
    ConnectRefused,
    Disconnected,
    Outgoing,
    Oversized,
    Published,
    Received,
    Subscribed,
)
from appliance.settings.schema import MqttSettings
from support.broker import free_port, wait_until
from support.paths import ROOT
from support.publisher import scripted
from support.scripted_broker import ScriptedBroker, publish_packet

TOPIC = "appliance/pi-test/state"
WILL = Outgoing("appliance/pi-test/availability", b"offline", 1, retain=True)


@pytest.fixture
def wake():
    """Open a pipe with which another thread wakes a waiting connection."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture
def connect(broker, wake):
    """Return a function that opens a connection and drives it until the broker has answered CONNECT."""
    opened = []

    def connect(to=broker, will=None, password=None, **settings):
        mqtt = MqttSettings(host=to.host, port=to.port, **settings)
        connection = open_connection(mqtt, password, "appliance-pi-test", will, 5.0)
        opened.append(connection)
        wait_for(connection, wake, Connected | ConnectRefused)
        return connection

    yield connect
    for connection in opened:
        connection.close(farewell=True)


def wait_for(connection, wake, kind):
    """Drive a connection until it has an event of this class; return the last such event."""

    def come():
        connection.wait(wake[0], 0.05)
        return any(isinstance(event, kind) for event in connection.events)

    wait_until(come, f"{kind}")
    return [event for event in connection.events if isinstance(event, kind)][-1]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_accepted_connection_holds_the_limits_of_the_broker(new_broker, connect, protocol):
    broker = new_broker(options=["max_packet_size 3000", "max_inflight_messages 7"])
    limits = (7, 3000) if protocol == "5" else (None, None)  # MQTT 3.1.1 cannot express them
    assert list(connect(broker, protocol=protocol).events) == [Connected(*limits)]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_wrong_password_is_a_refusal(new_broker, connect, protocol):
    broker = new_broker(passwords={"cam": "right"})
    event = connect(broker, username="cam", password="wrong", protocol=protocol).events[0]
    assert isinstance(event, ConnectRefused)
    assert event.reason.is_error
    assert "authori" in event.reason.name


@pytest.mark.parametrize("qos", [0, 1])
def test_published_message_is_acknowledged_by_its_id(broker, connect, wake, qos):
    with broker.observer() as observer:
        connection = connect()
        packet_id = connection.publish(Outgoing(TOPIC, b"seen", qos, retain=True, correlation=b"42"))
        event = wait_for(connection, wake, Published)
        assert (event.packet_id, event.reason.is_error) == (packet_id, False)
        received = observer.wait_for(TOPIC)[0]
        assert (received.payload, received.correlation) == (b"seen", b"42")
    with broker.observer() as later:
        assert later.wait_for(TOPIC)[0].retained


@pytest.mark.parametrize("topic", ["appliance/+/state", "appliance/#"])
def test_topic_that_cannot_be_published_to_is_an_error(connect, topic):
    with pytest.raises(ValueError, match=r"."):
        connect().publish(Outgoing(topic, b"", 1))


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_message_arrives_as_it_was_sent(broker, connect, wake, protocol):
    connection = connect(protocol=protocol)
    connection.subscribe([TOPIC, "other"])
    assert [reason.is_error for reason in wait_for(connection, wake, Subscribed).reasons] == [False, False]
    with broker.observer() as client:
        client.publish(TOPIC, "\0 ½".encode(), retain=True, response_topic="answers", correlation=b"7")
    received = wait_for(connection, wake, Received)
    assert (received.topic, received.payload) == (TOPIC, "\0 ½".encode())
    if protocol == "5":
        # The retain flag of a live message is passed on too.
        assert (received.retained, received.response_topic, received.correlation) == (True, "answers", b"7")
    else:
        assert (received.retained, received.response_topic, received.correlation) == (False, None, None)


def test_no_topic_sends_no_subscription(broker, connect):
    connect().subscribe([])
    assert "SUBSCRIBE" not in broker.log()


@pytest.mark.parametrize("farewell", [True, False])
def test_will_is_published_only_without_a_farewell(broker, connect, farewell):
    with broker.observer() as observer:
        connection = connect(will=WILL)
        connection.close(farewell=farewell)
        # Once another client with the same id is connected, the broker has noticed the end.
        connect()
        observer.publish(TOPIC, "after")
        observer.wait_for(TOPIC)
        assert observer.payloads(WILL.topic) == ([] if farewell else [b"offline"])


def test_killed_broker_is_one_disconnect(broker, connect, wake):
    connection = connect()
    broker.kill()
    event = wait_for(connection, wake, Disconnected)
    assert event.reason.is_error
    for _ in range(3):
        connection.wait(wake[0], 0.0)
    assert sum(isinstance(event, Disconnected) for event in connection.events) == 1
    connection.close(farewell=True)


def test_disconnect_of_the_broker_names_its_reason(wake):
    # DISCONNECT with reason code 0x8E, session taken over (MQTT 5.0, 3.14.2.1), after the first PUBLISH.
    with scripted(b"\x20\x03\x00\x00\x00", b"\xe0\x02\x8e\x00") as (port, _):
        settings = MqttSettings(host="127.0.0.1", port=port)
        connection = open_connection(settings, None, "appliance-pi-test", None, 5.0)
        wait_for(connection, wake, Connected)
        connection.publish(Outgoing(TOPIC, b"", 0))
        reason = wait_for(connection, wake, Disconnected).reason
        connection.close(farewell=False)
    assert (reason.code, reason.name.lower()) == (0x8E, "session taken over")


def test_wait_ends_when_it_is_woken(connect, wake):
    connection = connect()
    os.write(wake[1], b"x")
    began_s = time.monotonic()
    connection.wait(wake[0], 30.0)
    assert time.monotonic() - began_s < 15
    assert os.read(wake[0], 1) == b"x"  # the byte is left for the caller


def test_frozen_broker_clogs_the_connection(broker, connect, wake):
    connection = connect()
    broker.freeze()
    for _ in range(40):
        connection.publish(Outgoing(TOPIC, bytes(1_000_000), 0))
        connection.wait(wake[0], 0.0)
    assert connection.is_clogged
    broker.thaw()

    def drained():
        connection.wait(wake[0], 0.05)
        return not connection.is_clogged

    wait_until(drained, "the broker takes what waited")


def test_port_that_is_closed_is_an_os_error():
    settings = MqttSettings(host="127.0.0.1", port=free_port())
    with pytest.raises(ConnectionRefusedError):
        open_connection(settings, None, "appliance-pi-test", None, 5.0)


def test_unusable_certificate_is_a_messaging_error(tmp_path):
    settings = MqttSettings(host="127.0.0.1", port=free_port(), ca_file=tmp_path / "missing.crt")
    with pytest.raises(MessagingError, match=r"mqtt\.ca_file"):
        open_connection(settings, None, "appliance-pi-test", None, 5.0)


def test_port_follows_tls_unless_it_is_set(tmp_path):
    assert broker_port(MqttSettings()) == 1883
    assert broker_port(MqttSettings(tls=True)) == broker_port(MqttSettings(ca_file=tmp_path)) == 8883
    assert broker_port(MqttSettings(tls=True, port=1884)) == 1884


# paho's versions for which BoundedClient, which overrides private members, was tested.
PAHO_VERSIONS = ("2.2",)


def test_bounded_client_was_tested_with_this_paho():
    assert version("paho-mqtt").rpartition(".")[0] in PAHO_VERSIONS
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "paho-mqtt>=2.2,<2.3" in project["dependencies"]


@pytest.fixture
def hostile(wake):
    """Return a function that connects to a broker which sends these bytes; it returns the connection and the broker."""
    opened = []

    def connect(packet, protocol="3.1.1"):
        broker = ScriptedBroker(on_subscribed=lambda client: client.sendall(packet))
        settings = MqttSettings(host=broker.host, port=broker.port, protocol=protocol)
        connection = open_connection(settings, None, "appliance-pi-test", None, 5.0)
        opened.extend((connection, broker))
        wait_for(connection, wake, Connected)
        connection.subscribe([TOPIC])
        return connection

    yield connect
    for connection, broker in zip(opened[::2], opened[1::2], strict=True):
        connection.close(farewell=False)
        broker.__exit__()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("size_bytes", [MAXIMUM_PACKET_BYTES + 1, 100_000_000, 268_435_455])
def test_packet_that_is_too_large_ends_the_connection_unread(hostile, wake, size_bytes, protocol):
    packet = publish_packet(TOPIC, bytes(10_000), announce=size_bytes, mqtt5=protocol == "5")
    connection = hostile(packet, protocol)
    wait_for(connection, wake, Disconnected)
    [oversized] = [event for event in connection.events if isinstance(event, Oversized)]
    assert oversized == Oversized(TOPIC, size_bytes)
    assert not any(isinstance(event, Received) for event in connection.events)
    assert len(connection._client._in_packet["packet"]) == 0


def test_packet_of_the_largest_size_is_read(hostile, wake):
    payload = bytes(MAXIMUM_PACKET_BYTES - 2 - len(TOPIC))
    assert len(wait_for(hostile(publish_packet(TOPIC, payload, mqtt5=False)), wake, Received).payload) == len(payload)


@pytest.mark.parametrize("kind", [0x20, 0x40, 0x90, 0xE0])
def test_other_packet_that_is_too_large_ends_the_connection(hostile, wake, kind):
    packet = bytes([kind]) + publish_packet(TOPIC, b"", announce=200_000_000)[1:]
    connection = hostile(packet)
    wait_for(connection, wake, Disconnected)
    assert Oversized("", 200_000_000) in connection.events


def test_message_with_qos_2_ends_the_connection(hostile, wake):
    packet = bytearray(publish_packet(TOPIC, b"payload", mqtt5=False))
    packet[0] |= 4
    connection = hostile(bytes(packet))
    wait_for(connection, wake, Disconnected)
    assert connection._client._in_messages == {}


def test_topic_that_is_not_utf_8_is_ignored(hostile, wake):
    packet = publish_packet("AAAA", b"", mqtt5=False).replace(b"AAAA", b"\xff\xfe\xff\xfe")
    connection = hostile(packet + publish_packet(TOPIC, b"next", mqtt5=False))
    assert wait_for(connection, wake, Received).payload == b"next"


def test_connect_announces_the_largest_packet(wake):
    with ScriptedBroker() as broker:
        settings = MqttSettings(host=broker.host, port=broker.port)
        connection = open_connection(settings, None, "appliance-pi-test", None, 5.0)
        wait_for(connection, wake, Connected)
        # Maximum Packet Size is property 0x27 (MQTT 5.0, 3.1.2.11.4).
        assert b"\x27" + MAXIMUM_PACKET_BYTES.to_bytes(4, "big") in broker.connect_properties[0]
        connection.close(farewell=False)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_user_properties_of_a_message_are_sent_with_mqtt_5(broker, connect, wake, protocol):
    properties = (("event", "id-1"), ("label", "Crème"))
    connection = connect(protocol=protocol)
    connection.subscribe([TOPIC])
    wait_for(connection, wake, Subscribed)
    connection.publish(Outgoing(TOPIC, b"jpeg", 0, user_properties=properties))
    assert wait_for(connection, wake, Received).user_properties == (properties if protocol == "5" else ())
