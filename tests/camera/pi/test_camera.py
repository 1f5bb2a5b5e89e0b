"""The Pi's camera: what is asked of the real picamera2, and what becomes of its troubles.

picamera2 runs on libcamera's virtual camera, which has no sensor modes, no automatic exposure and cannot be held
by two processes. So modes and controls are tested on what real cameras list, busy by a second opening in the same
process (the same refusal of libcamera's), and the holder's name on a file that another process really locks.
"""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from appliance.camera.device_holder import find_device_holder
from appliance.camera.pi.camera import open_pi
from appliance.camera.pi.controls import ControlSpec, check_controls
from appliance.camera.pi.modes import choose_full_view_mode, choose_stream_size
from appliance.errors import CameraAbsentError, SettingsError
from appliance.settings.schema import CameraSettings
from support import virtual_camera as virtual

OPEN = """
import gc, os, time
import numpy as np
from appliance.camera.pi.camera import open_pi
from appliance.errors import *
from appliance.settings.schema import CameraSettings
def settings(**more): return CameraSettings(source=more.pop("source", "pi"), **more)
def open_fails(*arguments):
    try:
        open_pi(*arguments).close()
    except ApplianceError as error:
        print(type(error).__name__, "|", error)
    else:
        print("opened")
"""


@pytest.fixture
def run(tmp_path):
    """Runs a program under the virtual camera: run(code, ...) gives a virtual.Program."""
    programs = []

    def start(code: str, **environment: str) -> virtual.Program:
        programs.append(virtual.Program(OPEN + code, tmp_path, **environment))
        return programs[-1]

    yield start
    for program in programs:
        program.end()


# Frames


def test_red_is_red_and_blue_is_blue(run, tmp_path):
    code = """
camera = open_pi(settings(fps=30), (224, 224))
pixels = camera.read()
print(camera.description, pixels.shape, pixels.dtype, pixels.flags.c_contiguous, pixels.flags.owndata, camera.live, sep="|")
print(*(int(value) for place in (1, 3, 5) for value in pixels[pixels.shape[0] // 2, place * pixels.shape[1] // 6]))
camera.close()
"""
    program = run(code, VIRTUAL_CAMERA_FRAMES=virtual.picture(tmp_path, (220, 30, 30), (30, 200, 30), (30, 30, 220)))
    assert program.line() == "Virtual Video Device, 448×252 at 30 frames/s|(252, 448, 3)|uint8|True|True|True"
    seen = np.array([int(value) for value in program.line().split()]).reshape(3, 3)
    assert np.abs(seen - [(220, 30, 30), (30, 200, 30), (30, 30, 220)]).max() <= 20  # JPEG and YUV in between
    program.rest()


def test_a_frame_is_not_written_to_by_later_ones(run):
    program = run("""
camera = open_pi(settings(fps=30), (224, 224))  # colour bars that move
first = camera.read(); kept = first.copy()
later = [camera.read() for _ in range(6)]
print((first == kept).all(), (later[-1] == kept).all())
camera.close()
""")
    assert program.rest() == ["True False"]


def test_the_sensor_runs_at_the_wanted_rate_and_unread_frames_are_counted(run):
    program = run("""
camera = open_pi(settings(fps=20), (224, 224))
camera.read()
began = time.monotonic()
for _ in range(10): camera.read()
print(0.04 < (time.monotonic() - began) / 10 < 0.07)
before = camera.dropped
time.sleep(0.5)
camera.read()
print(6 <= camera.dropped - before <= 14)
camera.close()
print(camera.dropped >= 6)
""")
    assert program.rest() == ["True", "True", "True"]


@pytest.mark.parametrize(
    ("asked", "shape"),
    [((322, 242), "(242, 322, 3)"), ((321, 241), "(240, 320, 3)"), ((8192, 8192), "(1080, 1920, 3)")],
)
def test_odd_and_impossible_sizes(run, asked, shape):
    # 322 px wide has padding at the end of each line (stride 1024 bytes instead of 966).
    program = run(f"""
camera = open_pi(settings(size={asked}, fps=30), (224, 224))
pixels = camera.read()
print(pixels.shape, "|", camera.description)
print(len({{pixels[row].tobytes() for row in range(0, 200, 8)}}))  # bars are the same in each line, unless it is sheared
camera.close()
""")
    size, description = program.line().split(" | ")
    assert size == shape
    assert ("asked for" in description) == (asked != (322, 242))
    assert program.rest() == ["1"]


# Faults


