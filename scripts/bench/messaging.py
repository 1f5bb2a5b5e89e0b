"""Measure how the daemon delivers events under a flood of commands, on a thin link, and after a huge message.

    scripts/bench-messaging [flood] [thin-link] [huge-message]

Each part runs the daemon with mosquitto, which must be installed. `flood` sends 20,000 commands in 10 s, and prints how
long events take meanwhile, and how many lines the daemon logs. `thin-link` puts a link of 1.5 kB/s, which is cut every
25 s, between the daemon and the broker, without and with pictures, and prints how many events arrive.
`huge-message` sends a message of 100 MB to a command's topic and prints the growth of the daemon's peak memory.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import which

import numpy as np
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

ROOT = Path(__file__).resolve().parents[2]
T = "appliance/bench"


def find_port() -> int:
    """Return a free port on 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def run_mosquitto(folder: Path) -> Iterator[int]:
    """Run mosquitto while the context is open; yield its port."""
    program = which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not program:
        raise SystemExit("mosquitto is not installed; install it (apt-get install mosquitto)")
    port = find_port()
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nlog_dest none\n")
    process = subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        while True:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


class Observer:
    """A client that records when each event arrives.

    Attributes:
        delays_s: For each event, the time from the frame to its arrival, by (id, type).
        arrived_s: The time of the frame of each event that arrived.
        snapshots: How many pictures arrived.
        started: How many events started.
        after_picture: How many of them state that their picture precedes them, and arrived after it and before ON.
        online: Set when the daemon is online.
    """

    def __init__(self, port: int):
        self.delays_s: dict[tuple[str, str], float] = {}
        self.arrived_s: list[float] = []
        self.snapshots = self.started = self.after_picture = 0
        self._pictures: set[str] = set()
        self._on: set[str] = set()
        self.online = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self.client.on_message = self._note
        self.client.connect("127.0.0.1", port)
        self.client.subscribe(f"{T}/#", qos=1)
        self.client.loop_start()

    def _note(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        topic = message.topic.removeprefix(f"{T}/")
        if topic.startswith("label/"):
            (self._on.add if message.payload == b"ON" else self._on.discard)(topic.removeprefix("label/"))
        if topic == "availability" and message.payload == b"online":
            self.online.set()
        elif topic == "snapshot" and message.payload:
            self.snapshots += 1
            properties = getattr(message.properties, "UserProperty", ())
            self._pictures |= {value for name, value in properties if name == "event"}
        elif topic == "event":
            event = json.loads(message.payload)
            if event["type"] == "started":
                self.started += 1
                first = event["id"] in self._pictures and event["label"] not in self._on
                self.after_picture += bool(event.get("snapshot")) and first
            key = (event["id"], event["type"])
            if key not in self.delays_s:
                frame_s = _parse_time(event["started"] if event["type"] == "started" else event["ended"])
                self.delays_s[key] = time.time() - frame_s
                self.arrived_s.append(frame_s)


def _parse_time(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


@contextmanager
def run_daemon(
    folder: Path, port: int, camera: str = 'source = "scene"', **mqtt_settings: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the daemon while the context is open; its log is in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "bench.toml"
    more = "".join(f"{key} = {value}\n" for key, value in mqtt_settings.items())
    settings.write_text(
        f'[device]\nid = "bench"\n[camera]\n{camera}\n'
        "[events]\nstart_frames = 1\nend_after_s = 0\ncooldown_s = 0\n"
        f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\n{more}'
    )
    environ = {**os.environ, "APPLIANCE_STATE_DIR": str(folder)}
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "appliance", "run", "--config", str(settings)]
        daemon = subprocess.Popen(command, cwd=ROOT, env=environ, stderr=log, stdout=subprocess.DEVNULL)
        try:
            yield daemon
        finally:
            daemon.terminate()
            daemon.wait(30)


def peak_mb(daemon: subprocess.Popen[bytes], name: str) -> float:
    """Return VmRSS or VmHWM of the daemon in MB."""
    lines = Path(f"/proc/{daemon.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024 / 1e6


def draw_pictures(folder: Path) -> str:
    """Draw two flowers, and return the camera settings that show them in turn, so that every frame has two events."""
    from appliance.camera.scene.camera import draw_scene
    from appliance.imaging.files import encode_jpeg

    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    for label in ("daisy", "tulips"):
        (pictures / f"{label}.jpg").write_bytes(encode_jpeg(draw_scene(label, np.random.default_rng(1))))
    return f'source = "{pictures}"\nloop = true\nfps = 2'


def count_lines(folder: Path) -> int:
    """Return the number of lines in the daemon's log, without those about labels that start and end."""
    lines = (folder / "log").read_text().splitlines()
    return sum(not (" started (" in line or " ended after " in line) for line in lines)


def bench_flood(folder: Path, protocol: str) -> None:
    """Send 20,000 commands in 10 s; print the delay of events before and during it."""
    state, camera = folder / f"flood-{protocol}", draw_pictures(folder)
    with run_mosquitto(folder) as port:
        observer = Observer(port)
        with run_daemon(state, port, camera, protocol=f'"{protocol}"', snapshots="true"):
            observer.online.wait(60)
            time.sleep(5)  # so that the work at startup is not measured
            observer.delays_s.clear()
            time.sleep(15)
            before = list(observer.delays_s.values())
            observer.delays_s.clear()
            observer.started = observer.after_picture = 0
            lines = count_lines(state)
            began_s = time.monotonic()
            for number in range(20_000):
                name, value = (("threshold", f"{0.3 + number / 1e6:.6f}"), ("running", "ON"))[number % 2]
                observer.client.publish(f"{T}/{name}/set", value, qos=1)
                time.sleep(max(0.0, began_s + number / 2000 - time.monotonic()))
            took_s = time.monotonic() - began_s
            time.sleep(3)
            during = list(observer.delays_s.values())
            lines = count_lines(state) - lines
            started, after_picture = observer.started, observer.after_picture
    print(
        f"flood, MQTT {protocol}: 20,000 commands in {took_s:.1f} s; the slowest of {len(during)} events took"
        f" {max(during, default=0):.2f} s (before the flood {max(before, default=0):.2f} s), {len(during) / 13:.1f}"
        f" events/s (before {len(before) / 15:.1f}); {lines} log lines"
        + (f"; {after_picture} of {started} starts after their picture and before ON" if protocol == "5" else "")
    )


class ThinLink:
    """A proxy that passes few bytes a second to the broker and is cut at intervals; `open` removes both limits."""

    def __init__(self, to_port: int, bytes_per_s: float, cut_s: float):
        self._to_port, self._bytes_per_s, self._cut_s = to_port, bytes_per_s, cut_s
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def open(self) -> None:
        """Remove the limits."""
        self._bytes_per_s, self._cut_s = 1e9, 1e9

    def _accept(self) -> None:
        while True:
            client, _ = self._server.accept()
            broker = socket.create_connection(("127.0.0.1", self._to_port))
            ends_s = time.monotonic() + self._cut_s
            for source, sink, limited in ((client, broker, True), (broker, client, False)):
                threading.Thread(target=self._pass_on, args=(source, sink, ends_s, limited), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, ends_s: float, limited: bool) -> None:
        source.settimeout(0.2)
        with suppress(OSError):
            while time.monotonic() < ends_s:
                try:
                    data = source.recv(300 if limited else 65536)
                except TimeoutError:
                    continue
                if not data:
                    break
                if limited:
                    time.sleep(len(data) / self._bytes_per_s)
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def bench_thin_link(folder: Path, seconds: float, snapshots: str) -> None:
    """Run the daemon behind a thin, unsteady link; print how many of its events arrived while it was thin."""
    with run_mosquitto(folder) as port:
        observer = Observer(port)
        link = ThinLink(port, 1500, 25)
        with run_daemon(folder / f"thin-{snapshots}", link.port, snapshots=snapshots):
            began_s = time.time()
            time.sleep(seconds)
            end_s = time.time()
            arrived, pictures = len(observer.arrived_s), observer.snapshots
            delays = sorted(observer.delays_s.values())
            link.open()
            time.sleep(45)
        produced = sum(began_s <= frame_s <= end_s for frame_s in observer.arrived_s)
    print(
        f"link of 1.5 kB/s, cut every 25 s, snapshots = {snapshots}: {arrived} of {produced} events arrived within"
        f" {seconds:.0f} s (median delay {delays[len(delays) // 2] if delays else 0:.1f} s), and {pictures} pictures"
    )


def bench_huge_message(folder: Path, protocol: str) -> None:
    """Send 100 MB to a command's topic; print how much the daemon's peak memory grows."""
    with run_mosquitto(folder) as port:
        observer = Observer(port)
        with run_daemon(folder / f"huge-{protocol}", port, protocol=f'"{protocol}"') as daemon:
            observer.online.wait(60)
            time.sleep(30)  # so that what the program loads at its start is not measured
            start_mb = peak_mb(daemon, "VmHWM")
            time.sleep(20)
            before_mb, events = peak_mb(daemon, "VmHWM"), len(observer.delays_s)
            sender = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
            sender.connect("127.0.0.1", port)
            sender.loop_start()
            for _ in range(3):
                sender.publish(f"{T}/threshold/set", bytes(100_000_000), qos=1).wait_for_publish(60)
            time.sleep(20)
            after_mb, events = peak_mb(daemon, "VmHWM"), len(observer.delays_s) - events
            sender.loop_stop()
    print(
        f"3 messages of 100 MB, MQTT {protocol}: the peak memory grows from {before_mb:.1f} to {after_mb:.1f} MB"
        f" (in 20 s without messages: from {start_mb:.1f} MB); {events} events arrived meanwhile"
    )


def main() -> None:
    """Run the parts that were asked for, or all."""
    parser = argparse.ArgumentParser(prog="scripts/bench-messaging", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help="flood, thin-link, huge-message (default: all)")
    parser.add_argument("--seconds", type=float, default=150, help="how long the link is thin (default 150)")
    arguments = parser.parse_args()
    parts = arguments.parts or ["flood", "thin-link", "huge-message"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for protocol in ("5", "3.1.1"):
            if "flood" in parts:
                bench_flood(folder, protocol)
            if "huge-message" in parts:
                bench_huge_message(folder, protocol)
        for snapshots in ("false", "true"):
            if "thin-link" in parts:
                bench_thin_link(folder, arguments.seconds, snapshots)


if __name__ == "__main__":
    main()
