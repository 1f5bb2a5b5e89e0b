"""Test the example configuration in a real mosquitto: who is accepted, and what each account may do."""

import ssl
import subprocess
import threading

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from support.broker import DEADLINE_S, free_port, mosquitto, wait_until
from support.daemon import ROOT, Daemon
from support.daemon import settings as settings_file

CONFIG = ROOT / "config/mosquitto"
ETC = "/etc/mosquitto/appliance"


class Shipped:
    """A mosquitto with the shipped configuration, except for ports and folders."""

    def __init__(self, folder):
        self.folder, self.password_port, self.certificate_port = folder, free_port(), free_port()
        make("server", "localhost", "127.0.0.1", folder=folder)
        (folder / "acl").write_text((CONFIG / "acl").read_text())
        (folder / "acl").chmod(0o600)
        for account in ("homeassistant", "viewer", "kitchen"):
            create = [] if (folder / "passwords").exists() else ["-c"]
            subprocess.run(
                ["mosquitto_passwd", *create, "-b", folder / "passwords", account, f"{account}-pw"], check=True
            )
        text = (
            (CONFIG / "appliance.conf")
            .read_text()
            .replace(ETC, str(folder))
            .replace("/var/lib/mosquitto/", f"{folder}/")
        )
        text = text.replace("listener 8883", f"user root\nlistener {self.password_port} 127.0.0.1")
        (folder / "mosquitto.conf").write_text(
            text.replace("listener 8884", f"listener {self.certificate_port} 127.0.0.1")
        )
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(
            [mosquitto(), "-v", "-c", folder / "mosquitto.conf"], stderr=self.log, stdout=self.log
        )
        wait_until(lambda: "running" in self.said(), f"mosquitto runs: {self.said()}")

    def said(self) -> str:
        return (self.folder / "log").read_text()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.log.close()


