"""Test the publisher with a real broker: what a subscriber sees, and that no outage loses durable messages."""

import json
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from appliance.messaging.mqtt.reconnect import ConnectionTimeouts
from appliance.messaging.outbox.outbox import Outbox
from appliance.messaging.publisher import MqttPublisher
from appliance.settings.schema import MqttSettings
from support.broker import wait_until
from support.paths import CHILD_ENVIRONMENT
from support.publisher import TOPICS, Device, device, event, logged, received_seqs


def test_an_event_arrives_and_leaves_the_outbox(tmp_path, broker):
    with broker.observer() as observer, device(tmp_path, broker) as pi:
        pi.publisher.offer(event(1))
        received = observer.wait_for(TOPICS.event)[0]
        assert json.loads(received.payload) == event(1)["payload"]
        assert (received.qos, received.retained) == (1, False)
        wait_until(lambda: pi.outbox.waiting == 0, "the event leaves the outbox")


def test_device_is_online_while_connected_then_offline(tmp_path, broker):
    with device(tmp_path, broker), broker.observer() as observer:
        observer.wait_for(TOPICS.availability, b"online")
    with broker.observer() as late:
        assert late.wait_for(TOPICS.availability)[0].payload == b"offline"
        assert late.on(TOPICS.availability)[0].retained


def test_stop_delivers_everything_and_ends_with_offline(tmp_path, broker):
    with broker.observer() as observer:
        with device(tmp_path, broker) as pi:
            wait_until(lambda: pi.publisher.connected, "connected")
            for number in range(500):
                pi.publisher.offer(event(number))
        observer.wait_for(TOPICS.availability, b"offline")
        assert observer.count(TOPICS.event) == 500
        assert observer.messages[-1].payload == b"offline"


def test_retained_values_are_sent_again_to_a_new_broker(tmp_path, broker):
    with device(tmp_path, broker) as pi:
        for value in range(5):
            pi.publisher.retain(TOPICS.threshold, str(value))
        pi.publisher.retain(TOPICS.stats, b"{}", qos=0)
        with broker.observer() as observer:
            observer.wait_for(TOPICS.threshold, b"4")
        broker.kill()
        broker.start()
        with broker.observer() as observer:
            observer.wait_for(TOPICS.threshold, b"4")
            observer.wait_for(TOPICS.stats, b"{}")
            observer.wait_for(TOPICS.availability, b"online")
            order = [message.topic for message in observer.messages]
            assert (
                order.index(TOPICS.threshold) < order.index(TOPICS.availability)
                or observer.on(TOPICS.threshold)[0].retained
            )


def test_none_clears_a_retained_value(tmp_path, broker):
    with device(tmp_path, broker) as pi, broker.observer() as observer:
        topic = TOPICS.label("daisy")
        pi.publisher.retain(topic, "ON")
        observer.wait_for(topic, b"ON")
        pi.publisher.retain(topic, None)
        observer.wait_for(topic, b"")
        with broker.observer() as late:
            late.wait_for(TOPICS.availability)
            assert late.on(topic) == []


def test_transient_messages_are_dropped_while_disconnected(tmp_path, new_broker):
    broker = new_broker(start=False)
    with device(tmp_path, broker) as pi:
        pi.publisher.send(TOPICS.labels, "before")
        wait_until(lambda: pi.publisher.error, "the broker is missed")
        broker.start()
        with broker.observer() as observer:
            wait_until(lambda: pi.publisher.connected, "connected")
            pi.publisher.send(TOPICS.labels, "after")
            assert observer.wait_for(TOPICS.labels)[0].payload == b"after"


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_commands_arrive_with_their_retained_flag(tmp_path, broker, protocol):
    with broker.observer() as observer:
        observer.publish(TOPICS.restart, "old", retain=True)
        with device(tmp_path, broker, protocol=protocol, subscriptions=[TOPICS.restart]) as pi:
            wait_until(lambda: pi.messages, "the retained message")
            observer.publish(TOPICS.restart, "new")
            wait_until(lambda: len(pi.messages) == 2, "the new message")
            assert [(message.payload, message.retained) for message in pi.messages] == [(b"old", True), (b"new", False)]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_command_sent_while_the_device_was_away_never_runs(tmp_path, broker, protocol):
    with broker.observer() as observer:
        with device(tmp_path, broker, protocol=protocol, subscriptions=[TOPICS.restart]):
            observer.wait_for(TOPICS.availability, b"online")
        observer.publish(TOPICS.restart, "while away")
        with device(tmp_path, broker, protocol=protocol, subscriptions=[TOPICS.restart]) as pi:
            observer.wait_for(TOPICS.availability, b"online", count=2)
            observer.publish(TOPICS.restart, "now")
            wait_until(lambda: pi.messages, "the message")
            assert [message.payload for message in pi.messages] == [b"now"]


