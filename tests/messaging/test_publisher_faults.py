"""The publisher with faults: nothing durable is lost, and one log line names the fault."""

import json
import socket
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager

import pytest

from appliance.messaging.mqtt.reconnect import ConnectionTimeouts
from appliance.messaging.outbox.outbox import Outbox
from support.broker import Certificates, Tls, wait_until
from support.paths import CHILD_ENVIRONMENT
from support.publisher import TOPICS, Device, device, event, logged

EVERYTHING_BUT_EVENTS = f"user cam\ntopic readwrite {TOPICS.availability}\ntopic readwrite {TOPICS.update}\n"
EVERYTHING = f"user cam\ntopic readwrite {TOPICS.root}/#\n"


@pytest.fixture(autouse=True)
def _log_everything(caplog):
    caplog.set_level("INFO")


def seqs(observer) -> list[int]:
    return [json.loads(payload)["seq"] for payload in observer.payloads(TOPICS.event)]


def test_a_broker_that_is_down_at_start_costs_nothing(tmp_path, new_broker, caplog):
    broker = new_broker(start=False)
    with device(tmp_path, broker) as pi:
        for number in range(300):
            pi.publisher.offer(event(number))
        wait_until(lambda: pi.publisher.error, "the broker is missed")
        attempts = pi.publisher.error
        assert attempts == f"no broker listens at 127.0.0.1:{broker.port}; start it, or correct mqtt.host and mqtt.port"
        time.sleep(0.5)  # some more attempts, none of which is logged
        broker.start()
        with broker.observer() as observer:
            observer.wait_for(TOPICS.availability, b"online")
            wait_until(lambda: pi.outbox.waiting == 0, "everything delivered")
        assert pi.publisher.error is None
        assert len(logged(caplog, "no broker listens")) == 1
        assert logged(caplog, "connected to") == [f"connected to 127.0.0.1:{broker.port}; 300 events waiting"]


def test_killed_broker_loses_nothing_unacknowledged(tmp_path, broker, caplog):
    # The device comes back after the second observer, which the broker without a memory needs.
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
            wait_until(lambda: set(seqs(observer)) >= wanted, "every event arrived")
        assert len(logged(caplog, "was lost")) == 1


def test_events_from_before_a_long_outage_are_late(tmp_path, new_broker):
    broker = new_broker(start=False)
    passed_s = [0.0]
    outbox = Outbox(tmp_path / "outbox.db", 1000, 604_800, since_boot_s=lambda: time.monotonic() + passed_s[0])
    # The device comes back after the observer, which the broker without a memory needs.
    with device(tmp_path, broker, outbox=outbox, timeouts=ConnectionTimeouts(first_s=2.0)) as pi:
        pi.publisher.offer(event(1))
        wait_until(lambda: pi.outbox.waiting == 1 and pi.publisher.error, "written, and the broker is missed")
        passed_s[0] = 3600.0
        broker.start()
        with broker.observer() as observer:
            assert json.loads(observer.wait_for(TOPICS.event)[0].payload)["late"] is True
            pi.publisher.offer(event(2))
            assert "late" not in json.loads(observer.wait_for(TOPICS.event, count=2)[1].payload)


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


@pytest.mark.parametrize("topic_allowed_later", [True, False])
def test_a_denied_topic_is_kept_and_holds_nothing_else_up(tmp_path, new_broker, caplog, topic_allowed_later):
    broker = new_broker(passwords={"cam": "x", "eye": "x"}, acl=EVERYTHING_BUT_EVENTS + "user eye\ntopic read #\n")
    with (
        broker.observer(username="eye", password="x") as observer,
        device(tmp_path, broker, username="cam", password="x") as pi,
    ):
        for number in range(100):
            pi.publisher.offer(event(number))
        denied = f"does not accept messages to {TOPICS.event} (Not authorized); events wait in the outbox"
        wait_until(lambda: denied in (pi.publisher.error or ""), "denied")
        pi.publisher.offer({"topic": TOPICS.update, "payload": {"state": "committed"}})
        observer.wait_for(TOPICS.update)
        wait_until(lambda: pi.publisher.connected and pi.outbox.waiting == 100, "only the update was delivered")
        assert len(logged(caplog, "does not accept")) == 1
        if topic_allowed_later:
            broker.write_acl(EVERYTHING + "user eye\ntopic read #\n")
            observer.wait_for(TOPICS.event, count=100)
            wait_until(lambda: pi.publisher.error is None and pi.outbox.waiting == 0, "the trouble is over")
            assert sorted(set(seqs(observer))) == list(range(100))
    if not topic_allowed_later:
        assert Outbox(tmp_path / "outbox.db", 1000, 3600).waiting == 100


