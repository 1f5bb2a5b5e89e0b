"""Test reports and commands over a real broker, as an MQTT client sees them."""

import json
import threading
from contextlib import closing

import pytest

from appliance.bundle.identity import ModelIdentity
from appliance.errors import ApplianceError
from appliance.labeling.tracker import EventProgress
from appliance.messaging.command_messages import Commands
from appliance.messaging.home_assistant.announcer import start_timer
from appliance.messaging.outbox.outbox import Outbox
from appliance.messaging.publisher import MqttPublisher
from appliance.messaging.reports import Reports
from appliance.messaging.topics import Topics
from appliance.settings.schema import DeviceSettings, MqttSettings, Settings
from support.broker import wait_until
from support.messaging import FLOWERS, ended, frame, seen, started

T = Topics("appliance", "pi-1")


def _sooner(delay_s, act):
    """Start a real timer with a tenth of the delay."""
    return start_timer(delay_s / 10, act)


class Device:
    """Publisher, reports and commands, connected as in the service; records the commands."""

    def __init__(self, broker, folder, **mqtt):
        mqtt = {"host": broker.host, "port": broker.port, "labels_per_s": 100} | mqtt
        settings = Settings(DeviceSettings("pi-1"), mqtt=MqttSettings(**mqtt))
        self.done = []
        self.outbox = Outbox(folder / "outbox.db", 1000, 3600)
        wanted = [*T.commands.values(), T.homeassistant_status]
        self.publisher = MqttPublisher(settings.mqtt, None, T, self.outbox, wanted, self._arrived, "appliance-pi-1")
        self.reports = Reports(self.publisher, T, settings, "boot-1", folder, start_timer=_sooner)
        handlers = {name: lambda value, name=name: self.done.append((name, value)) for name in T.commands}
        handlers |= {"rollback": self._refuse, "snapshot": lambda _: self.reports.request_snapshot()}
        self.commands = Commands(T, handlers, self.publisher.answer)
        self._thread = threading.Thread(target=self.publisher.run, daemon=True)
        self._thread.start()

    def _arrived(self, message):
        if message.topic == T.homeassistant_status:
            self.reports.handle_homeassistant_status(message.payload)
        else:
            self.commands.handle(message)

    def _refuse(self, _):
        raise ApplianceError("there is no previous model to go back to")

    def connected(self):
        wait_until(lambda: self.publisher.connected, "the publisher is connected")
        return self

    def stop(self):
        self.reports.close()
        self.publisher.stop(5)
        self._thread.join(5)
        self.outbox.close()


@pytest.fixture
def device(broker, tmp_path):
    made = Device(broker, tmp_path)
    yield made.connected()
    made.stop()


def test_subscriber_sees_a_label_start_and_end(broker, device):
    with broker.observer("#") as seen_there:
        device.reports.use_model(FLOWERS, ["rose", "tulip"], [True, True])
        seen_there.wait_for(T.discovery)
        device.reports.report_threshold(0.5)
        device.reports.report_running(True)
        device.reports.report_frame(frame(1), seen("rose"), 9.0, [started("rose")], {"id-1": EventProgress(0.9)}, bytes)
        seen_there.wait_for(T.label("rose"), b"ON")
        device.reports.report_frame(frame(2, 5), [], 9.0, [ended("rose")], {}, bytes)
        seen_there.wait_for(T.event, count=2)
        wait_until(lambda: json.loads(seen_there.last(T.state))["label"] is None, "no label is on any more")
        start, end = (json.loads(payload) for payload in seen_there.payloads(T.event))
        assert (start["type"], end["type"], start["id"]) == ("started", "ended", end["id"])
        assert "late" not in start
        assert all(message.qos == 1 and not message.retained for message in seen_there.on(T.event))
        assert seen_there.payloads(T.label("rose"))[-2:] == [b"ON", b"OFF"]
        assert [json.loads(payload)["frame"] for payload in seen_there.payloads(T.labels)] == [1, 2]
    with broker.observer("#") as later:
        later.wait_for(T.discovery)
        later.wait_for(T.running, b"ON")
        later.wait_for(T.availability, b"online")
        later.wait_for(T.threshold, b"0.5")
        later.wait_for(T.label("tulip"), b"OFF")
        assert all(message.retained for message in later.messages)
        assert {T.event, T.labels}.isdisjoint(message.topic for message in later.messages)


