"""Test commands over MQTT: which run, which are rejected with which error, and how they are answered."""

from concurrent.futures import Future
from dataclasses import dataclass

import pytest

from appliance.errors import ApplianceError, CommandError
from appliance.messaging.command_messages import Commands, parse_command
from appliance.messaging.topics import Topics
from support.messaging import ManualTimers

T = Topics("appliance", "pi-1")


@dataclass(frozen=True, slots=True)
class Sent:
    topic: str
    payload: bytes = b""
    retained: bool = False


class Device:
    """Records the commands."""

    def __init__(self, result=None):
        self.done, self.answers, self.timers = [], [], ManualTimers()
        handlers = {name: self._handler(name, result) for name in T.commands}
        self.commands = Commands(
            T,
            handlers,
            lambda message, answer: self.answers.append(answer),
            start_timer=self.timers.start,
            clock=self.timers.clock,
        )

    def _handler(self, name, result):
        def handle(value):
            if isinstance(result, Exception):
                raise result
            self.done.append((name, value))
            return result

        return handle

    def get(self, topic, payload=b"", **more):
        self.commands.handle(Sent(topic, payload, **more))


@pytest.mark.parametrize(
    ("topic", "payload", "name", "value"),
    [
        (T.threshold_set, b"0.55", "threshold", 0.55),
        (T.threshold_set, b" 1\n", "threshold", 1.0),
        (T.threshold_set, b"0", "threshold", 0.0),
        (T.threshold_set, b".5", "threshold", 0.5),
        (T.threshold_set, b"5e-1", "threshold", 0.5),
        (T.threshold_set, b"default", "threshold", None),
        (T.running_set, b"ON", "running", True),
        (T.running_set, b"OFF", "running", False),
        (T.model_check, b"", "check", None),
        (T.model_rollback, b"PRESS", "rollback", None),
        (T.snapshot_get, b"PRESS", "snapshot", None),
        (T.restart, b"", "restart", None),
        (T.model_install, b"latest", "install", "latest"),
        (T.model_install, b"2.0.1rc1+local.5", "install", "2.0.1rc1+local.5"),
        (T.model_install, b"sha256:0123456789ab", "install", "sha256:0123456789ab"),
    ],
)
def test_a_good_command_is_carried_out_and_answered(topic, payload, name, value):
    device = Device()
    device.get(topic, payload)
    assert device.done == [(name, value)]
    assert device.answers == [{"ok": True}]


@pytest.mark.parametrize(
    ("topic", "payload", "part"),
    [
        (T.threshold_set, b"1.01", "from 0 to 1"),
        (T.threshold_set, b"-0.1", "from 0 to 1"),
        (T.threshold_set, b"0,5", "a decimal point, not a comma"),
        (T.threshold_set, b"nan", "from 0 to 1"),
        (T.threshold_set, b"inf", "from 0 to 1"),
        (T.threshold_set, b"1e999", "from 0 to 1"),
        (T.threshold_set, b"0_1", "from 0 to 1"),
        (T.threshold_set, "٠".encode(), "from 0 to 1"),
        (T.threshold_set, b"", "not an empty payload"),
        (T.threshold_set, b"0.5\x00", "from 0 to 1"),
        (T.threshold_set, b"\xff\xfe", "UTF-8"),
        (T.threshold_set, b"0" * 100_000, "100000 bytes"),
        (T.running_set, b"on please", "ON or OFF"),
        (T.running_set, b"", "ON or OFF"),
        (T.running_set, b"1", "ON or OFF"),
        (T.model_check, b"now", "empty or PRESS"),
        (T.restart, b"{}", "empty or PRESS"),
        (T.snapshot_get, b"press", "empty or PRESS"),
        (T.model_install, b"", "latest or a version"),
        (T.model_install, b"https://example.org/model.zip", "never a URL"),
        (T.model_install, b"../../etc/passwd", "never a URL or a path"),
        (T.model_install, b"1.0; reboot", "latest or a version"),
        (T.model_install, b"v" * 200, "latest or a version"),
    ],
)
def test_a_bad_payload_changes_nothing_and_gets_a_sentence(topic, payload, part):
    device = Device()
    device.get(topic, payload)
    assert device.done == []
    [answer] = device.answers
    assert answer["ok"] is False
    assert part in answer["error"]
    assert len(answer["error"]) < 200 and answer["error"].isprintable()


