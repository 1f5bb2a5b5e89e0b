"""A real mosquitto for tests, and a client that records everything it receives.

Each broker has its own folder and a free port on 127.0.0.1; it can be killed, stopped and restarted on the same port.
If mosquitto is not installed, tests that need it are skipped with the reason.
"""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

DEADLINE_S = 20.0
"""How long tests wait for a condition."""


def mosquitto() -> str | None:
    """Return the path of the mosquitto program; None if it is not installed."""
    return shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def wait_until(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait until a condition is true; fail with `what` after the deadline."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end_s:
            raise AssertionError(f"not within {deadline_s:g} s: {what}")
        time.sleep(0.005)


def free_port() -> int:
    """Return a port on 127.0.0.1 on which no process listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Certificates:
    """An authority, and certificates that it signs, created with openssl in a folder."""

    def __init__(self, folder: Path, name: str = "ca"):
        self.folder = folder
        self.ca_file, self._ca_key = folder / f"{name}.crt", folder / f"{name}.key"
        folder.mkdir(parents=True, exist_ok=True)
        _openssl(
            "req",
            "-x509",
            "-subj",
            f"/CN=Test {name}",
            "-days",
            "30",
            *_new_key(self._ca_key),
            "-out",
            str(self.ca_file),
        )

    def sign(
        self, name: str, hosts: Sequence[str] = ("DNS:localhost", "IP:127.0.0.1"), days: int = 30
    ) -> tuple[Path, Path]:
        """Return a certificate with `name` as its CN, and its key; if `days` is negative, it has already expired."""
        cert, key, request = (self.folder / f"{name}.{suffix}" for suffix in ("crt", "key", "csr"))
        _openssl("req", "-subj", f"/CN={name}", *_new_key(key), "-out", str(request))
        names = self.folder / f"{name}.ext"
        names.write_text(f"subjectAltName={','.join(hosts)}\n")
        signed_by = ["-CA", str(self.ca_file), "-CAkey", str(self._ca_key), "-CAcreateserial"]
        _openssl(
            "x509",
            "-req",
            "-in",
            str(request),
            *signed_by,
            *_validity(days),
            "-extfile",
            str(names),
            "-out",
            str(cert),
        )
        return cert, key


@dataclass(frozen=True, slots=True)
class Tls:
    """The TLS options of a broker; with `client_certificates` it requires them and uses the CN as the user name."""

    ca_file: Path
    cert_file: Path
    key_file: Path
    client_certificates: bool = False


class Broker:
    """A mosquitto on a free port of 127.0.0.1."""

    host = "127.0.0.1"

    def __init__(
        self,
        folder: Path,
        *,
        tls: Tls | None = None,
        passwords: dict[str, str] | None = None,
        acl: str | None = None,
        options: Sequence[str] = (),
        start: bool = True,
    ):
        """Write the configuration, and start the broker.

        Args:
            folder: The folder for the broker's files.
            tls: The TLS options; None for no TLS.
            passwords: Account → password; None lets every client connect.
            acl: The text of an ACL file; None for none.
            options: More lines for the configuration.
            start: Whether to start the broker now.
        """
        program = mosquitto()
        assert program, "mosquitto is not installed"
        self._program = program
        self.port = free_port()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / "mosquitto.conf"
        self._process: subprocess.Popen[bytes] | None = None
        self._observer: Observer | None = None
        self._tls, self._passwords = tls, passwords
        lines = [f"listener {self.port} {self.host}", "persistence false", "max_queued_messages 0", *options]
        if os.geteuid() == 0:
            lines.append("user root")
        lines += self._rights(passwords, acl) + self._encryption(tls)
        self._config.write_text("\n".join(lines) + "\n")
        if start:
            self.start()

    def start(self) -> None:
        """Start the broker, and return when it accepts connections."""
        with (self._folder / "mosquitto.log").open("ab") as output:
            self._process = subprocess.Popen([self._program, "-c", str(self._config)], stdout=output, stderr=output)
        wait_until(self._listens, f"mosquitto starts: {self.log()}")

    def kill(self) -> None:
        """Kill the broker with SIGKILL: clients are not notified, and what it held in memory is lost."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop the broker cleanly."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Suspend the broker: connections stay open, but nothing answers."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume the broker after `freeze`."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def write_acl(self, acl: str) -> None:
        """Replace the ACL, which the broker reads immediately; connections stay open."""
        assert self._process
        (self._folder / "acl").write_text(acl)
        self._process.send_signal(signal.SIGHUP)

    def write_passwords(self, passwords: dict[str, str]) -> None:
        """Replace the accounts, which the broker reads immediately."""
        assert self._process
        self._rights(passwords, None)
        self._process.send_signal(signal.SIGHUP)

    def log(self) -> str:
        """Return the broker's log so far."""
        return (self._folder / "mosquitto.log").read_text(errors="replace")

    def observer(self, topic: str = "#", *, username: str | None = None, password: str | None = None) -> "Observer":
        """Return a client that is subscribed to `topic` and records what it receives; close it, or use `with`."""
        return Observer(self, topic, username, password, self._tls)

    def _rights(self, passwords: dict[str, str] | None, acl: str | None) -> list[str]:
        lines = ["allow_anonymous " + ("false" if passwords else "true")]
        if passwords:
            file = self._folder / "passwords"
            file.write_text("".join(f"{account}:{password}\n" for account, password in passwords.items()))
            subprocess.run(["mosquitto_passwd", "-U", str(file)], check=True, capture_output=True)
            lines.append(f"password_file {file}")
        if acl is not None:
            (self._folder / "acl").write_text(acl)
            lines.append(f"acl_file {self._folder / 'acl'}")
        return lines

    def _encryption(self, tls: Tls | None) -> list[str]:
        if tls is None:
            return []
        lines = [f"cafile {tls.ca_file}", f"certfile {tls.cert_file}", f"keyfile {tls.key_file}"]
        return lines + (
            ["require_certificate true", "use_identity_as_username true"] if tls.client_certificates else []
        )

    def _listens(self) -> bool:
        assert self._process
        if self._process.poll() is not None:
            raise AssertionError(f"mosquitto ended: {self.log()}")
        try:
            socket.create_connection((self.host, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def _end(self, how: signal.Signals) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(how)
            self._process.wait(DEADLINE_S)
        self._process = None


@dataclass(frozen=True, slots=True)
class Received:
    """One message as the broker delivered it."""

    topic: str
    payload: bytes
    qos: int
    retained: bool
    correlation: bytes | None = None
    user_properties: tuple[tuple[str, str], ...] = ()


class Observer:
    """A subscribed MQTT 5 client that records what it receives, and can publish."""

    def __init__(self, broker: Broker, topic: str, username: str | None, password: str | None, tls: Tls | None):
        self._lock = threading.Lock()
        self._messages: list[Received] = []
        self._by_topic: dict[str, list[Received]] = {}
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        if username:
            self._client.username_pw_set(username, password)
        if tls:
            context = ssl.create_default_context(cafile=tls.ca_file)
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as the program does (messaging/mqtt/tls.py)
            if tls.client_certificates:
                context.load_cert_chain(tls.cert_file, tls.key_file)
            self._client.tls_set_context(context)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._note
        self._client.reconnect_delay_set(1, 1)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        if not self._subscribed.wait(DEADLINE_S):
            raise AssertionError(f"the observer could not subscribe: {broker.log()}")

    def __enter__(self) -> "Observer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect the client."""
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def messages(self) -> list[Received]:
        """Everything received so far, in order."""
        with self._lock:
            return list(self._messages)

    def on(self, topic: str) -> list[Received]:
        """Return what was received on one topic, in order."""
        with self._lock:
            return list(self._by_topic.get(topic, ()))

    def count(self, topic: str) -> int:
        """Return how many messages were received on one topic."""
        return len(self._by_topic.get(topic, ()))

    def payloads(self, topic: str) -> list[bytes]:
        """Return the payloads received on one topic, in order."""
        return [message.payload for message in self.on(topic)]

    def last(self, topic: str) -> bytes | None:
        """Return the last payload received on a topic; None if there is none."""
        payloads = self.payloads(topic)
        return payloads[-1] if payloads else None

    def wait_for(
        self, topic: str, payload: bytes | None = None, count: int = 1, deadline_s: float = DEADLINE_S
    ) -> list[Received]:
        """Wait for `count` messages on a topic (with this payload, if given) and return them."""

        def matches() -> list[Received]:
            return [message for message in self.on(topic) if payload is None or message.payload == payload]

        wanted = topic if payload is None else f"{topic} {payload!r}"
        wait_until(
            lambda: self.count(topic) >= count and (payload is None or len(matches()) >= count),
            f"{count} × {wanted}",
            deadline_s,
        )
        return matches()

    def publish(
        self, topic: str, payload: str | bytes = b"", *, qos: int = 1, retain: bool = False,
        response_topic: str | None = None, correlation: bytes | None = None,
    ) -> None:  # fmt: skip
        """Publish a message, and wait until the broker has received it."""
        properties = mqtt.Properties(mqtt.PacketTypes.PUBLISH)
        if response_topic:
            properties.ResponseTopic = response_topic
        if correlation:
            properties.CorrelationData = correlation
        self._client.publish(topic, payload, qos, retain, properties).wait_for_publish(DEADLINE_S)

    def _note(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        correlation = getattr(message.properties, "CorrelationData", None)
        users = tuple(map(tuple, getattr(message.properties, "UserProperty", ())))
        received = Received(message.topic, message.payload, message.qos, bool(message.retain), correlation, users)
        with self._lock:
            self._messages.append(received)
            self._by_topic.setdefault(message.topic, []).append(received)


def _new_key(file: Path) -> list[str]:
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(file)]


def _validity(days: int) -> list[str]:
    """Return the options of `openssl x509` for a certificate that is valid for `days`, or expired if they are negative.

    Before 3.4, openssl cannot backdate, and takes a negative number of days; since 3.5, it refuses one.
    """
    shown = subprocess.run(["openssl", "x509", "-help"], capture_output=True, text=True)
    if days >= 0 or "-not_after" not in shown.stdout + shown.stderr:  # which of the two depends on the version
        return ["-days", str(days)]
    return ["-not_before", "20200101000000Z", "-not_after", "20200201000000Z"]


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