def test_picture_precedes_its_event_and_the_labels_topic(broker, tmp_path):
    device = Device(broker, tmp_path, snapshots=True, discovery=False).connected()
    device.reports.use_model(FLOWERS, ["rose"], [True])
    with broker.observer("appliance/#") as client:
        client.wait_for(T.label("rose"), b"OFF")
        wait_until(lambda: device.publisher._delivery.is_idle, "nothing waits")
        for number in range(1, 6):
            start, end = started("rose", id=f"id-{number}"), ended("rose", id=f"id-{number}")
            before = len(client.messages)
            device.reports.report_frame(
                frame(number, number), seen("rose"), 9.0, [start], {start.id: EventProgress(0.9)}, lambda: b"\xff\xd8"
            )
            client.wait_for(T.label("rose"), b"ON", count=number)
            topics = [message.topic for message in client.messages[before:]]
            wanted = [T.snapshot, T.event, T.label("rose")]
            assert [topic for topic in topics if topic in wanted] == wanted
            assert json.loads(client.last(T.event))["snapshot"] is True
            properties = dict(client.on(T.snapshot)[-1].user_properties)
            assert (properties["event"], properties["label"]) == (start.id, "rose")
            assert properties["time"].startswith("2026-01-01T12:00:0")
            device.reports.report_frame(frame(number, number + 0.5), [], 9.0, [end], {}, bytes)
            client.wait_for(T.label("rose"), b"OFF", count=number + 1)
    device.stop()


def test_picture_is_not_sent_again_after_a_reconnect(broker, tmp_path):
    device = Device(broker, tmp_path, snapshots=True).connected()
    device.reports.use_model(FLOWERS, ["rose"], [True])
    device.reports.report_frame(frame(1), seen("rose"), 9.0, [started("rose")], {}, lambda: b"\xff\xd8")
    with broker.observer("appliance/#") as client:
        client.wait_for(T.snapshot)
    broker.kill()
    wait_until(lambda: not device.publisher.connected, "the loss is noticed")
    broker.start()
    with broker.observer("appliance/#") as client:
        client.wait_for(T.label("rose"), b"ON")
        client.wait_for(T.availability, b"online")
        wait_until(lambda: device.publisher._delivery.is_idle, "nothing waits")
        assert client.on(T.snapshot) == []
    device.stop()


def test_a_swap_leaves_nothing_of_the_old_labels_on_the_broker(broker, device):
    device.reports.use_model(FLOWERS, ["rose", "tulip"], [True, True])
    device.reports.use_model(ModelIdentity("birds", "2", "cd" * 32), ["rose", "sparrow"], [True, True])
    device.reports.report_running(True)
    with broker.observer(T.running) as ready:
        ready.wait_for(T.running, b"ON")
    with broker.observer("appliance/#") as later:
        later.wait_for(T.label("sparrow"), b"OFF")
        later.wait_for(T.running)
        left = {message.topic for message in later.messages if "/label/" in message.topic}
        assert left == {T.label("rose"), T.label("sparrow")}


def test_commands_are_answered_below_the_devices_topic(broker, device):
    answers_to = T.responses + "me"
    with broker.observer("#") as client:
        client.publish(T.threshold_set, "0.7", response_topic=answers_to, correlation=b"one")
        client.publish(T.threshold_set, "0,7", response_topic=answers_to, correlation=b"two")
        client.publish(T.model_rollback, "PRESS", response_topic=answers_to, correlation=b"three")
        client.publish(T.running_set, "OFF", response_topic="somewhere/else")
        client.publish(T.running_set, "ON", response_topic="appliance/pi-2/response/me")
        client.publish(T.restart, "", response_topic=answers_to, correlation=b"last")
        answers = {answer.correlation: json.loads(answer.payload) for answer in client.wait_for(answers_to, count=4)}
        assert answers[b"one"] == answers[b"last"] == {"ok": True}
        assert answers[b"two"]["ok"] is False and "comma" in answers[b"two"]["error"]
        assert answers[b"three"] == {"ok": False, "error": "there is no previous model to go back to"}
        assert device.done == [("threshold", 0.7), ("running", False), ("running", True), ("restart", None)]
        assert not client.on("somewhere/else") and not client.on("appliance/pi-2/response/me")


