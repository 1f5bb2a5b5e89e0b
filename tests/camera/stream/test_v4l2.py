"""USB cameras: real libav on a device that a preloaded library emulates, because test machines have no camera."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.camera.open import open_camera
from appliance.camera.stream.v4l2 import list_capture_options
from appliance.errors import CameraAbsentError
from appliance.settings.schema import CameraSettings
from support.paths import ROOT
from support.streams import GREEN, has_color, jpeg, plain

# Runs with the fake device: opens, reads, triggers the fault, and prints a report.
SCRIPT = """
import json, os, sys, time
from pathlib import Path
from appliance.camera.open import open_camera
from appliance.camera.source import CameraState
from appliance.errors import CameraError
from appliance.settings.schema import CameraSettings
settings, wanted, fault = json.loads(sys.argv[1])
as_tuples = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
settings = CameraSettings(**as_tuples)
report = {}
began = time.monotonic()
try:
    camera = open_camera(settings, tuple(wanted))
    report["description"], report["live"] = camera.description, camera.live
    picture = camera.read()
    report["shape"], report["middle"] = picture.shape, picture[200, 200].tolist()
    for _ in range(10):
        picture = camera.read()
    time.sleep(0.5)
    camera.read()
    report["dropped"] = camera.dropped
    cpu_s = time.process_time()
    if fault:
        Path(os.environ["FAKE_V4L2_ORDER"]).write_text(fault)
        began = time.monotonic()
        try:
            while True:
                camera.read()
        except CameraError as error:
            report["fault"], report["fault_state"] = str(error), CameraState.from_error(error)
        report["took_s"] = time.monotonic() - began
        report["cpu_s"] = time.process_time() - cpu_s
    camera.close()
    camera.close()
except CameraError as error:
    report["error"], report["state"] = str(error), CameraState.from_error(error)
    report["took_s"], report["cpu_s"] = time.monotonic() - began, time.process_time()