def test_denied_topic_and_subscription_are_reported(tmp_path, new_broker):
    broker = new_broker(passwords={"cam": "x"}, acl=f"user cam\ntopic write {TOPICS.availability}\n")
    with device(tmp_path, broker, username="cam", password="x", subscriptions=[TOPICS.restart]) as pi:
        pi.publisher.retain(TOPICS.state, "{}")
        wait_until(lambda: f"messages to {TOPICS.state}" in (pi.publisher.error or ""), "the denial of the topic")
        wait_until(lambda: pi.publisher.connected, "connected without that topic")


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_denial_without_a_reason_is_found_by_trial(tmp_path, new_broker, protocol):
    # QoS 0 has no answer, and this broker closes the connection instead of giving one.
    acl = f"user cam\ntopic readwrite {TOPICS.availability}\ntopic readwrite {TOPICS.event}\nuser eye\ntopic read #\n"
    broker = new_broker(passwords={"cam": "x", "eye": "x"}, acl=acl)
    with (
        broker.observer(username="eye", password="x") as observer,
        device(tmp_path, broker, username="cam", password="x", protocol=protocol) as pi,
    ):
        pi.publisher.retain(TOPICS.stats, "{}", qos=0)
        wait_until(lambda: f"does not accept messages to {TOPICS.stats}" in (pi.publisher.error or ""), "found")
        pi.publisher.offer(event(1))
        observer.wait_for(TOPICS.event)


def test_denied_events_stay_in_the_outbox_with_3_1_1(tmp_path, new_broker):
    broker = new_broker(passwords={"cam": "x"}, acl=EVERYTHING_BUT_EVENTS)
    with device(tmp_path, broker, username="cam", password="x", protocol="3.1.1") as pi:
        for number in range(50):
            pi.publisher.offer(event(number))
        wait_until(lambda: f"does not accept messages to {TOPICS.event}" in (pi.publisher.error or ""), "found")
        assert pi.outbox.waiting == 50


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
            assert "client" in pi.publisher.error  # not forgotten with each short connection
            # Without back-off two local clients throw each other out hundreds of times a second.
            assert broker.log().count(" as appliance-pi-test ") - before < 40
            # Each of the two logs it once.
            assert len(logged(caplog, "another client")) == 2
        wait_until(lambda: pi.publisher.error is None, "over, once a connection has lasted")
        wait_until(lambda: pi.outbox.waiting == 0, "the event was delivered")
        assert pi.publisher.connected


def test_tls_with_a_client_certificate_delivers_under_its_name(tmp_path, new_broker):
    authority = Certificates(tmp_path / "pki")
    server_cert, server_key = authority.sign("server")
    cert, key = authority.sign("pi-test")
    _, _ = authority.sign("eye")
    tls = Tls(authority.ca_file, server_cert, server_key, client_certificates=True)
    acl = "pattern readwrite appliance/%u/#\nuser server\ntopic read #\n"
    broker = new_broker(tls=tls, acl=acl)
    files = {"ca_file": authority.ca_file, "cert_file": cert, "key_file": key}
    with broker.observer() as observer, device(tmp_path, broker, host="localhost", **files) as pi:
        pi.publisher.offer(event(1))
        observer.wait_for(TOPICS.event)
        observer.wait_for(TOPICS.availability, b"online")


def test_each_tls_fault_has_its_sentence(tmp_path, new_broker):
    authority, stranger = Certificates(tmp_path / "pki"), Certificates(tmp_path / "stranger", "stranger")
    good, expired = authority.sign("server"), authority.sign("old", days=-1)
    elsewhere = authority.sign("elsewhere", hosts=("DNS:broker.example",))
    client, foreign = authority.sign("pi-test"), stranger.sign("pi-test")
    ca = {"ca_file": authority.ca_file}
    cases = [
        (good, False, {"ca_file": stranger.ca_file}, "is not signed by an authority known to mqtt.ca_file"),
        (good, False, {"tls": True}, "is not signed by an authority known to the system (set mqtt.ca_file)"),
        (expired, False, ca, "has expired; renew it, or set this device's clock"),
        (elsewhere, False, ca, "is not issued for 127.0.0.1"),
        (good, True, ca, "wants a client certificate"),
        (good, True, ca | {"cert_file": foreign[0], "key_file": foreign[1]}, "mqtt.cert_file"),
        (good, False, ca | {"cert_file": client[0], "key_file": foreign[1]}, "do not work together"),
        (good, False, {"ca_file": tmp_path / "missing.crt"}, "missing.crt cannot be read (No such file or directory)"),
        (good, False, {"ca_file": good[1]}, "holds no certificate in PEM form"),
        (good, False, {}, "whether it speaks TLS there (mqtt.tls)"),
        (None, False, {"tls": True}, "speaks TLS there (mqtt.tls)"),
    ]
    for number, (server, wants_client, settings, sentence) in enumerate(cases):
        tls = Tls(authority.ca_file, *server, client_certificates=wants_client) if server else None
        broker = new_broker(tls=tls)
        with device(tmp_path / str(number), broker, **settings) as pi:
            wait_until(lambda pi=pi: pi.publisher.error, sentence)
            assert sentence in pi.publisher.error
            assert not pi.publisher.connected