class Client:
    """An MQTT client that records whether it is accepted, whether it may publish, and what it receives."""

    def __init__(self, broker, account=None, password=None, device=None, version="ca.crt", subscribe=None):
        self.answer, self._done, self.heard = None, threading.Event(), []
        self._acknowledged = {}
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        context = ssl.create_default_context(cafile=broker.folder / version)
        context.check_hostname = False
        if device:
            context.load_cert_chain(broker.folder / f"{device}.crt", broker.folder / f"{device}.key")
        self.client.tls_set_context(context)
        if account:
            self.client.username_pw_set(account, password)
        self.client.on_connect = self._connected
        self.client.on_connect_fail = lambda *_: self._done.set()
        self.client.on_disconnect = lambda *_: self._done.set()
        self.client.on_message = lambda _c, _d, message: self.heard.append((message.topic, message.payload))
        self.client.on_publish = lambda _c, _d, mid, reason, _p: self._acknowledged.__setitem__(mid, reason)
        self._subscribe, self._subscribed = subscribe, threading.Event()
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        try:
            self.client.connect("127.0.0.1", broker.certificate_port if device else broker.password_port)
        except (ssl.SSLError, OSError) as error:
            self.answer = type(error).__name__
            return
        self.client.loop_start()
        self._done.wait(DEADLINE_S)
        if self.inside and subscribe:
            assert self._subscribed.wait(DEADLINE_S)

    def _connected(self, client, _data, _flags, reason, _properties) -> None:
        self.answer = str(reason)
        if self._subscribe and not reason.is_failure:
            client.subscribe(self._subscribe, 1)
        self._done.set()

    @property
    def inside(self) -> bool:
        return self.answer == "Success"

    def may_publish(self, topic: str) -> bool:
        """Publish a message with QoS 1, and return whether the broker accepts it."""
        mid = self.client.publish(topic, b"x", 1).mid
        wait_until(lambda: mid in self._acknowledged, f"an answer to {topic}")
        return not self._acknowledged[mid].is_failure

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def make(*arguments, folder) -> str:
    done = subprocess.run([CONFIG / "make-certificates", folder, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    if not mosquitto():
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    folder = tmp_path_factory.mktemp("mosquitto")
    for device in ("kitchen", "garden"):
        make("device", device, folder=folder)
    broker = Shipped(folder)
    yield broker
    broker.end()


@pytest.fixture
def client(shipped):
    made = []

    def connect(*arguments, **options):
        made.append(Client(shipped, *arguments, **options))
        return made[-1]

    yield connect
    for each in made:
        each.close()


def test_nobody_gets_in_without_an_account(client, shipped, tmp_path):
    assert client().answer == "Not authorized"
    assert client("viewer", "wrong").answer == "Not authorized"
    assert client("stranger", "viewer-pw").answer == "Not authorized"
    make("device", "garden", folder=tmp_path)  # the same name, signed by another authority
    for name in ("garden.crt", "garden.key"):
        (shipped.folder / f"forged-{name}").write_bytes((tmp_path / name).read_bytes())
    assert not client(device="forged-garden").inside
    assert client("viewer", "viewer-pw").inside


@pytest.mark.parametrize("how", [{"account": "kitchen", "password": "kitchen-pw"}, {"device": "kitchen"}])
def test_a_device_writes_below_its_own_name_and_nowhere_else(client, how):
    kitchen = client(**how)
    assert kitchen.inside
    for topic in ("appliance/kitchen/event", "appliance/kitchen/response/x", "homeassistant/device/kitchen/config"):
        assert kitchen.may_publish(topic), topic
    others = (
        "appliance/garden/event",
        "appliance/garden/threshold/set",
        "homeassistant/device/garden/config",
        "appliance/x",
        "else",
    )
    for topic in others:
        assert not kitchen.may_publish(topic), topic


def test_a_device_hears_its_own_commands_alone(client):
    kitchen, garden = client(device="kitchen", subscribe="#"), client(device="garden")
    home = client("homeassistant", "homeassistant-pw")
    assert garden.may_publish("appliance/garden/state") and home.may_publish("appliance/garden/restart")
    assert home.may_publish("homeassistant/status") and home.may_publish("appliance/kitchen/threshold/set")
    wait_until(lambda: ("appliance/kitchen/threshold/set", b"x") in kitchen.heard, "its own command")
    assert {topic for topic, _ in kitchen.heard} == {"homeassistant/status", "appliance/kitchen/threshold/set"}


def test_home_assistant_commands_and_does_not_pose_as_a_device(client):
    home = client("homeassistant", "homeassistant-pw")
    assert not home.may_publish("appliance/kitchen/event") and not home.may_publish("appliance/homeassistant/event")


def test_the_viewer_only_reads(client):
    viewer, kitchen = client("viewer", "viewer-pw", subscribe="appliance/#"), client(device="kitchen")
    others = (
        "appliance/kitchen/threshold/set",
        "appliance/viewer/event",
        "homeassistant/device/viewer/config",
        "homeassistant/status",
    )
    for topic in others:
        assert not viewer.may_publish(topic), topic
    assert kitchen.may_publish("appliance/kitchen/labels")
    wait_until(lambda: ("appliance/kitchen/labels", b"x") in viewer.heard, "the viewer hears devices")


def test_message_of_more_than_1_mb_reaches_no_device(client, shipped):
    kitchen, home = client(device="kitchen", subscribe="#"), client("homeassistant", "homeassistant-pw")
    home.client.publish("appliance/kitchen/threshold/set", bytes(1_000_001), 1)
    wait_until(lambda: "oversize packet" in shipped.said().lower(), "the broker refuses the message")
    other = client("homeassistant", "homeassistant-pw")
    assert other.may_publish("appliance/kitchen/threshold/set")
    wait_until(lambda: kitchen.heard, "the next command")
    assert [len(payload) for _, payload in kitchen.heard] == [1]


def test_the_appliance_itself_with_a_certificate(shipped, client, tmp_path):
    viewer = client("viewer", "viewer-pw", subscribe="appliance/garden/#")
    files = {"ca_file": "ca.crt", "cert_file": "garden.crt", "key_file": "garden.key"}
    more = "".join(f'{key} = "{shipped.folder}/{name}"\n' for key, name in files.items())
    text = settings_file(None, "scene", more=more).replace('id = "t"', 'id = "garden"')
    text = text.replace("port = 1", f"port = {shipped.certificate_port}")

    def started() -> bool:
        return any(topic.endswith("/event") and b'"type":"started"' in payload for topic, payload in viewer.heard)

    with Daemon(tmp_path / "d", text.replace('host = "127.0.0.1"', 'host = "localhost"')) as daemon:
        wait_until(started, f"an event: {daemon.log}")
        assert "warning" not in daemon.log
        daemon.stop()
    wait_until(lambda: ("appliance/garden/availability", b"offline") in viewer.heard, "a goodbye")


def test_certificates_are_kept_and_keys_are_closed(tmp_path):
    make("server", "broker.local", "192.168.1.5", folder=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert "exists and is kept" in make("server", "broker.local", folder=tmp_path)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.glob("*.key"))
    show = ["openssl", "x509", "-in", tmp_path / "server.crt", "-noout", "-text"]
    shown = subprocess.run(show, capture_output=True, text=True).stdout
    assert "DNS:broker.local, IP Address:192.168.1.5" in shown
    wrong = subprocess.run(
        [CONFIG / "make-certificates", tmp_path, "device", "Kitchen/1"], capture_output=True, text=True
    )
    assert wrong.returncode == 2 and "a device id" in wrong.stderr
