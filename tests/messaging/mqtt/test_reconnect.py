"""When the link connects, what it reports, and what resolves a condition; without a network."""

import threading
import time

import pytest

from appliance.messaging.mqtt import errors
from appliance.messaging.mqtt.conditions import ConditionLog
from appliance.messaging.mqtt.message import Reason
from appliance.messaging.mqtt.reconnect import BrokerAddress, BrokerLink, ConnectionTimeouts
from appliance.settings.schema import MqttSettings

ADDRESS = BrokerAddress(MqttSettings(host="b"), "b:1883", "cam-1", "T/availability")
LOST = Reason(errors.UNSPECIFIED, "Unspecified error")
FAR_S = 1e9  # later than every scheduled attempt


class FakeConnection:
    """A connection that notes how it was closed."""

    def __init__(self, error_text=""):
        self.error_text = error_text
        self.farewells = []

    def close(self, *, farewell):
        self.farewells.append(farewell)


class Rig:
    """A link whose attempts give what `results` holds."""

    def __init__(self, *results):
        self.results = list(results)
        self.woken = threading.Event()
        self.conditions = ConditionLog()
        self.ended, self.explained = [], False
        self.stable = 0
        self.link = BrokerLink(
            self._open, ADDRESS, ConnectionTimeouts(), self.conditions,
            wake=self.woken.set, count_waiting=lambda: 3, on_disconnect=self._end, on_stable=self._note_stable,
        )  # fmt: skip

    def _open(self):
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    def _end(self, code):
        self.ended.append(code)
        return self.explained

    def _note_stable(self):
        self.stable += 1

    def attempt(self, now_s=FAR_S):
        """Make one attempt and adopt its result."""
        fails = isinstance(self.results[0], Exception)
        self.woken.clear()
        self.link.poll(now_s)
        assert self.woken.wait(10)
        self.link.poll(0.0 if fails else now_s)  # before the next attempt is due

    def connect(self, now_s=FAR_S):
        """Make one attempt that the broker accepts."""
        self.attempt(now_s)
        self.link.handle_connack(now_s)


@pytest.fixture
def logged(caplog):
    caplog.set_level("INFO")
    return lambda: [record.getMessage() for record in caplog.records]


def test_failed_attempt_is_reported_once_and_retried(logged):
    rig = Rig(ConnectionRefusedError(), ConnectionRefusedError(), FakeConnection())
    rig.attempt()
    rig.attempt()
    assert "no broker listens" in rig.conditions.summary
    assert not rig.link.connected
    rig.connect()
    assert rig.link.connected
    assert rig.conditions.summary is None
    assert [line for line in logged() if "no broker" in line] == logged()[:1]
    assert logged()[-1] == "connected to b:1883; 3 events waiting"


def test_next_attempt_waits():
    rig = Rig(ConnectionRefusedError())
    rig.attempt()
    rig.link.poll(rig.link.connect_at_s - 0.01)
    assert not rig.link.connecting


def test_longest_wait_includes_jitter():
    rig = Rig(*[ConnectionRefusedError()] * 50)
    waits_s = []
    for _ in range(50):
        rig.attempt()
        waits_s.append(rig.link.connect_at_s - time.monotonic())
    assert waits_s[0] <= 1.25
    assert max(waits_s) <= 30
    assert min(waits_s[10:]) >= 22


def test_silent_broker_is_given_up():
    connection = FakeConnection()
    rig = Rig(connection)
    rig.attempt(100.0)
    rig.link.poll(109.9)
    assert rig.link.connection is connection
    rig.link.poll(110.0)
    assert rig.link.connection is None
    assert "does not answer" in rig.conditions.summary
    assert connection.farewells == [False]


def test_refusal_is_reported():
    rig = Rig(FakeConnection())
    rig.attempt()
    rig.link.handle_refusal(Reason(errors.CLIENT_ID_INVALID, "Client identifier not valid"))
    assert "mqtt.client_id" in rig.conditions.summary
    assert rig.link.connection is None


def test_tls_alert_outlasts_an_attempt_without_it():
    rig = Rig(FakeConnection("tlsv13 alert certificate required"), FakeConnection())
    for _ in range(2):
        rig.attempt()
        rig.link.handle_disconnect(LOST, FAR_S)
        assert "wants a client certificate" in rig.conditions.summary


def test_takeover_is_resolved_only_by_a_stable_connection(logged):
    rig = Rig(FakeConnection(), FakeConnection())
    rig.connect(100.0)
    rig.link.handle_disconnect(Reason(errors.SESSION_TAKEN_OVER, "Session taken over"), 101.0)
    assert "another client" in rig.conditions.summary
    rig.connect()
    assert "another client" in rig.conditions.summary
    rig.link.poll(FAR_S + ConnectionTimeouts().stable_s)
    assert rig.conditions.summary is None
    assert rig.stable == 1


def test_short_connections_in_a_row_are_flapping():
    rig = Rig(*(FakeConnection() for _ in range(3)))
    for _ in range(3):
        rig.connect()
        rig.link.handle_disconnect(LOST, FAR_S + 1)
        assert rig.link.had_short_connection
    assert "again and again" in rig.conditions.summary


def test_explained_end_reports_nothing_of_its_own():
    rig = Rig(FakeConnection())
    rig.explained = True
    rig.connect()
    rig.link.handle_disconnect(Reason(errors.NOT_AUTHORIZED, "Not authorized"), FAR_S + 1)
    assert rig.ended == [errors.NOT_AUTHORIZED]
    assert rig.conditions.summary is None
    assert not rig.link.had_short_connection


def test_retired_link_starts_no_attempt():
    rig = Rig()
    rig.link.retire()
    rig.link.poll(FAR_S)
    assert not rig.link.connecting