print(json.dumps(report))
"""


@pytest.fixture(scope="session")
def fake_device(tmp_path_factory):
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler for the fake USB camera (apt-get install gcc)")
    library = tmp_path_factory.mktemp("v4l2") / "fake_v4l2.so"
    source = ROOT / "tests/support/fake_v4l2.c"
    built = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], capture_output=True, text=True
    )
    if built.returncode and "linux/videodev2.h" in built.stderr:
        pytest.skip("no linux/videodev2.h for the fake USB camera (apt-get install linux-libc-dev)")
    assert built.returncode == 0, built.stderr
    return library


@pytest.fixture
def run_with_device(fake_device, tmp_path):
    """Run SCRIPT with the fake device; return its report and the requests that the device received."""

    def run(wanted=(224, 224), order="run", fault=None, picture=None, **settings):
        (tmp_path / "order").write_text(order)
        requests = tmp_path / "requests"
        requests.write_text("")
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LD_PRELOAD": str(fake_device),
            "FAKE_V4L2": "/dev/video77",
        }
        environment |= {"FAKE_V4L2_ORDER": str(tmp_path / "order"), "FAKE_V4L2_LOG": str(requests)}
        if picture:
            (tmp_path / "picture").write_bytes(picture)
            environment["FAKE_V4L2_JPEG"] = str(tmp_path / "picture")
        arguments = json.dumps([{"source": "/dev/video77", **settings}, wanted, fault])
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, arguments], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), requests.read_text().splitlines()

    return run


def test_usb_camera_delivers_small_pictures_raw(run_with_device):
    report, requests = run_with_device(picture=jpeg(plain(GREEN, 640, 480)))
    assert report["live"] and report["shape"] == [480, 640, 3]
    assert report["middle"][0] > 240 and max(report["middle"][1:]) < 20  # red
    assert "rawvideo, 640 x 480 at 5 frames/s" in report["description"]
    assert requests[0] == "open nonblocking" and requests[-1] == "close"
    assert "format YUYV 640x480" in requests and "rate 5" in requests
    assert report["dropped"] >= 1


def test_usb_camera_delivers_large_pictures_as_jpeg(run_with_device):
    report, requests = run_with_device(picture=jpeg(plain(GREEN, 1280, 720)), size=(1280, 720), fps=15.0)
    assert report["shape"] == [720, 1280, 3]
    assert has_color(plain(report["middle"]), GREEN)
    assert "format MJPG 1280x720" in requests and "rate 15" in requests


def test_usb_camera_without_jpeg_delivers_large_pictures_raw(run_with_device):
    report, requests = run_with_device(size=(1280, 720), fps=15.0)
    assert report["shape"] == [720, 1280, 3] and report["middle"][0] > 240
    assert requests.count("open nonblocking") == 2 and requests.count("close") == 2  # JPEG was tried, and given back


def test_usb_camera_is_used_with_its_own_size_and_rate(run_with_device):
    report, _ = run_with_device(size=(800, 600), fps=240.0, picture=jpeg(plain(GREEN, 640, 480)))
    assert report["shape"] == [480, 640, 3]


def test_silent_usb_camera_is_stalled_without_busy_waiting(run_with_device):
    report, requests = run_with_device(fault="stall", fps=15.0)
    assert report["fault_state"] == "stalled" and "/dev/video77" in report["fault"]
    assert report["took_s"] < 6 and report["cpu_s"] < 1
    assert requests[-1] == "close"


def test_usb_camera_silent_from_the_start_is_stalled(run_with_device):
    report, requests = run_with_device(order="stall", picture=jpeg(plain(GREEN, 1280, 720)), size=[1280, 720])
    assert report["state"] == "stalled" and "/dev/video77 sent no frames for 5 s" in report["error"]
    assert report["took_s"] < 10
    assert requests[-1] == "close"


def test_unplugged_usb_camera_is_absent(run_with_device):
    report, requests = run_with_device(fault="gone", fps=15.0)
    assert report["fault_state"] == "absent" and "/dev/video77 disappeared; check the camera's cable" in report["fault"]
    assert requests[-1] == "close"


def test_usb_camera_in_use_is_busy(run_with_device):
    report, requests = run_with_device(order="busy")
    assert report["state"] == "busy" and "/dev/video77 is in use by" in report["error"]
    assert requests.count("open nonblocking") == 1 and requests[-1] == "close"


def test_missing_device_error_lists_devices():
    with pytest.raises(CameraAbsentError, match=r"/dev/video76 does not exist; plug the camera in.*\(.*/dev/video"):
        open_camera(CameraSettings(source="/dev/video76"), (224, 224))


def test_device_that_is_not_a_camera_is_absent():
    with pytest.raises(CameraAbsentError, match="/dev/null is not a camera"):
        open_camera(CameraSettings(source="/dev/null"), (224, 224))


def test_device_without_permission_names_the_group():
    if os.getuid() == 0:
        switch, node = "import os; os.setgid(65534); os.setuid(65534)\n", "/dev/hwrng"
    else:
        switch, node = "", "/dev/console"
    if not Path(node).exists():
        pytest.skip(f"no {node}, a device that only root may open")
    script = (
        "import sys, getpass\nfrom appliance.camera.open import open_camera\nimport appliance.camera.stream.input\n"
        "from appliance.errors import CameraAbsentError\nfrom appliance.settings.schema import CameraSettings\n"
        f"{switch}try:\n    open_camera(CameraSettings(source={node!r}), (224, 224))\n"
        "except CameraAbsentError as error:\n    print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=30)
    assert f"{node} cannot be opened by" in done.stdout and "sudo usermod -aG video" in done.stdout, done.stderr


def test_capture_options_by_size_and_rate():
    small = list_capture_options(CameraSettings(fps=5.0), (224, 224))
    assert small[0] == {"video_size": "640x480", "framerate": "5"} and small[-1] == {}
    assert list_capture_options(CameraSettings(), (1280, 720))[0]["video_size"] == "1280x720"  # enough for a snapshot
    assert list_capture_options(CameraSettings(), (4000, 3000))[0]["video_size"] == "1920x1080"
    assert list_capture_options(CameraSettings(size=(1280, 720)), (224, 224))[0]["input_format"] == "mjpeg"
    assert (
        list_capture_options(CameraSettings(fps=0.01), (224, 224))[0]["framerate"] == "5"
    )  # never a frame that is minutes old
