"""Test a running daemon that reloads its settings (SIGHUP, `systemctl reload appliance`), and its memory limit."""

import signal
import socket
from pathlib import Path

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.updates.store.store import Store
from support import made_models
from support.broker import wait_until
from support.bundles import bundle_folder
from support.daemon import Daemon, payloads, settings
from support.model_server import ModelServer
from support.paths import FLOWERS
from support.rig import publish


class NotifyingDaemon:
    """A daemon that runs as if systemd had started it; records its messages to systemd."""

    def __init__(self, folder: Path, text: str):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        folder.mkdir(parents=True, exist_ok=True)
        self._socket.bind(str(folder / "notify"))
        self._socket.setblocking(False)
        self.config = folder / "d/appliance.toml"
        self.daemon = Daemon(folder / "d", text, {"NOTIFY_SOCKET": str(folder / "notify")})
        self._messages: list[str] = []

    def reload(self, text: str) -> None:
        """Write other settings and reload them."""
        self.config.write_text(text)
        self.daemon.process.send_signal(signal.SIGHUP)

    def has_notified(self, start: str) -> bool:
        """Return whether a message to systemd began with `start`."""
        try:
            while True:
                self._messages.append(self._socket.recv(4096).decode())
        except BlockingIOError:
            return any(message.startswith(start) for message in self._messages)

    def close(self) -> None:
        """Kill the daemon."""
        self.daemon.kill()
        self._socket.close()


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a daemon and waits until it is ready."""
    made = []

    def start(text: str) -> NotifyingDaemon:
        made.append(NotifyingDaemon(tmp_path / f"w{len(made)}", text))
        wait_until(lambda: made[-1].has_notified("READY=1"), f"the daemon is ready: {made[-1].daemon.log}")
        return made[-1]

    yield start
    for watched in made:
        watched.close()


def test_live_settings_take_effect_at_once(broker, start):
    watched = start(settings(broker, "scene"))
    with broker.observer("appliance/t/#") as seen:
        wait_until(lambda: seen.last("appliance/t/threshold") not in (None, b"0.99"), "a threshold")
        wait_until(
            lambda: seen.count("appliance/t/label/roses") and seen.count("appliance/t/label/tulips"), "topics of labels"
        )
        watched.daemon.wait_for_log("camera: streaming")
        changed = settings(broker, "scene", fps=20).replace(
            "[labeler]", '[labeler]\nthreshold = 0.99\nallow = ["roses"]'
        )
        watched.reload(changed.replace("cooldown_s = 0", "cooldown_s = 1"))
        watched.daemon.wait_for_log(
            "settings reloaded; changed: camera.fps, labeler.threshold, labeler.allow, events.cooldown_s"
        )
        seen.wait_for("appliance/t/threshold", b"0.99")
        wait_until(
            lambda: seen.last("appliance/t/label/tulips") == b"",
            "the topic of a label that is no longer allowed is cleared",
        )
        assert seen.last("appliance/t/label/roses") != b""
        watched.daemon.wait_for_log("camera: streaming", 2)
    assert watched.has_notified("RELOADING=1") and watched.daemon.process.poll() is None


def test_probation_follows_the_reloaded_fps(broker, start, tmp_path):
    state = tmp_path / "w0/d/state"
    state.mkdir(parents=True)
    Store(state, FLOWERS).install(read_bundle(FLOWERS), "a test", probation=True)
    more = "[update]\nprobation_s = 3600\n"
    watched = start(settings(broker, "scene", fps=10, more=more))
    watched.daemon.wait_for_log("is on probation for 3600 s; the limit is 80 ms per frame")
    watched.reload(settings(broker, "scene", fps=2, more=more))
    watched.daemon.wait_for_log("starts over; the limit is now 400 ms per frame")


def test_configured_model_does_not_count_for_a_probation(broker, start, tmp_path):
    state = tmp_path / "w0/d/state"
    state.mkdir(parents=True)
    store = Store(state, FLOWERS)
    delivered = store.install(read_bundle(FLOWERS), "a test", probation=True)
    more = "labels_per_s = 100\n[update]\nprobation_s = 0\n"
    watched = start(settings(broker, tmp_path / "nowhere.png", more=more))
    watched.daemon.wait_for_log("is on probation for 0 s")
    with broker.observer("appliance/t/labels") as seen:
        watched.reload(settings(broker, "scene", model=FLOWERS, fps=20, more=more))
        # 20 frames would be enough, and the outcome would be published within a fraction of a second.
        wait_until(lambda: seen.count("appliance/t/labels") > 60, "60 frames of the model that the settings name")
        assert "has passed its probation" not in watched.daemon.log and store.read_state().probation
        watched.reload(settings(broker, "scene", fps=20, more=more))
        watched.daemon.wait_for_log(f"the model {delivered.version} has passed its probation")


def test_updates_pause_while_the_settings_name_a_model(broker, start, tmp_path):
    named = bundle_folder(tmp_path / "named", version="1.0")
    with ModelServer() as server, broker.observer("appliance/t/update") as seen:
        publish(server, tmp_path / "v2", version="2.0", model=made_models.good(2))
        more = f'[update]\nsource = "url"\nurl = "{server.url("/manifest.json")}"\ninterval_s = 1\nprobation_s = 0\n'
        watched = start(settings(broker, "scene", model=named, more=more))
        watched.daemon.wait_for_log("update.source is not checked: labeler.model names the model")
        assert not server.requests
        watched.reload(settings(broker, "scene", fps=20, more=more))
        wait_until(
            lambda: "committed" in [step["state"] for step in payloads(seen.payloads("appliance/t/update"))],
            "2.0 is in",
        )
        watched.reload(settings(broker, "scene", fps=20, model=named, more=more))
        watched.daemon.wait_for_log("update.source is not checked: labeler.model names the model", 2)
    assert "error" not in watched.daemon.log


def test_camera_and_region_change_while_running(broker, start, tmp_path):
    watched = start(settings(broker, "scene"))
    watched.daemon.wait_for_log("camera: streaming")
    watched.reload(settings(broker, tmp_path / "gone").replace("[labeler]", "region = [0.0, 0.0, 0.5, 0.5]\n[labeler]"))
    watched.daemon.wait_for_log("changed: camera.source, camera.region")
    watched.daemon.wait_for_log(f"camera: absent: camera.source {tmp_path}/gone does not exist")
    watched.reload(settings(broker, "scene"))
    watched.daemon.wait_for_log("camera: streaming", 2)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("[labeler]\nthreshhold = 0.9\n", "did you mean labeler.threshold?"),
        ('[labeler]\nallow = ["rosses"]\n', "rosses"),
        ('[labeler]\nmodel = "/gone.tflite"\n', "/gone.tflite"),
    ],
)
def test_invalid_settings_keep_the_previous_ones(broker, start, wrong, reason):
    text = settings(broker, "scene").replace('model = ""\n', "")
    watched = start(text)
    watched.daemon.wait_for_log("connected")
    watched.reload(text.replace("[labeler]\n", wrong) + "keepalive_s = 60\n")
    watched.daemon.wait_for_log("keeping the previous settings")
    assert reason in watched.daemon.log
    wait_until(lambda: watched.has_notified("READY=1\nSTATUS=the new settings are invalid"), "systemctl status says so")
    with broker.observer("appliance/t/labels") as seen:
        seen.wait_for("appliance/t/labels", count=2)
    assert "take effect after" not in watched.daemon.log


def test_keys_that_need_a_restart_are_logged_each_time(broker, start):
    watched = start(settings(broker, "scene"))
    for times in (1, 2):
        watched.reload(settings(broker, "scene", more='keepalive_s = 60\nbase_topic = "x"\n'))
        watched.daemon.wait_for_log("these take effect after a restart: mqtt.keepalive_s, mqtt.base_topic", times)
    assert "nothing changed" in watched.daemon.log


def test_pictures_and_collecting_start_with_a_reload(broker, start):
    watched = start(settings(broker, "scene"))
    with broker.observer("appliance/t/#") as seen:
        seen.wait_for("appliance/t/collect", b"OFF")
        more = "snapshots = true\n[collect]\nenabled = true\nevery_s = 1\nmax_per_hour = 3600\n"
        watched.reload(settings(broker, "scene", more=more))
        seen.wait_for("appliance/t/snapshots", b"ON")
        seen.wait_for("appliance/t/collect", b"ON")
        wait_until(lambda: list((watched.daemon.state / "collected").glob("*.jpg")), "a frame is collected")
        wait_until(lambda: seen.last("appliance/t/snapshot"), "a picture is published")
        seen.publish("appliance/t/collect/set", "OFF")
        seen.wait_for("appliance/t/collect", b"OFF")


def test_memory_limit_ends_the_process_in_order(broker, tmp_path):
    with Daemon(tmp_path / "d", settings(broker, "scene"), {"APPLIANCE_MEMORY_LIMIT": "20M"}) as daemon:
        assert daemon.wait() == 1
        assert "APPLIANCE_MEMORY_LIMIT" in daemon.log and "stopped\n" in daemon.log
        assert (
            Store(daemon.state, FLOWERS).read_state().start
        )  # unlike a stop on purpose, because the model may be the cause
    with Daemon(tmp_path / "e", settings(broker, "scene"), {"APPLIANCE_MEMORY_LIMIT": "much"}) as daemon:
        assert daemon.wait() == 78 and "APPLIANCE_MEMORY_LIMIT must be" in daemon.log