def test_a_snapshot_on_command_is_answered_when_it_was_taken(broker, device):
    device.reports.use_model(FLOWERS, ["rose"], [True])
    with broker.observer("appliance/#") as client:
        client.publish(T.snapshot_get, "PRESS", response_topic=T.responses + "me")

        def a_frame_later():
            device.reports.report_frame(frame(), [], 9.0, [], {}, lambda: b"\xff\xd8 picture")
            return client.on(T.responses + "me")

        wait_until(a_frame_later, "the command is answered")
        assert client.wait_for(T.snapshot, b"\xff\xd8 picture")
        assert json.loads(client.last(T.responses + "me")) == {"ok": True}


def test_retained_command_on_the_broker_is_ignored(broker, tmp_path):
    with broker.observer("appliance/#") as client:
        client.publish(T.restart, "PRESS", retain=True, response_topic=T.responses + "me")
        device = Device(broker, tmp_path).connected()
        client.publish(T.model_check, "", response_topic=T.responses + "me")
        client.wait_for(T.responses + "me")
        assert device.done == [("check", None)]
        device.stop()


def test_live_command_with_retain_is_ignored(broker, tmp_path):
    with broker.observer("appliance/#") as client:
        device = Device(broker, tmp_path).connected()
        client.publish(T.restart, "PRESS", retain=True, response_topic=T.responses + "me")
        client.publish(T.model_check, "", response_topic=T.responses + "me")
        client.wait_for(T.responses + "me")
        assert device.done == [("check", None)]
        device.stop()


def test_home_assistant_coming_back_gets_the_announcement_again(broker, device):
    device.reports.use_model(FLOWERS, ["rose"], [True])
    with broker.observer("homeassistant/#") as client:
        client.wait_for(T.discovery)
        client.publish(T.homeassistant_status, "online")
        client.wait_for(T.discovery, count=2)


def test_state_is_empty_and_offline_after_a_stop(broker, tmp_path):
    device = Device(broker, tmp_path).connected()
    device.reports.use_model(FLOWERS, ["rose"], [True])
    device.reports.report_frame(frame(1), seen("rose"), 9.0, [started("rose")], {"id-1": EventProgress(0.9)}, bytes)
    device.reports.report_ended([ended("rose", reason="stop")])
    device.stop()
    with broker.observer("appliance/#") as later:
        later.wait_for(T.availability, b"offline")
        assert later.wait_for(T.label("rose"))[0].payload == b"OFF"
        assert json.loads(later.wait_for(T.state)[0].payload)["label"] is None


def test_event_of_a_dead_process_ends_at_the_next_start(broker, tmp_path):
    dead = Device(broker, tmp_path).connected()
    with broker.observer("appliance/#") as client:
        dead.reports.use_model(FLOWERS, ["rose"], [True])
        dead.reports.report_frame(frame(1), seen("rose"), 9.0, [started("rose")], {"id-1": EventProgress(0.9)}, bytes)
        dead.reports.report_frame(frame(2, 0.5), seen("rose"), 9.0, [], {"id-1": EventProgress(0.93)}, bytes)
        client.wait_for(T.event)
        # Equivalent to a kill: its event is never ended. Only the lock on the outbox must be released, as a kill does.
        dead.publisher.stop(5)
        dead.outbox.close()
        device = Device(broker, tmp_path)
        device.reports.end_unfinished(device.outbox.open_events())
        device.reports.use_model(FLOWERS, ["rose"], [True])
        client.wait_for(T.event, count=2)
        start, end = (json.loads(payload) for payload in client.payloads(T.event))
        assert (end["id"], end["type"], end["reason"], end["peak_score"]) == (start["id"], "ended", "restart", 0.93)
        assert end["ended"] == "2026-01-01T12:00:00.500Z"
        wait_until(lambda: client.last(T.label("rose")) == b"OFF", "its topic is OFF")
        device.stop()
        with closing(Outbox(tmp_path / "outbox.db", 1000, 3600)) as left:
            assert left.open_events() == []