def test_retained_command_is_ignored_and_logged_once(caplog):
    device = Device()
    for _ in range(3):
        device.get(T.restart, b"PRESS", retained=True)
    device.get(T.running_set, b"OFF", retained=True)
    assert device.done == device.answers == []
    assert [record.args[0] for record in caplog.records] == [T.restart, T.running_set]
    device.get(T.restart, b"PRESS")
    assert device.done == [("restart", None)]


def test_a_handlers_refusal_is_the_answer():
    device = Device(ApplianceError("There is no previous model to go back to."))
    device.get(T.model_rollback)
    assert device.answers == [{"ok": False, "error": "There is no previous model to go back to."}]


def test_a_fault_in_a_handler_is_answered_and_does_not_get_out(caplog):
    device = Device(ZeroDivisionError("secret detail"))
    device.get(T.model_check)
    [answer] = device.answers
    assert answer["ok"] is False and "log" in answer["error"] and "secret" not in answer["error"]
    assert caplog.records[-1].exc_info


def test_long_work_is_answered_when_it_is_done():
    work = Future()
    device = Device(work)
    device.get(T.model_install, b"latest")
    assert device.answers == []
    work.set_result(None)
    assert device.answers == [{"ok": True}]


def test_long_work_that_fails_says_why():
    work = Future()
    device = Device(work)
    device.get(T.model_install, b"9.9")
    work.set_exception(ApplianceError("The source offers no version 9.9."))
    assert device.answers == [{"ok": False, "error": "The source offers no version 9.9."}]


def test_long_work_that_is_given_up_is_answered():
    work = Future()
    device = Device(work)
    device.get(T.model_install, b"latest")
    work.cancel()
    [answer] = device.answers
    assert answer["ok"] is False and "canceled" in answer["error"]


def test_other_topics_are_passed_over():
    device = Device()
    device.get(T.state, b"ON")
    device.get(T.homeassistant_status, b"online")
    assert device.done == device.answers == []


def test_payload_is_quoted_without_control_characters():
    with pytest.raises(CommandError) as caught:
        parse_command("running", b"\x1b[31mred\nline")
    assert str(caught.value).isprintable()


def test_flood_runs_the_last_of_each_command_and_is_logged_once(caplog):
    caplog.set_level("INFO")
    device = Device()
    for number in range(20_000):
        device.get(T.threshold_set, str(number / 20_000).encode())
        device.get(T.running_set, b"ON" if number % 2 else b"OFF")
        device.timers.advance(10 / 20_000)
    device.timers.advance(1)
    ran = dict(device.done)
    assert ran == {"threshold": 19_999 / 20_000, "running": True}
    assert len(device.done) < 60 and len(device.answers) < 140
    assert len(caplog.records) < 10
    assert len([record for record in caplog.records if "too many commands" in record.getMessage()]) == 1
    device.timers.advance(60)
    device.get(T.running_set, b"OFF")
    assert "resolved" in caplog.records[-2].getMessage()
    assert caplog.records[-1].getMessage() == "command running: 'OFF'"


def test_flood_of_bad_payloads_is_logged_once(caplog):
    device = Device()
    for _ in range(20_000):
        device.get(T.threshold_set, b"\xff" * 200)
        device.timers.advance(10 / 20_000)
    assert device.done == []
    assert len(caplog.records) < 30 and len(device.answers) < 100


def test_flood_of_commands_that_fail_is_logged_once(caplog):
    device = Device(ApplianceError("no update source is configured"))
    for _ in range(20_000):
        device.get(T.model_check)
        device.timers.advance(10 / 20_000)
    assert len(caplog.records) < 10


def test_replaced_command_is_answered():
    device = Device()
    for number in range(7):
        device.get(T.threshold_set, f"0.{number}".encode())
    assert "newer threshold command" in device.answers[-1]["error"]
    device.timers.advance(1)
    assert device.answers[-1] == {"ok": True}
    assert len(device.answers) == 7
