"""Check an installed appliance on this device: kernels, scores, the daemon, a signed update, and a small training.

Usage: check_device.py FOLDER    with the files that make_device_inputs.py wrote; run it with the release's own Python

scripts/check-arm64 runs it on an emulated device. It starts a broker and a daemon of its own, and needs mosquitto.
"""

import contextlib
import functools
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
from PIL import Image

from appliance.bundle.bundle import read_bundle
from appliance.labeling.kernels import describe_slow_kernels
from appliance.labeling.labeler import Labeler
from appliance.system.shipped import find_shipped

FLOWERS = find_shipped("flowers")
# Scores of the same kernels differ between processors by rounding only.
MAX_DIFFERENCE = 0.04
BROKER_PORT, SITE_PORT = 18883, 18884
LIMIT_S = 600.0  # emulated, everything takes 20 times as long
COMMAND = "/usr/local/bin/appliance"
SETTINGS = """
[device]
id = "arm"
[camera]
source = "{folder}/video.mp4"
loop = true
fps = 5
[mqtt]
host = "127.0.0.1"
port = {broker}
[update]
source = "repository"
url = "http://127.0.0.1:{site}/"
root = "{root}"
interval_s = 0
probation_s = 5
max_latency_ms = 60000
"""


def main() -> int:
    """Run every check in turn; the first failure ends the program with its reason."""
    folder = Path(sys.argv[1]).resolve()
    check_kernels()
    check_scores(folder)
    own = train(folder)
    root = publish(folder, own)
    with serve(folder / "site"), run_broker(folder), Listener() as listener:
        check_daemon(folder, root, listener)
    return 0


def check_kernels() -> None:
    """Fail if the bundled model does not run on the fast kernels."""
    labeler = Labeler(read_bundle(FLOWERS))
    if warning := describe_slow_kernels(labeler.kernels, labeler.runtime):
        fail(warning)
    report(f"{labeler.runtime} with {labeler.kernels}, {labeler.inference_ms:.1f} ms")


def check_scores(folder: Path) -> None:
    """Compare the scores with those of the machine that drew the pictures."""
    reference = json.loads((folder / "reference.json").read_text())
    labeler = Labeler(read_bundle(FLOWERS))
    greatest, other_first = 0.0, 0
    for name, expected in reference["scores"].items():
        with Image.open(folder / "pictures" / name) as picture:
            import numpy as np

            scores = labeler.score(np.asarray(picture.convert("RGB")))
        greatest = max(greatest, float(abs(scores - expected).max()))
        other_first += int(scores.argmax() != max(range(len(expected)), key=expected.__getitem__))
    count = len(reference["scores"])
    text = f"{count} pictures: scores differ by at most {greatest:.3f}, {other_first} first labels differ"
    if greatest > MAX_DIFFERENCE:
        fail(f"{text}; at most {MAX_DIFFERENCE} is allowed")
    report(text)


def train(folder: Path) -> Path:
    """Train a small model on the device and label a picture with it."""
    own = folder / "own"
    run("train", folder / "dataset", "--base", FLOWERS, "--out", own, "--model-version", "9.0.0", "--name", "own")
    picture = next((folder / "dataset").glob("*/0.jpg"))
    [answer] = json.loads(run("label", picture, "--model", own, "--json"))
    if not answer["labels"] or answer["labels"][0]["label"] != picture.parent.name:
        fail(f"the trained model labels {picture} as {answer['labels']}")
    report(f"trained own 9.0.0; it labels {picture.parent.name} with {answer['labels'][0]['score']:.2f}")
    return own


def publish(folder: Path, own: Path) -> Path:
    """Publish the trained model in a signed repository; return the root that the device trusts."""
    keys = ["--site", folder / "site", "--keys", folder / "keys"]
    run("publish", "init", *keys)
    run("publish", "push", own, "--channel", "stable", *keys)
    return folder / "site/metadata/1.root.json"