def test_answers_go_below_response_with_the_correlation(tmp_path, broker):
    with broker.observer() as observer, device(tmp_path, broker, subscriptions=[TOPICS.restart]) as pi:
        wait_until(lambda: pi.publisher.connected, "connected")
        elsewhere, below = "appliance/another/threshold/set", f"{TOPICS.responses}me"
        observer.publish(TOPICS.restart, response_topic=elsewhere)
        observer.publish(TOPICS.restart, response_topic=below, correlation=b"42")
        wait_until(lambda: len(pi.messages) == 2, "both questions")
        for message in pi.messages:
            pi.publisher.answer(message, {"ok": False, "error": "no"})
        answer = observer.wait_for(below)[0]
        assert (json.loads(answer.payload), answer.correlation, answer.retained) == (
            {"ok": False, "error": "no"},
            b"42",
            False,
        )
        assert observer.on(elsewhere) == []


def test_late_delivery_is_marked(tmp_path, broker):
    now_s = time.time()
    with broker.observer() as observer, device(tmp_path, broker) as pi:
        pi.publisher.offer({**event(1), "time": now_s - 50})
        pi.publisher.offer({**event(2), "time": now_s - 61})
        fresh, late = (json.loads(message.payload) for message in observer.wait_for(TOPICS.event, count=2))
        assert "late" not in fresh
        assert late == {**event(2)["payload"], "late": True}


def test_a_handler_that_raises_does_not_end_the_thread(tmp_path, broker):
    def explode(message):
        raise RuntimeError(f"{message.topic}: a bug in a handler")

    outbox = Outbox(tmp_path / "outbox.db", 1000, 3600)
    settings = MqttSettings(host=broker.host, port=broker.port)
    publisher = MqttPublisher(settings, None, TOPICS, outbox, [TOPICS.restart], explode, "appliance-pi-test")
    thread = threading.Thread(target=publisher.run, daemon=True)
    thread.start()
    with broker.observer() as observer:
        observer.wait_for(TOPICS.availability, b"online")
        observer.publish(TOPICS.restart)
        publisher.offer(event(1))
        observer.wait_for(TOPICS.event)
        assert publisher.connected and observer.count(TOPICS.availability) == 1
    publisher.stop(5)
    thread.join(5)
    assert not thread.is_alive()
    outbox.close()


def test_payload_without_json_form_is_dropped_alone(tmp_path, broker, caplog):
    with broker.observer() as observer, device(tmp_path, broker) as pi:
        pi.publisher.offer(event(1, score=object()))
        pi.publisher.offer(event(2))
        assert json.loads(observer.wait_for(TOPICS.event)[0].payload)["seq"] == 2
    assert len(logged(caplog, "cannot be written as JSON")) == 1


def test_heartbeat_is_in_time_while_idle(tmp_path, broker):
    with device(tmp_path, broker) as pi:
        wait_until(lambda: pi.publisher.connected, "connected")
        assert pi.publisher.heartbeat.overdue() is None


def test_stop_before_run_stores_what_was_offered(tmp_path):
    outbox = Outbox(tmp_path / "outbox.db", 1000, 3600)
    publisher = MqttPublisher(MqttSettings(), None, TOPICS, outbox, [], lambda message: None, "id")
    publisher.offer(event(1))
    publisher.stop(1)
    assert outbox.waiting == 1
    outbox.close()


@pytest.fixture(autouse=True)
def _log_everything(caplog):
    caplog.set_level("INFO")


def test_killed_broker_loses_nothing_unacknowledged(tmp_path, broker, caplog):
    # The device reconnects after the second observer, because a restarted broker remembers no subscriptions.
    with device(tmp_path, broker, timeouts=ConnectionTimeouts(first_s=2.0)) as pi:
        with broker.observer() as observer:
            observer.wait_for(TOPICS.availability, b"online")
            for number in range(3000):
                pi.publisher.offer(event(number))
            observer.wait_for(TOPICS.event, count=100)
            broker.kill()
        wait_until(lambda: not pi.publisher.connected, "the loss is noticed")
        unacknowledged = pi.outbox.waiting
        assert 0 < unacknowledged <= 3000
        for number in range(3000, 3200):
            pi.publisher.offer(event(number))
        broker.start()
        with broker.observer() as observer:
            wait_until(lambda: pi.outbox.waiting == 0 and pi.publisher.connected, "everything delivered")
            wanted = set(range(3000 - unacknowledged, 3200))
            wait_until(lambda: set(received_seqs(observer)) >= wanted, "every event arrived")
        assert len(logged(caplog, "was lost")) == 1