def test_a_silent_camera_is_stalled_and_a_new_one_gives_frames_again(run):
    program = run("""
camera = open_pi(settings(fps=30), (224, 224))
camera.read()
print("running")
try:
    while True: camera.read()
except CameraStalledError as error:
    print("stalled:", error)
began = time.monotonic()
camera.close(); camera.close()
print(time.monotonic() - began < 1)
input()
camera = open_pi(settings(fps=30), (224, 224))
print(camera.read().shape)
camera.close()
""")
    program.line("running")
    program.stall_file.touch()
    assert program.line("stalled:", within_s=6) == (
        "stalled: the Pi's camera is open and gives no frames; its cable or its supply may be loose"
    )
    assert program.line() == "True"
    program.stall_file.unlink()
    program.tell()
    assert program.rest() == ["(252, 448, 3)"]


def test_reading_on_after_silence_does_not_wedge_the_camera(run):
    # picamera2 keeps each job that timed out; three of them without a flush would hold all three buffers.
    program = run("""
camera = open_pi(settings(fps=30), (224, 224))
camera.read(); camera._silence_s = camera._wait_s = 0.2
print("running"); input()
for _ in range(5):
    try:
        while True: camera.read()
    except CameraStalledError:
        pass
print("stalled"); input()
for _ in range(5): camera.read()
print("frames again")
camera.close()
""")
    program.line("running")
    program.stall_file.touch()
    program.tell()
    program.line("stalled")
    program.stall_file.unlink()
    program.tell()
    assert program.rest() == ["frames again"]


def test_no_camera(run):
    program = run("open_fails(settings(), (224, 224))", LIBCAMERA_PIPELINES_MATCH_LIST="none")
    [line] = program.rest()
    assert line.startswith("CameraAbsentError | no Pi camera is found: check its ribbon cable")


def test_a_camera_by_number(run):
    program = run("""
open_fails(settings(source="pi:0"), (224, 224))
open_fails(settings(source="pi:2"), (224, 224))
open_fails(settings(source="pi:two"), (224, 224))
""")
    assert program.rest() == [
        "opened",
        "CameraAbsentError | there is no Pi camera with number 2; there is pi:0 (Virtual Video Device)",
        "SettingsError | camera.source = 'pi:two': a Pi's camera is named pi, or pi:1 for the second one",
    ]


def test_a_busy_camera_is_said_to_be_and_costs_nothing(run):
    program = run("""
camera = open_pi(settings(), (224, 224))
camera.read()
files = len(os.listdir("/proc/self/fd"))
for _ in range(5): open_fails(settings(), (224, 224))
print(len(os.listdir("/proc/self/fd")) - files)
print(camera.read().shape)
camera.close()
open_fails(settings(), (224, 224))
""")
    lines = program.rest()
    busy = (
        "CameraBusyError | the Pi's camera is in use by another program; stop that, one program at a time can have it"
    )
    assert lines == [busy] * 5 + ["0", "(252, 448, 3)", "opened"]


def test_opening_and_closing_leaves_nothing_behind(run):
    program = run("""
for turn in range(12):
    camera = open_pi(settings(fps=60), (224, 224)); camera.read(); camera.close()
    if turn == 1: files, maps = len(os.listdir("/proc/self/fd")), open("/proc/self/maps").read().count("dmabuf")
print(len(os.listdir("/proc/self/fd")) - files, open("/proc/self/maps").read().count("dmabuf") - maps)
""")
    assert program.rest() == ["0 0"]


def test_no_memory_for_the_buffers_is_said_and_everything_is_given_back(run):
    program = run("""
import resource
open_fails(settings(), (224, 224))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 15_000_000, -1))  # three buffers of 6 MB are asked for
open_fails(settings(size=(1920, 1080)), (224, 224))
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
open_fails(settings(size=(1920, 1080)), (224, 224))
""")
    opened, failed, again = program.rest()
    assert failed.startswith("CameraBusyError | the Pi's camera memory (CMA) is used up: set a smaller camera.size")
    assert opened == again == "opened"


