"""Test the daemon with `source = "pi"`: the real picamera2 with a virtual camera, and a real broker."""

import json

import pytest

from appliance.imaging.files import encode_jpeg, read_picture
from support.broker import wait_until
from support.daemon import ROOT, Daemon, payloads, settings
from support.virtual_camera import PYTHON, RUNNER, missing_reason


def test_pi_camera_is_labeled_and_recovers_from_a_stall(broker, data, tmp_path):
    if reason := missing_reason():
        pytest.skip(reason)
    frames = tmp_path / "frames"
    frames.mkdir()
    # The virtual camera requires pictures of the same size, with even width and height.
    picture = read_picture(data / "images" / "mlkit_tulips.jpeg")
    (frames / "0.jpg").write_bytes(encode_jpeg(picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2], 95))
    stall = tmp_path / "stall"
    environ = {
        "VIRTUAL_CAMERA_FRAMES": str(frames),
        "LIBCAMERA_VIRTUAL_STALL_FILE": str(stall),
        "PYTHONPATH": str(ROOT),
    }
    text = settings(broker, "pi", model=data / "models" / "automl_mlkit_android", fps=5)
    with broker.observer() as seen, Daemon(tmp_path / "d", text, environ, (RUNNER, PYTHON)) as daemon:
        seen.wait_for("appliance/t/label/tulips", b"ON")
        stall.touch()
        daemon.wait_for_log("camera: stalled")
        seen.wait_for("appliance/t/label/tulips", b"OFF", count=2)  # once at startup, once now
        ended = [event for event in payloads(seen.payloads("appliance/t/event")) if event["type"] == "ended"]
        assert ended[0]["reason"] == "camera"
        stall.unlink()
        daemon.wait_for_log("camera: streaming again")
        seen.wait_for("appliance/t/label/tulips", b"ON", count=2)
        wait_until(
            lambda: (
                json.loads(seen.last("appliance/t/stats") or b"{}").get("camera")
                == {"state": "streaming", "restarts": 1}
            ),
            "the stats count the restart",
        )
        assert daemon.stop() == 0