def test_renewed_certificate_is_used_without_a_restart(tmp_path, new_broker):
    authority = Certificates(tmp_path / "pki")
    broker = new_broker(tls=Tls(authority.ca_file, *authority.sign("server")))
    used = tmp_path / "ca.crt"
    used.write_bytes(Certificates(tmp_path / "old").ca_file.read_bytes())
    with device(tmp_path, broker, ca_file=used) as pi:
        wait_until(lambda: pi.publisher.error, "refused")
        used.write_bytes(authority.ca_file.read_bytes())
        wait_until(lambda: pi.publisher.connected, "connected with the new file")
        assert pi.publisher.error is None


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
    """A server that answers the first bytes of each client with `answer`, or with nothing, and keeps the connection."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        clients = []
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            clients.append(client)
            client.recv(1024)
            client.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return server


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"", "accepts connections and does not answer"),
        (b"\x20\x02\x00\x01", 'does not speak MQTT 5; set mqtt.protocol = "3.1.1"'),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "accepts connections and does not answer"),
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
        assert "the broker's name no-such-broker.invalid is unknown" in pi.publisher.error


def test_events_are_stored_while_a_connection_attempt_hangs(tmp_path):
    # A listener whose queue is full: the kernel answers no further connection, as a firewall that drops packets does.
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


def test_oversized_message_is_reported_and_connection_stays(tmp_path, new_broker):
    broker = new_broker(options=["max_packet_size 3000"])
    with broker.observer() as observer, device(tmp_path, broker) as pi:
        wait_until(lambda: pi.publisher.connected, "connected")
        pi.publisher.retain(TOPICS.snapshot, b"x" * 5000, qos=0)
        wait_until(lambda: "is larger than the broker accepts (3000 bytes)" in (pi.publisher.error or ""), "reported")
        pi.publisher.offer(event(1))
        observer.wait_for(TOPICS.event)
        pi.publisher.retain(TOPICS.snapshot, b"x" * 500, qos=0)
        observer.wait_for(TOPICS.snapshot)
        assert pi.publisher.error is None and observer.count(TOPICS.availability) == 1


@contextmanager
def scripted(connack: bytes, on_publish: bytes | None):
    """A server that answers CONNECT and, if `on_publish` is given, each PUBLISH, and then closes.

    Yields its port and a list that each PUBLISH is noted in.
    """
    published: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client, client.makefile("rb") as stream:
                    while head := stream.read(2):  # all packets here are shorter than 128 bytes
                        stream.read(head[1])
                        if head[0] >> 4 == 1:
                            client.sendall(connack)
                        elif head[0] >> 4 == 3:
                            published.append(head)
                            if on_publish is not None:
                                client.sendall(on_publish)
                                break

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], published


def test_a_broker_with_a_small_window_gets_no_more_than_it_takes(tmp_path):
    # Receive Maximum 2 (MQTT 5.0, 3.2.2.3.3), and nothing is acknowledged.
    with (
        scripted(b"\x20\x06\x00\x00\x03\x21\x00\x02", None) as (port, published),
        device(tmp_path, None, host="127.0.0.1", port=port) as pi,
    ):
        wait_until(lambda: pi.publisher.connected, "connected")
        for number in range(30):
            pi.publisher.retain(TOPICS.label(f"label_{number}"), "OFF")
        wait_until(lambda: len(published) == 2, "two messages")
        pi.publisher.stop(0.5)
    assert len(published) == 2


def test_takeover_is_reported_once(tmp_path, caplog):
    # DISCONNECT with reason code 0x8E, session taken over (MQTT 5.0, 3.14.2.1), on each connection.
    with (
        scripted(b"\x20\x03\x00\x00\x00", b"\xe0\x02\x8e\x00") as (port, published),
        device(tmp_path, None, host="127.0.0.1", port=port) as pi,
    ):
        wait_until(lambda: len(published) >= 4, "some connections")
        sentence = "with the id appliance-pi-test and takes the connection over"
        assert sentence in pi.publisher.error
        assert len(logged(caplog, sentence)) == 1
        assert len(logged(caplog, "connected to")) == 1


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
                # What it printed before it died counts as well.
                for line in process.stdout:
                    written = int(line)
            observer.wait_for(TOPICS.availability, b"offline", count=life + 1)  # the will
        with device(tmp_path, broker) as pi:
            wait_until(lambda: pi.publisher.connected and pi.outbox.waiting == 0, "everything delivered")
            wait_until(lambda: set(range(written)) <= set(seqs(observer)), "every written event arrived")
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
        # The broker drops what it receives before a client subscribes, so the observer saw a tail without gaps.
        wait_until(lambda: observer.count(TOPICS.event) and seqs(observer)[-1] == 9_999, "the last one", 60)
        received = seqs(observer)
        observer.close()
    assert received == list(range(received[0], 10_000))
    with capsys.disabled():
        print(f"\n10,000 events delivered after the broker was back: {10_000 / took_s:,.0f}/s")
    assert 10_000 / took_s > 1_000