def test_events_from_before_a_long_outage_are_late(tmp_path, new_broker):
    broker = new_broker(start=False)
    passed_s = [0.0]
    outbox = Outbox(tmp_path / "outbox.db", 1000, 604_800, since_boot_s=lambda: time.monotonic() + passed_s[0])
    # The device reconnects after the observer, because a restarted broker remembers no subscriptions.
    with device(tmp_path, broker, outbox=outbox, timeouts=ConnectionTimeouts(first_s=2.0)) as pi:
        pi.publisher.offer(event(1))
        wait_until(lambda: pi.outbox.waiting == 1 and pi.publisher.error, "written, and the broker is missed")
        passed_s[0] = 3600.0
        broker.start()
        with broker.observer() as observer:
            assert json.loads(observer.wait_for(TOPICS.event)[0].payload)["late"] is True
            pi.publisher.offer(event(2))
            assert "late" not in json.loads(observer.wait_for(TOPICS.event, count=2)[1].payload)


def test_stop_is_bounded_while_the_broker_is_frozen(tmp_path, broker):
    pi = Device(tmp_path, broker)
    wait_until(lambda: pi.publisher.connected, "connected")
    broker.freeze()
    pi.publisher.offer(event(1))
    began_s = time.monotonic()
    pi.publisher.stop(1.0)
    pi.thread.join(1.0)
    assert not pi.thread.is_alive() and time.monotonic() - began_s < 1.5
    assert pi.outbox.waiting == 1
    pi.outbox.close()


WRITER = textwrap.dedent(
    """
    import sys, threading, time
    from pathlib import Path
    from support.publisher import Device, event, HASTY

    class Where:
        host, port = "127.0.0.1", int(sys.argv[2])

    pi = Device(Path(sys.argv[1]), Where)
    number = int(sys.argv[3])
    while True:
        # Offered, and reported as written only when the outbox has committed all that was offered.
        for _ in range(7):
            pi.publisher.offer(event(number))
            number += 1
        while pi.publisher._offered:
            time.sleep(0.001)
        with pi.outbox._lock:
            print(number, flush=True)
    """
)


def test_events_written_before_kill_9_are_delivered(tmp_path, broker):
    with broker.observer() as observer:
        written = 0
        for life in range(3):
            command = [sys.executable, "-c", WRITER, str(tmp_path), str(broker.port), str(written)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=CHILD_ENVIRONMENT) as process:
                while written < 40 * (life + 1):
                    written = int(process.stdout.readline())
                process.kill()
                # Count what it printed before it died, too.
                for line in process.stdout:
                    written = int(line)
            observer.wait_for(TOPICS.availability, b"offline", count=life + 1)  # the will
        with device(tmp_path, broker) as pi:
            wait_until(lambda: pi.publisher.connected and pi.outbox.waiting == 0, "everything delivered")
            wait_until(lambda: set(range(written)) <= set(received_seqs(observer)), "every written event arrived")
        ids = {}
        for payload in observer.payloads(TOPICS.event):
            content = json.loads(payload)
            content.pop("late", None)
            assert ids.setdefault(content["seq"], content["id"]) == content["id"]


def test_ten_thousand_events_of_an_outage_all_arrive(tmp_path, new_broker, capsys):
    broker = new_broker(start=False)
    with device(tmp_path, broker) as pi:
        for number in range(10_000):
            pi.publisher.offer(event(number))
        wait_until(lambda: pi.outbox.waiting == 10_000, "all stored")
        broker.start()
        observer = broker.observer()
        began_s = time.monotonic()
        wait_until(lambda: pi.outbox.waiting == 0, "all delivered", 60)
        took_s = time.monotonic() - began_s
        # The broker drops messages from before a client subscribes, so the observer saw the last events without gaps.
        wait_until(lambda: observer.count(TOPICS.event) and received_seqs(observer)[-1] == 9_999, "the last one", 60)
        received = received_seqs(observer)
        observer.close()
    assert received == list(range(received[0], 10_000))
    with capsys.disabled():
        print(f"\n10,000 events delivered after the broker was back: {10_000 / took_s:,.0f}/s")
    assert 10_000 / took_s > 1_000
