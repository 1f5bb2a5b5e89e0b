"""Test when the link connects, what it reports, and what resolves a condition, without and with a network."""

import contextlib
import socket
import threading
import time

import pytest

from appliance.messaging.mqtt import errors
from appliance.messaging.mqtt.conditions import ConditionLog
from appliance.messaging.mqtt.message import Reason
from appliance.messaging.mqtt.reconnect import BrokerAddress, BrokerLink, ConnectionTimeouts
from appliance.settings.schema import MqttSettings
from support.broker import wait_until
from support.publisher import TOPICS, device, event, logged, scripted
from support.scripted_broker import ScriptedBroker

ADDRESS = BrokerAddress(MqttSettings(host="b"), "b:1883", "appliance-cam-1", "T/availability", "cam-1")
LOST = Reason(errors.UNSPECIFIED, "Unspecified error")
FAR_S = 1e9  # later than every scheduled attempt


class FakeConnection:
    """A connection that records how it was closed."""

    def __init__(self, error_text=""):
        self.error_text = error_text
        self.farewells = []

    def close(self, *, farewell):
        self.farewells.append(farewell)


class Rig:
    """A link whose attempts return or raise the entries of `results`."""

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

    def _end(self, reason, short):
        self.ended.append((reason.code if reason else None, short))
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
def log_lines(caplog):
    caplog.set_level("INFO")
    return lambda: [record.getMessage() for record in caplog.records]


def test_failed_attempt_is_reported_once_and_retried(log_lines):
    rig = Rig(ConnectionRefusedError(), ConnectionRefusedError(), FakeConnection())
    rig.attempt()
    rig.attempt()
    assert "no broker is listening" in rig.conditions.summary
    assert not rig.link.connected
    rig.connect()
    assert rig.link.connected
    assert rig.conditions.summary is None
    assert [line for line in log_lines() if "no broker" in line] == log_lines()[:1]
    assert log_lines()[-1] == "connected to b:1883; 3 events waiting"


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
        assert "requires a client certificate" in rig.conditions.summary


def test_takeover_is_resolved_only_by_a_stable_connection(log_lines):
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
        assert rig.ended[-1] == (errors.UNSPECIFIED, True)
    assert "keeps closing the connection" in rig.conditions.summary


def test_first_short_connection_after_an_outage_is_replaced_soon():
    rig = Rig(*[ConnectionRefusedError()] * 6, *[FakeConnection() for _ in range(5)])
    for _ in range(6):
        rig.attempt()
    waits_s = []
    for _ in range(5):
        rig.connect()
        rig.link.handle_disconnect(LOST, FAR_S + 1)
        waits_s.append(rig.link.connect_at_s - time.monotonic())
    assert waits_s[0] <= 1.3  # an outage says nothing about the connections after it
    assert waits_s[4] > 8  # but connections that end early do


def test_explained_end_reports_nothing_of_its_own():
    rig = Rig(FakeConnection())
    rig.explained = True
    rig.connect()
    rig.link.handle_disconnect(Reason(errors.NOT_AUTHORIZED, "Not authorized"), FAR_S + 1)
    assert rig.ended == [(errors.NOT_AUTHORIZED, True)]
    assert rig.conditions.summary is None


def test_retired_link_starts_no_attempt():
    rig = Rig()
    rig.link.retire()
    rig.link.poll(FAR_S)
    assert not rig.link.connecting


@pytest.fixture(autouse=True)
def _log_everything(caplog):
    caplog.set_level("INFO")


def test_a_broker_that_is_down_at_start_costs_nothing(tmp_path, new_broker, caplog):
    broker = new_broker(start=False)
    with device(tmp_path, broker) as pi:
        for number in range(300):
            pi.publisher.offer(event(number))
        wait_until(lambda: pi.publisher.error, "the broker is missed")
        attempts = pi.publisher.error
        assert (
            attempts
            == f"no broker is listening at 127.0.0.1:{broker.port}; start it, or correct mqtt.host and mqtt.port"
        )
        time.sleep(0.5)  # time for more attempts, none of which is logged
        broker.start()
        with broker.observer() as observer:
            observer.wait_for(TOPICS.availability, b"online")
            wait_until(lambda: pi.outbox.waiting == 0, "everything delivered")
        assert pi.publisher.error is None
        assert len(logged(caplog, "no broker is listening")) == 1
        assert logged(caplog, "connected to") == [f"connected to 127.0.0.1:{broker.port}; 300 events waiting"]


def test_refused_credentials_are_reported_once_without_secret(tmp_path, new_broker, caplog):
    caplog.set_level("DEBUG")
    broker = new_broker(passwords={"cam": "right"})
    with device(tmp_path, broker, username="cam", password="s3cret-and-wrong") as pi:
        pi.publisher.offer(event(1))
        wait_until(lambda: pi.publisher.error, "refused")
        assert "refuses the account cam" in pi.publisher.error and "mqtt.password_file" in pi.publisher.error
        wait_until(
            lambda: broker.log().count("not authorised") + broker.log().count("Not authorized") >= 3, "three attempts"
        )
        broker.write_passwords({"cam": "s3cret-and-wrong"})
        wait_until(lambda: pi.publisher.connected and pi.outbox.waiting == 0, "delivered")
    assert len(logged(caplog, "refuses the account")) == 1
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_another_client_with_the_same_id_is_reported(tmp_path, broker, caplog, protocol):
    with device(tmp_path, broker, protocol=protocol) as pi:
        wait_until(lambda: pi.publisher.connected, "connected")
        before = broker.log().count(" as appliance-pi-test ")
        with device(tmp_path / "other", broker, protocol=protocol) as other:
            end_s = time.monotonic() + 2.0
            wait_until(lambda: "id appliance-pi-test" in (pi.publisher.error or ""), "reported by the first")
            wait_until(lambda: "id appliance-pi-test" in (other.publisher.error or ""), "reported by the second")
            pi.publisher.offer(event(1))
            time.sleep(max(0.0, end_s - time.monotonic()))
            assert "client" in pi.publisher.error  # a short connection does not resolve it
            # Without back-off, two local clients disconnect each other hundreds of times per second.
            assert broker.log().count(" as appliance-pi-test ") - before < 40
            # Each of the two clients logs the takeover once.
            assert len(logged(caplog, "another client")) == 2
        wait_until(lambda: pi.publisher.error is None, "resolved by a stable connection")
        wait_until(lambda: pi.outbox.waiting == 0, "the event was delivered")
        assert pi.publisher.connected