def test_unsupported_controls_and_values_that_make_no_sense(run):
    program = run("""
for controls in (
    {"FaceDetectmode": 0}, {"AfMode": 2}, {"FrameDurationLimits": 5}, {"FrameDurationLimits": [20000, 30000, 40000]},
    {"FrameRate": "fast"}, {"FrameRate": 1000.0},
    {"FrameDurationLimits": [20000, 50000]}, {"FrameRate": 12, "FaceDetectMode": 0},
):
    open_fails(settings(controls=controls), (224, 224))
camera = open_pi(settings(controls={"FrameRate": 50}), (224, 224))
camera.read(); began = time.monotonic()
for _ in range(10): camera.read()
print((time.monotonic() - began) / 10 < 0.1)  # far above the five frames a second of the settings
camera.close()
""")
    assert program.rest() == [
        "SettingsError | camera.controls.FaceDetectmode: this camera has no such control; did you mean FaceDetectMode?",
        "SettingsError | camera.controls.AfMode: this camera has no such control; it has FaceDetectMode, FrameDurationLimits,"
        " FrameRate",
        "SettingsError | camera.controls.FrameDurationLimits must be a list of 2, and is 5",
        "SettingsError | camera.controls.FrameDurationLimits must be a list of 2, and is [20000, 30000, 40000]",
        "SettingsError | camera.controls.FrameRate must be a number, and is 'fast'",
        "SettingsError | camera.controls.FrameRate must be from 1 to 60.0024, and is 1000.0",
        "opened",
        "opened",
        "True",
    ]


@pytest.mark.skipif(importlib.util.find_spec("picamera2") is not None, reason="picamera2 is installed here")
def test_without_picamera2_it_says_what_to_install():
    with pytest.raises(CameraAbsentError, match=r"libcamera.*apt install python3-picamera2 .*--system-site-packages"):
        open_pi(CameraSettings(source="pi"), (224, 224))


def test_a_picamera2_for_another_numpy_is_said_plainly(tmp_path):
    # What simplejpeg 1.7.2 (built for numpy 1) raises beside numpy 2, on its way through picamera2's import.
    (tmp_path / "libcamera.py").write_text("")
    (tmp_path / "picamera2.py").write_text(
        "raise ValueError('numpy.dtype size changed, may indicate binary incompatibility."
        " Expected 96 from C header, got 88 from PyObject')"
    )
    code = OPEN + "open_fails(settings(), (224, 224))"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{virtual.ROOT}"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    said = run.stdout
    sentence = f"CameraAbsentError | picamera2 cannot be loaded: it was built for another numpy than {np.__version__}"
    assert said.startswith(sentence)
    assert "pip install 'numpy<2'" in said


# Who holds a device


@pytest.mark.parametrize("lock", [True, False])
def test_the_holder_of_a_device_is_named(tmp_path, lock):
    device = tmp_path / "media0"
    device.touch()
    code = "import fcntl, sys; device = open(sys.argv[1], 'r+')\n"
    code += "if sys.argv[2] == 'True': fcntl.lockf(device, fcntl.LOCK_EX)\nprint(); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, device, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        holder = find_device_holder(str(tmp_path / "media*"))
        other.communicate(b"\n")
    assert holder is not None and holder.startswith("python") and holder.endswith(f"(process {other.pid})")
    assert find_device_holder(str(tmp_path / "media*")) is None


# Sizes and modes, as real cameras list them (the Picamera2 manual, chapter 4)

IMX219 = [
    {"size": (640, 480), "crop_limits": (1000, 752, 1280, 960), "fps": 103.33, "bit_depth": 10},
    {"size": (1640, 1232), "crop_limits": (0, 0, 3280, 2464), "fps": 41.85, "bit_depth": 10},
    {"size": (1920, 1080), "crop_limits": (680, 692, 1920, 1080), "fps": 47.57, "bit_depth": 10},
    {"size": (3280, 2464), "crop_limits": (0, 0, 3280, 2464), "fps": 21.19, "bit_depth": 10},
    {"size": (1640, 1232), "crop_limits": (0, 0, 3280, 2464), "fps": 41.85, "bit_depth": 8},
]
IMX708 = [
    {"size": (1536, 864), "crop_limits": (768, 432, 3072, 1728), "fps": 120.13, "bit_depth": 10},
    {"size": (2304, 1296), "crop_limits": (0, 0, 4608, 2592), "fps": 56.03, "bit_depth": 10},
    {"size": (4608, 2592), "crop_limits": (0, 0, 4608, 2592), "fps": 14.35, "bit_depth": 10},
]
IMX477 = [
    {"size": (1332, 990), "crop_limits": (696, 528, 2664, 1980), "fps": 120.05, "bit_depth": 10},
    {"size": (2028, 1080), "crop_limits": (0, 440, 4056, 2160), "fps": 50.03, "bit_depth": 12},
    {"size": (2028, 1520), "crop_limits": (0, 0, 4056, 3040), "fps": 40.01, "bit_depth": 12},
    {"size": (4056, 3040), "crop_limits": (0, 0, 4056, 3040), "fps": 10.0, "bit_depth": 12},
]