def check_daemon(folder: Path, root: Path, listener: "Listener") -> None:
    """Run the daemon with a video and the broker, and let it install the signed model."""
    settings = folder / "settings.toml"
    settings.write_text(SETTINGS.format(folder=folder, broker=BROKER_PORT, site=SITE_PORT, root=root))
    environment = os.environ | {"APPLIANCE_STATE_DIR": str(folder / "state")}
    # The video shows drawn flowers.
    subprocess.run([COMMAND, "model", "install", "bundled:flowers"], env=environment, check=True)
    log = folder / "daemon.log"
    with log.open("wb") as file:
        daemon = subprocess.Popen([COMMAND, "run", "--config", settings], env=environment, stderr=file, stdout=file)
    try:
        wait(lambda: daemon.poll() is not None or listener.has("event", "started"), "an event", log)
        if daemon.poll() is not None:
            fail(f"the daemon ended with status {daemon.returncode}: {log.read_text()}")
        report(f"the daemon labels the video: {listener.last('event')[:120]}")
        wait(lambda: listener.has("stats", '"kernels":"XNNPACK"'), "T/stats with the kernels", log)
        report("T/stats names XNNPACK")
        listener.publish("model/check")
        wait(lambda: listener.has("update", '"committed"'), "the signed model is committed", log)
        wait(lambda: '"name":"own"' in listener.last("labels"), "labels of the new model", log)
        report("the signed model was installed and committed")
    finally:
        daemon.terminate()
        daemon.wait(120)
    if daemon.returncode != 0 or "Traceback" in log.read_text():
        fail(f"the daemon ended with status {daemon.returncode}: {log.read_text()}")
    if "warning" in log.read_text():
        report(f"the daemon warned: {[line for line in log.read_text().splitlines() if 'warning' in line][:3]}")


@contextlib.contextmanager
def serve(site: Path) -> Iterator[None]:
    """Serve a folder over HTTP on the loopback interface."""
    handler = functools.partial(QuietHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", SITE_PORT), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """A server that logs nothing."""

    def log_message(self, *_: object) -> None:
        """Ignore the message."""


@contextlib.contextmanager
def run_broker(folder: Path) -> Iterator[None]:
    """Run mosquitto on the loopback interface."""
    settings = folder / "mosquitto.conf"
    settings.write_text(f"user root\nlistener {BROKER_PORT} 127.0.0.1\nallow_anonymous true\n")
    broker = subprocess.Popen(["/usr/sbin/mosquitto", "-c", settings], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        broker.terminate()
        broker.wait(60)


class Listener:
    """A client that keeps what the device publishes."""

    def __init__(self) -> None:
        """Prepare the client."""
        self._heard: list[tuple[str, str]] = []
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda _c, _d, each: self._heard.append(
            (each.topic.removeprefix("appliance/arm/"), each.payload.decode(errors="replace"))
        )
        self._client.on_connect = lambda client, *_: client.subscribe("appliance/arm/#", 1)

    def __enter__(self) -> "Listener":
        """Connect; the broker may still be starting."""
        deadline_s = time.monotonic() + LIMIT_S
        while True:
            try:
                self._client.connect("127.0.0.1", BROKER_PORT)
                break
            except OSError:
                if time.monotonic() > deadline_s:
                    fail("the broker does not start")
                time.sleep(0.2)
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str) -> None:
        """Send a command to the device."""
        self._client.publish(f"appliance/arm/{topic}", b"", 1)

    def has(self, topic: str, text: str) -> bool:
        """Return whether a message on a topic of the device contains `text`."""
        return any(heard == topic and text in payload for heard, payload in list(self._heard))

    def last(self, topic: str) -> str:
        """Return the newest message on a topic; empty if there is none."""
        return next((payload for heard, payload in reversed(list(self._heard)) if heard == topic), "")


def run(*arguments: object) -> str:
    """Run a command of the appliance and return its output."""
    done = subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        fail(f"appliance {' '.join(map(str, arguments))}: status {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def wait(condition: Callable[[], bool], what: str, log: Path) -> None:
    """Wait until a condition is true."""
    deadline_s = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > deadline_s:
            fail(f"not within {LIMIT_S:g} s: {what}: {log.read_text()[-3000:]}")
        time.sleep(0.2)


def report(text: str) -> None:
    """Print a result."""
    print(f"   ok: {text}", flush=True)


def fail(text: str) -> None:
    """End the program with a reason."""
    sys.exit(f"check_device: {text}")


if __name__ == "__main__":
    sys.exit(main())