@pytest.mark.slow
def test_frozen_broker_is_noticed_and_events_are_sent_again(tmp_path, broker, caplog):
    with device(tmp_path, broker, keepalive_s=5) as pi:
        wait_until(lambda: pi.publisher.connected, "connected")
        broker.freeze()
        pi.publisher.offer(event(1))
        wait_until(lambda: not pi.publisher.connected, "the silence is noticed within two keepalives", 15)
        assert pi.outbox.waiting == 1
        broker.thaw()
        wait_until(lambda: pi.publisher.connected and pi.outbox.waiting == 0, "delivered")
        assert len(logged(caplog, "connected to")) == 2


def served(answer: bytes) -> socket.socket:
    """Start a server that answers the first bytes of each client with `answer` and keeps the connection open."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.ExitStack() as clients:  # an unclosed socket would be reported in some later test
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                clients.enter_context(client)
                client.recv(1024)
                client.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return server


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"", "accepts connections but does not answer"),
        (b"\x20\x02\x00\x01", 'does not support MQTT 5; set mqtt.protocol = "3.1.1"'),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "accepts connections but does not answer"),
    ],
)
def test_server_of_another_protocol_is_reported(tmp_path, answer, sentence):
    server = served(answer)
    with server, device(tmp_path, None, host="127.0.0.1", port=server.getsockname()[1]) as pi:
        wait_until(lambda: pi.publisher.error, sentence)
        assert sentence in pi.publisher.error


def test_unknown_host_is_reported_and_events_are_stored(tmp_path):
    with device(tmp_path, None, host="no-such-broker.invalid", port=1883) as pi:
        pi.publisher.offer(event(1))
        wait_until(lambda: pi.outbox.waiting == 1, "stored")
        wait_until(lambda: pi.publisher.error, "reported")
        assert "the broker's host name no-such-broker.invalid cannot be resolved" in pi.publisher.error


def test_events_are_stored_while_a_connection_attempt_hangs(tmp_path):
    # A listener whose queue is full: the kernel ignores further connections, like a firewall that drops packets.
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        with device(tmp_path, None, host="127.0.0.1", port=server.getsockname()[1]) as pi:
            wait_until(lambda: pi.publisher._link.connecting, "an attempt hangs")
            pi.publisher.offer(event(1))
            wait_until(lambda: pi.outbox.waiting == 1, "stored", deadline_s=1.0)
        for filler in fillers:
            filler.close()


def test_takeover_is_reported_once(tmp_path, caplog):
    # DISCONNECT with reason code 0x8E, session taken over (MQTT 5.0, 3.14.2.1), on each connection.
    with (
        scripted(b"\x20\x03\x00\x00\x00", b"\xe0\x02\x8e\x00") as (port, published),
        device(tmp_path, None, host="127.0.0.1", port=port) as pi,
    ):
        wait_until(lambda: len(published) >= 4, "some connections")
        sentence = "with the id appliance-pi-test and takes over the connection"
        assert sentence in pi.publisher.error
        assert len(logged(caplog, sentence)) == 1
        assert len(logged(caplog, "connected to")) == 1


QUIET = ConnectionTimeouts(first_s=0.05, longest_s=0.1, answer_s=2.0, stable_s=0.2, refused_s=0.5, silent_s=0.6)


def test_broker_that_acknowledges_nothing_is_given_up_and_named_once(tmp_path, caplog):
    answers = [None]
    with ScriptedBroker(lambda message: answers[0]) as broker, device(tmp_path, broker, timeouts=QUIET) as pi:
        pi.publisher.offer(event(1))
        wait_until(lambda: broker.connections >= 4, "new connections")
        assert "acknowledged nothing" in pi.publisher.error
        assert len(logged(caplog, "acknowledged nothing")) == 1
        assert len(logged(caplog, "connected to")) == 1
        answers[0] = 0
        wait_until(lambda: pi.outbox.waiting == 0 and pi.publisher.error is None, "delivered, and resolved")
        assert len(logged(caplog, "connected to")) == 2


def test_broker_that_acknowledges_no_subscription_is_given_up(tmp_path):
    with (
        ScriptedBroker(suback=lambda: None) as broker,
        device(tmp_path, broker, timeouts=QUIET, subscriptions=[TOPICS.restart]) as pi,
    ):
        wait_until(lambda: broker.connections >= 2, "a new connection")
        assert "acknowledged nothing" in pi.publisher.error


def test_slow_acknowledgments_are_tolerated(tmp_path):
    def answer(message):
        time.sleep(0.4)
        return 0

    with ScriptedBroker(answer) as broker, device(tmp_path, broker, timeouts=QUIET) as pi:
        for number in range(4):
            pi.publisher.offer(event(number))
        wait_until(lambda: len(broker.on(TOPICS.event)) == 4 and pi.outbox.waiting == 0, "delivered")
        assert broker.connections == 1
