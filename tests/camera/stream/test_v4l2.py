"""USB cameras: real libav on a device that a small preloaded library plays, since no test machine has a camera."""

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

# What runs beside the fake device: opens, reads, does as the fault asks, and tells what it saw.
STORY = """
import json, os, sys, time
from pathlib import Path
from appliance.camera.open import open_camera
from appliance.errors import CameraError
from appliance.settings.schema import CameraSettings
settings, wanted, fault = json.loads(sys.argv[1])
settings = CameraSettings(**{key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()})
seen = {}
began = time.monotonic()
try:
    camera = open_camera(settings, tuple(wanted))
    seen["description"], seen["live"] = camera.description, camera.live
    picture = camera.read()
    seen["shape"], seen["middle"] = picture.shape, picture[200, 200].tolist()
    for _ in range(10):
        picture = camera.read()
    time.sleep(0.5)
    camera.read()
    seen["dropped"] = camera.dropped
    cpu_s = time.process_time()
    if fault:
        Path(os.environ["FAKE_V4L2_ORDER"]).write_text(fault)
        began = time.monotonic()
        try:
            while True:
                camera.read()
        except CameraError as error:
            seen["fault"], seen["fault_state"] = str(error), error.state
        seen["took_s"] = time.monotonic() - began
        seen["cpu_s"] = time.process_time() - cpu_s
    camera.close()
    camera.close()
except CameraError as error:
    seen["error"], seen["state"] = str(error), error.state
    seen["took_s"], seen["cpu_s"] = time.monotonic() - began, time.process_time()
print(json.dumps(seen))
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
def story(fake_device, tmp_path):
    """Runs STORY beside the fake device: what it saw, and what the device was asked for."""

    def tell(wanted=(224, 224), order="run", fault=None, picture=None, **settings):
        (tmp_path / "order").write_text(order)
        asked = tmp_path / "asked"
        asked.write_text("")
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LD_PRELOAD": str(fake_device),
            "FAKE_V4L2": "/dev/video77",
        }
        environment |= {"FAKE_V4L2_ORDER": str(tmp_path / "order"), "FAKE_V4L2_LOG": str(asked)}
        if picture:
            (tmp_path / "picture").write_bytes(picture)
            environment["FAKE_V4L2_JPEG"] = str(tmp_path / "picture")
        what = json.dumps([{"source": "/dev/video77", **settings}, wanted, fault])
        done = subprocess.run(
            [sys.executable, "-c", STORY, what], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), asked.read_text().splitlines()

    return tell


def test_a_usb_camera_gives_small_pictures_raw(story):
    seen, asked = story(picture=jpeg(plain(GREEN, 640, 480)))
    assert seen["live"] and seen["shape"] == [480, 640, 3]
    assert seen["middle"][0] > 240 and max(seen["middle"][1:]) < 20  # red
    assert "rawvideo, 640 x 480 at 5 frames/s" in seen["description"]
    assert asked[0] == "open nonblocking" and asked[-1] == "close"
    assert "format YUYV 640x480" in asked and "rate 5" in asked
    assert seen["dropped"] >= 1


def test_a_usb_camera_gives_large_pictures_as_jpeg(story):
    seen, asked = story(picture=jpeg(plain(GREEN, 1280, 720)), size=(1280, 720), fps=15.0)
    assert seen["shape"] == [720, 1280, 3]
    assert has_color(plain(seen["middle"]), GREEN)
    assert "format MJPG 1280x720" in asked and "rate 15" in asked


def test_a_usb_camera_without_jpeg_gives_large_pictures_raw(story):
    seen, asked = story(size=(1280, 720), fps=15.0)
    assert seen["shape"] == [720, 1280, 3] and seen["middle"][0] > 240
    assert asked.count("open nonblocking") == 2 and asked.count("close") == 2  # JPEG was tried, and given back


def test_a_usb_camera_is_taken_with_the_size_and_rate_that_it_has(story):
    seen, _ = story(size=(800, 600), fps=240.0, picture=jpeg(plain(GREEN, 640, 480)))
    assert seen["shape"] == [480, 640, 3]


def test_a_usb_camera_that_falls_silent_is_stalled_without_spinning(story):
    seen, asked = story(fault="stall", fps=15.0)
    assert seen["fault_state"] == "stalled" and "/dev/video77" in seen["fault"]
    assert seen["took_s"] < 6 and seen["cpu_s"] < 1
    assert asked[-1] == "close"


def test_a_usb_camera_that_is_silent_from_the_start_is_stalled(story):
    seen, asked = story(order="stall", picture=jpeg(plain(GREEN, 1280, 720)), size=[1280, 720])
    assert seen["state"] == "stalled" and "/dev/video77 sent no frame for 5 s" in seen["error"]
    assert seen["took_s"] < 10
    assert asked[-1] == "close"


def test_a_usb_camera_that_is_unplugged_is_absent(story):
    seen, asked = story(fault="gone", fps=15.0)
    assert seen["fault_state"] == "absent" and "/dev/video77 went away; check its plug" in seen["fault"]
    assert asked[-1] == "close"


def test_a_usb_camera_that_is_in_use_is_busy(story):
    seen, asked = story(order="busy")
    assert seen["state"] == "busy" and "/dev/video77 is in use by" in seen["error"]
    assert asked.count("open nonblocking") == 1 and asked[-1] == "close"


def test_a_missing_device_says_what_there_is():
    with pytest.raises(
        CameraAbsentError, match=r"/dev/video76 is not there; plug the camera in.*\(there (is no|are) /dev/video"
    ):
        open_camera(CameraSettings(source="/dev/video76"), (224, 224))


def test_a_device_that_is_no_camera_is_refused():
    with pytest.raises(CameraAbsentError, match="/dev/null is not a camera"):
        open_camera(CameraSettings(source="/dev/null"), (224, 224))


def test_a_device_that_may_not_be_opened_names_the_group():
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
    assert f"{node} may not be opened by" in done.stdout and "sudo usermod -aG video" in done.stdout, done.stderr


def test_what_a_device_is_asked_for():
    small = list_capture_options(CameraSettings(fps=5.0), (224, 224))
    assert small[0] == {"video_size": "640x480", "framerate": "5"} and small[-1] == {}
    assert list_capture_options(CameraSettings(), (1280, 720))[0]["video_size"] == "1280x720"  # enough for a snapshot
    assert list_capture_options(CameraSettings(), (4000, 3000))[0]["video_size"] == "1920x1080"
    assert list_capture_options(CameraSettings(size=(1280, 720)), (224, 224))[0]["input_format"] == "mjpeg"
    assert list_capture_options(CameraSettings(fps=0.01), (224, 224))[0]["framerate"] == "5"  # never a frame that is minutes old