@pytest.mark.parametrize(
    ("modes", "size", "fps", "expected"),
    [
        (IMX219, (320, 240), 5, (1640, 1232)),
        (IMX219, (320, 240), 90, (1640, 1232)),  # the whole view counts for more than the rate
        (IMX219, (2560, 1920), 5, (3280, 2464)),
        (IMX708, (448, 252), 5, (2304, 1296)),
        (IMX477, (320, 240), 30, (2028, 1520)),
        (IMX477, (8000, 6000), 30, (2028, 1520)),
        ([{"format": "YUV420"}], (320, 240), 5, None),
    ],
)
def test_the_sensor_mode_shows_the_whole_view(modes, size, fps, expected):
    mode = choose_full_view_mode(modes, size, fps)
    assert (mode and mode["size"]) == expected


@pytest.mark.parametrize(
    ("wanted", "sensor", "expected"),
    [
        ((224, 224), (3280, 2464), (320, 240)),
        ((224, 224), (4608, 2592), (448, 252)),
        ((640, 480), (3280, 2464), (640, 480)),
        ((32, 32), (3280, 2464), (256, 192)),
        ((9000, 9000), (3280, 2464), (3280, 2464)),
    ],
)
def test_the_size_has_the_sensors_shape_and_is_enough(wanted, sensor, expected):
    width, height = choose_stream_size(wanted, sensor)
    assert (width, height) == expected
    assert width >= min(wanted[0], sensor[0]) and height >= min(wanted[1], sensor[1])
    assert width % 2 == height % 2 == 0
    assert width / height == pytest.approx(sensor[0] / sensor[1], rel=0.02)


# Controls, as a Camera Module 3 has them

MODULE_3 = {
    "AeEnable": ControlSpec("Bool", 0, False, True),
    "AwbMode": ControlSpec("Integer32", 0, 0, 7),
    "AfMode": ControlSpec("Integer32", 0, 0, 2),
    "AfWindows": ControlSpec("Rectangle", -1),
    "Brightness": ControlSpec("Float", 0, -1.0, 1.0),
    "ColourGains": ControlSpec("Float", 2, 0.0, 32.0),
    "ExposureTime": ControlSpec("Integer32", 0, 26, 112015096),
    "ScalerCrop": ControlSpec("Rectangle", 0, (768, 432, 64, 64), (768, 432, 3072, 1728)),
}


@pytest.mark.parametrize(
    ("control", "taken"),
    [
        ({"AwbMode": 1}, {"AwbMode": 1}),
        ({"Brightness": 1}, {"Brightness": 1.0}),
        ({"ColourGains": [1.5, 2]}, {"ColourGains": (1.5, 2.0)}),
        ({"ExposureTime": 0}, {"ExposureTime": 0}),  # back to automatic
        ({"ScalerCrop": [0, 0, 640, 480]}, {"ScalerCrop": (0, 0, 640, 480)}),
        ({"AfWindows": [[0, 0, 64, 64], [64, 64, 64, 64]]}, {"AfWindows": ((0, 0, 64, 64), (64, 64, 64, 64))}),
        ({"AeEnable": False}, {"AeEnable": False}),
    ],
)
def test_good_controls_are_taken(control, taken):
    assert check_controls(control, MODULE_3) == taken


@pytest.mark.parametrize(
    ("control", "sentence"),
    [
        ({"AwbMod": 1}, "AwbMod: this camera has no such control; did you mean AwbMode"),
        ({"AwbMode": 9}, "AwbMode must be from 0 to 7, and is 9"),
        ({"AwbMode": 1.0}, "AwbMode must be a whole number"),
        ({"AwbMode": True}, "AwbMode must be a whole number"),
        ({"AeEnable": 1}, "AeEnable must be true or false"),
        ({"Brightness": "high"}, "Brightness must be a number"),
        ({"ColourGains": [1.0]}, "ColourGains must be a list of 2"),
        ({"ColourGains": [1.0, 99.0]}, "ColourGains must be from 0 to 32"),
        ({"ScalerCrop": [0, 0, 640]}, "ScalerCrop must be 4 whole numbers"),
        ({"AfWindows": []}, "AfWindows must be a list of one or more"),
    ],
)
def test_bad_controls_get_a_sentence(control, sentence):
    with pytest.raises(SettingsError, match=sentence):
        check_controls(control, MODULE_3)
