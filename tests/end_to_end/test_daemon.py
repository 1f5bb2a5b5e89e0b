"""Test the daemon with a real broker, from the outside."""

import json
import shutil
import socket
from pathlib import Path

import av
import pytest
from PIL import Image

from appliance.history.history import History
from appliance.system.timestamps import to_rfc3339
from support.broker import wait_until
from support.daemon import Daemon, payloads, settings

AUTOML = "models/automl_mlkit_android"


@pytest.fixture
def flowers(data, tmp_path) -> Path:
    """Make a folder of five pictures of tulips and five gray ones, so that a label starts and ends."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(5):
        shutil.copy(data / "images" / "mlkit_tulips.jpeg", folder / f"a{number}.jpeg")
        Image.new("RGB", (320, 240), (127, 127, 127)).save(folder / f"b{number}.png")
    return folder


def test_folder_of_pictures_publishes_every_topic(broker, data, flowers, tmp_path):
    more = "snapshots = true"
    with (
        broker.observer() as seen,
        Daemon(tmp_path / "d", settings(broker, flowers, model=data / AUTOML, more=more)) as daemon,
    ):
        started, ended = payloads([message.payload for message in seen.wait_for("appliance/t/event", count=2)[:2]])
        assert (started["type"], started["label"], ended["type"]) == ("started", "tulips", "ended")
        assert started["id"] == ended["id"]
        assert ended["peak_score"] >= started["score"] >= 0.5
        assert (started["device"], started["seq"], ended["seq"]) == ("t", 1, 2)
        assert started["boot"] == ended["boot"]
        seen.wait_for("appliance/t/stats")
        for topic in ("availability", "labels", "state", "label/tulips", "snapshot", "threshold", "running", "model"):
            seen.wait_for(f"appliance/t/{topic}")
        discovery = json.loads(seen.wait_for("homeassistant/device/t/config")[0].payload)
        assert discovery["components"]["top_label"]["options"] == [
            "daisy",
            "dandelion",
            "roses",
            "sunflowers",
            "tulips",
            "none",
        ]
        snapshots = [payload for payload in seen.payloads("appliance/t/snapshot") if payload]
        assert snapshots[0].startswith(b"\xff\xd8")
        assert daemon.stop() == 0
        seen.wait_for("appliance/t/availability", b"offline")
    assert seen.payloads("appliance/t/label/tulips")[-1] == b"OFF"
    starts = [e["id"] for e in payloads(seen.payloads("appliance/t/event")) if e["type"] == "started"]
    ends = [e["id"] for e in payloads(seen.payloads("appliance/t/event")) if e["type"] == "ended"]
    assert sorted(starts) == sorted(ends)


def test_video_file_is_labeled(broker, data, tmp_path):
    path = tmp_path / "tulips.mp4"
    picture = Image.open(data / "images" / "mlkit_tulips.jpeg").resize((320, 240))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for _ in range(30):
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    with broker.observer() as seen, Daemon(tmp_path / "d", settings(broker, path, model=data / AUTOML)):
        event = json.loads(seen.wait_for("appliance/t/event")[0].payload)
    assert event["label"] == "tulips"


def test_event_of_a_killed_process_ends_at_the_next_start(broker, data, tmp_path):
    picture = data / "images" / "mlkit_tulips.jpeg"
    chosen = settings(broker, picture, model=data / AUTOML, more="[history]\nenabled = true\n")
    with broker.observer() as seen, Daemon(tmp_path / "d", chosen) as daemon:
        history = History(daemon.state / "history")
        seen.wait_for("appliance/t/label/tulips", b"ON")
        started = json.loads(seen.wait_for("appliance/t/event")[0].payload)
        daemon.kill()
        seen.wait_for("appliance/t/availability", b"offline")
        daemon.start()
        ended = []
        # The start may arrive twice: the process was killed before it recorded the delivery.
        wait_until(
            lambda: (
                ended.extend(e for e in payloads(seen.payloads("appliance/t/event")) if e["type"] == "ended") or ended
            ),
            "the end of the event",
        )
        wait_until(
            lambda: to_rfc3339(history.find(started["id"]).ended_s or 0) == ended[0]["ended"], "the history has the end"
        )
    ended = ended[0]
    assert (ended["id"], ended["reason"]) == (started["id"], "restart")
    assert ended["boot"] != started["boot"]
    assert started["started"] <= ended["ended"]


def test_absent_broker_stops_nothing_and_loses_nothing(new_broker, data, flowers, tmp_path):
    broker = new_broker(start=False)
    with Daemon(tmp_path / "d", settings(broker, flowers, model=data / AUTOML)) as daemon:
        daemon.wait_for_log("camera: streaming")
        wait_until(
            lambda: json.loads(daemon.run("check", "--json").stdout)[2]["ok"],
            "labeling while the broker is unreachable",
        )
        # The daemon may run with settings other than those that were checked.
        assert f"runs as t with {tmp_path / 'd' / 'appliance.toml'}" in daemon.run("check").stdout
        broker.start()
        with broker.observer() as seen:
            seen.wait_for("appliance/t/event", count=4)
            daemon.stop()
            events = payloads(seen.payloads("appliance/t/event"))
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert daemon.count_lines(f"127.0.0.1:{broker.port}") == 2  # once when unreachable, once when connected


def test_commands_over_mqtt(broker, data, flowers, tmp_path):
    with broker.observer() as seen, Daemon(tmp_path / "d", settings(broker, flowers, model=data / AUTOML)) as daemon:
        seen.wait_for("appliance/t/threshold", b"0.5")

        def command(topic: str, payload: str) -> dict:
            before = seen.count("appliance/t/response/me")
            seen.publish(f"appliance/t/{topic}", payload, response_topic="appliance/t/response/me", correlation=b"1")
            return json.loads(seen.wait_for("appliance/t/response/me", count=before + 1)[-1].payload)

        assert command("threshold/set", "0.99") == {"ok": True}
        seen.wait_for("appliance/t/threshold", b"0.99")
        assert command("threshold/set", "2")["ok"] is False
        assert command("snapshot/get", "") == {"ok": True}
        assert command("running/set", "OFF") == {"ok": True}
        seen.wait_for("appliance/t/running", b"OFF")
        daemon.wait_for_log("camera: off")
        assert "running to ON" in command("snapshot/get", "PRESS")["error"]
        assert command("model/install", "http://evil/model")["ok"] is False
        # Both values survive a restart, which the process performs itself.
        assert command("restart", "PRESS") == {"ok": True}
        daemon.wait_for_log("restarting")
        seen.wait_for("appliance/t/availability", b"online", count=2)
        seen.wait_for("appliance/t/running", b"OFF", count=2)
        assert seen.last("appliance/t/threshold") == b"0.99"
        assert command("threshold/set", "default") == {"ok": True}
        seen.wait_for("appliance/t/threshold", b"0.5", count=2)


def test_installed_model_labels_without_a_restart(broker, data, flowers, tmp_path):
    with broker.observer() as seen, Daemon(tmp_path / "d", settings(broker, flowers)) as daemon:
        bundled = json.loads(seen.wait_for("appliance/t/model")[0].payload)
        assert bundled["title"] == "general"
        done = daemon.run("model", "install", str(data / AUTOML))
        assert done.returncode == 0, done.stderr
        assert "the running daemon labels with it" in done.stdout
        wait_until(
            lambda: any(
                event["model"]["version"].startswith("sha256:")
                for event in payloads(seen.payloads("appliance/t/event"))
            ),
            "events carry the delivered model",
        )
        assert daemon.run("model", "rollback").returncode == 0
        wait_until(lambda: json.loads(seen.last("appliance/t/model")) == bundled, "the bundled model is back")
        assert daemon.process.poll() is None


def test_installed_model_that_does_not_fit_is_removed(broker, data, tmp_path):
    text = settings(broker, "scene").replace("[events]", 'allow = ["roses"]\n[events]')
    with broker.observer() as seen, Daemon(tmp_path / "d", text) as daemon:
        seen.wait_for("appliance/t/model")
        done = daemon.run("model", "install", str(data / "models" / "mobilenet_v1_0.25_128_quant.tflite"))
        assert done.returncode == 1
        assert "'roses'" in done.stderr and "removed again" in done.stderr
        assert "bundled" in daemon.run("model", "show").stdout
        daemon.kill()
        daemon.start()
        seen.wait_for("appliance/t/availability", b"online", count=2)


@pytest.mark.slow
def test_rollback_to_a_model_that_does_not_fit_is_refused(broker, data, flowers, tmp_path):
    text = settings(broker, flowers)
    with broker.observer() as seen, Daemon(tmp_path / "d", text) as daemon:
        seen.wait_for("appliance/t/model")
        assert (
            daemon.run("model", "install", str(data / "models" / "mobilenet_v1_0.25_128_quant.tflite")).returncode == 0
        )
        daemon.stop()
        (tmp_path / "d" / "appliance.toml").write_text(
            text.replace("[events]", 'allow = ["tabby, tabby cat"]\n[events]')
        )
        daemon.start()
        seen.wait_for("appliance/t/availability", b"online", count=2)
        seen.publish("appliance/t/model/rollback", "", response_topic="appliance/t/response/me", correlation=b"1")
        answer = json.loads(seen.wait_for("appliance/t/response/me")[0].payload)
        assert not answer["ok"] and "'tabby, tabby cat'" in answer["error"]
        # The store still refers to the model that fits, so the device starts again.
        assert "mobilenet" in daemon.run("model", "show").stdout
        assert daemon.stop() == 0
        daemon.start()
        seen.wait_for("appliance/t/availability", b"online", count=3)


@pytest.mark.slow
def test_starts_that_end_with_an_error_do_not_count(broker, data, tmp_path):
    text = settings(broker, "scene")
    with broker.observer() as seen, Daemon(tmp_path / "d", text) as daemon:
        seen.wait_for("appliance/t/model")
        assert daemon.run("model", "install", str(data / AUTOML)).returncode == 0
        daemon.stop()
        config = tmp_path / "d" / "appliance.toml"
        for _ in range(3):
            config.write_text(text.replace("[events]", 'allow = ["rosse"]\n[events]'))
            assert daemon.run("run", "--config", str(config)).returncode == 78
        config.write_text(text)
        runtime = daemon.state / "run"
        shutil.rmtree(runtime)
        (runtime / "control.sock").mkdir(parents=True)
        for _ in range(3):
            done = daemon.run("run", "--config", str(config))
            assert done.returncode == 1 and "is not a socket, but the control socket needs this path" in done.stderr
        shutil.rmtree(runtime)
        daemon.start()
        daemon.wait_for_log("model automl_mlkit_android")


def test_systemd_is_notified_of_readiness_and_stop(broker, data, flowers, tmp_path):
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(address))
        notify.settimeout(20)
        environ = {"NOTIFY_SOCKET": str(address)}
        with Daemon(tmp_path / "d", settings(broker, flowers, model=data / AUTOML), environ) as daemon:
            assert notify.recv(1000).startswith(b"READY=1\n")
            assert notify.recv(1000) == b"WATCHDOG=1"
            daemon.process.terminate()
            message = b""
            while message != b"STOPPING=1":
                message = notify.recv(1000)
            assert daemon.wait() == 0


def test_second_daemon_on_the_same_state_is_refused(broker, data, flowers, tmp_path):
    text = settings(broker, flowers, model=data / AUTOML)
    with Daemon(tmp_path / "d", text) as daemon:
        daemon.wait_for_log("connected")
        second = daemon.run("run", "--config", str(tmp_path / "d" / "appliance.toml"))
        assert second.returncode == 1
        assert daemon.process.poll() is None
