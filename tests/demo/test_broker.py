"""Test the demo's broker: messages from any client reach its subscriber, and closing it frees everything."""

import queue
import subprocess
import sys
import threading

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from support.paths import CHILD_ENVIRONMENT

pytest.importorskip("amqtt")

from appliance.demo.broker import LocalBroker


@pytest.fixture
def received():
    return queue.Queue()


@pytest.fixture
def broker(received):
    broker = LocalBroker("appliance/demo/#", lambda topic, payload: received.put((topic, payload)))
    yield broker
    broker.close()


def publish(port, *messages):
    """Publish (topic, payload) pairs as an MQTT 3.1.1 client, and wait for the broker's acknowledgments."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        for topic, payload in messages:
            client.publish(topic, payload, qos=1).wait_for_publish(10)
    finally:
        client.disconnect()
        client.loop_stop()


def test_messages_of_the_filter_arrive_in_order(broker, received):
    publish(
        broker.port,
        ("appliance/demo/event", b'{"id": 1}'),
        ("appliance/other/event", b"not this"),
        ("appliance/demo/update", b"\x00\xff"),
    )
    assert received.get(timeout=10) == ("appliance/demo/event", b'{"id": 1}')
    assert received.get(timeout=10) == ("appliance/demo/update", b"\x00\xff")


def test_two_brokers_have_ports_of_their_own(broker):
    other = LocalBroker("#", lambda topic, payload: None)
    try:
        assert other.port != broker.port
    finally:
        other.close()


def test_closed_broker_has_no_thread_and_no_port():
    before = set(threading.enumerate())
    broker = LocalBroker("#", lambda topic, payload: None)
    broker.close()
    assert set(threading.enumerate()) <= before
    with pytest.raises(ConnectionRefusedError):
        publish(broker.port)


def test_missing_library_names_what_to_install():
    program = """
import sys
sys.modules["amqtt"] = None
from appliance.cli import main
sys.exit(main(["demo", "--seconds", "1"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=CHILD_ENVIRONMENT)
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install '.[demo]'" in done.stderr
    assert "Traceback" not in done.stderr
