"""The Pi camera: requests to the real picamera2, and how its errors are reported.

picamera2 runs on libcamera's virtual camera, which has no sensor modes, no automatic exposure and cannot be opened by
two processes. So modes and controls are tested with the lists of real cameras, and busy by opening the camera a second
time in the same process, which libcamera rejects in the same way.
"""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from appliance.camera.pi.camera import open_pi
from appliance.errors import CameraAbsentError
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
    """Run a program under the virtual camera: run(code, ...) returns a virtual.Program."""
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
flags = pixels.flags
print(camera.description, pixels.shape, pixels.dtype, flags.c_contiguous, flags.owndata, camera.live, sep="|")
print(*(int(value) for index in (1, 3, 5) for value in pixels[pixels.shape[0] // 2, index * pixels.shape[1] // 6]))
camera.close()
"""
    program = run(code, VIRTUAL_CAMERA_FRAMES=virtual.picture(tmp_path, (220, 30, 30), (30, 200, 30), (30, 30, 220)))
    assert program.line() == "Virtual Video Device, 448×252 at 30 frames/s|(252, 448, 3)|uint8|True|True|True"
    seen = np.array([int(value) for value in program.line().split()]).reshape(3, 3)
    assert np.abs(seen - [(220, 30, 30), (30, 200, 30), (30, 30, 220)]).max() <= 20  # JPEG and YUV in between
    program.rest()


def test_frame_is_not_overwritten_by_later_frames(run):
    program = run("""
camera = open_pi(settings(fps=30), (224, 224))  # color bars that move
first = camera.read(); kept = first.copy()
later = [camera.read() for _ in range(6)]
print((first == kept).all(), (later[-1] == kept).all())
camera.close()
""")
    assert program.rest() == ["True False"]


def test_sensor_runs_at_wanted_rate_and_counts_unread_frames(run):
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
    ("requested", "shape"),
    [((322, 242), "(242, 322, 3)"), ((321, 241), "(240, 320, 3)"), ((8192, 8192), "(1080, 1920, 3)")],
)
def test_odd_and_impossible_sizes_are_delivered(run, requested, shape):
    # 322 px wide has padding at the end of each line (stride 1024 bytes instead of 966).
    program = run(f"""
camera = open_pi(settings(size={requested}, fps=30), (224, 224))
pixels = camera.read()
print(pixels.shape, "|", camera.description)
print(len({{pixels[row].tobytes() for row in range(0, 200, 8)}}))  # bars are the same in each line unless sheared
camera.close()
""")
    size, description = program.line().split(" | ")
    assert size == shape
    assert ("requested" in description) == (requested != (322, 242))
    assert program.rest() == ["1"]


# Faults


def test_silent_camera_stalls_and_reopened_one_delivers(run):
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
    assert "delivers no frames; check its cable" in program.line("stalled:", within_s=6)
    assert program.line() == "True"
    program.stall_file.unlink()
    program.send()
    assert program.rest() == ["(252, 448, 3)"]


def test_auto_is_the_pi_camera_if_there_is_one(run):
    program = run("""
from appliance.camera.open import open_camera
camera = open_camera(settings(source="auto", fps=30), (224, 224))
print(camera.description.partition(",")[0], camera.read() is not None)
camera.close()
""")
    assert program.rest() == ["Virtual Video Device True"]


def test_slow_rate_is_awaited_in_short_calls(run):
    program = run("""
import appliance.camera.pi.camera as module
module.READ_LIMIT_S = 0.2
camera = open_pi(settings(fps=5, controls={"FrameRate": 1.0}), (224, 224))
reads = [camera.read() is not None for _ in range(15)]
print(reads.count(True) >= 2, reads.count(False) >= 4)
camera.close()
""")
    assert program.rest() == ["True True"]


def test_reading_after_silence_does_not_wedge_the_camera(run):
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
    program.send()
    program.line("stalled")
    program.stall_file.unlink()
    program.send()
    assert program.rest() == ["frames again"]


def test_missing_camera_is_absent(run):
    program = run("open_fails(settings(), (224, 224))", LIBCAMERA_PIPELINES_MATCH_LIST="none")
    [line] = program.rest()
    assert line.startswith("CameraAbsentError | no Pi camera was found; check its ribbon cable")


def test_camera_is_selected_by_number(run):
    program = run("""
open_fails(settings(source="pi:0"), (224, 224))
open_fails(settings(source="pi:2"), (224, 224))
open_fails(settings(source="pi:two"), (224, 224))
""")
    assert program.rest() == [
        "opened",
        "CameraAbsentError | there is no Pi camera number 2; connected: pi:0 (Virtual Video Device)",
        "SettingsError | camera.source = 'pi:two': a Pi camera is named pi, or pi:1 for the second camera",
    ]


def test_busy_camera_is_reported_and_leaks_nothing(run):
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
    assert all(line.startswith("CameraBusyError | the Pi camera is in use by another program;") for line in lines[:5])
    assert lines[5:] == ["0", "(252, 448, 3)", "opened"]


def test_opening_and_closing_leaks_nothing(run):
    program = run("""
for turn in range(12):
    camera = open_pi(settings(fps=60), (224, 224)); camera.read(); camera.close()
    if turn == 1: files, maps = len(os.listdir("/proc/self/fd")), open("/proc/self/maps").read().count("dmabuf")
print(len(os.listdir("/proc/self/fd")) - files, open("/proc/self/maps").read().count("dmabuf") - maps)
""")
    assert program.rest() == ["0 0"]


def test_missing_buffer_memory_is_reported_and_released(run):
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
    assert failed.startswith("CameraBusyError | the Pi's camera memory (CMA) is used up; set a smaller camera.size")
    assert opened == again == "opened"


def test_unsupported_controls_and_invalid_values_are_rejected(run):
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
    offered = "FaceDetectMode, FrameDurationLimits, FrameRate"
    assert program.rest() == [
        "SettingsError | camera.controls.FaceDetectmode: this camera has no such control; did you mean FaceDetectMode?",
        f"SettingsError | camera.controls.AfMode: this camera has no such control; it has {offered}",
        "SettingsError | camera.controls.FrameDurationLimits must be a list of 2, not 5",
        "SettingsError | camera.controls.FrameDurationLimits must be a list of 2, not [20000, 30000, 40000]",
        "SettingsError | camera.controls.FrameRate must be a number, not 'fast'",
        "SettingsError | camera.controls.FrameRate must be from 1 to 60.0024, not 1000.0",
        "opened",
        "opened",
        "True",
    ]


@pytest.mark.skipif(importlib.util.find_spec("picamera2") is not None, reason="picamera2 is installed here")
def test_missing_picamera2_error_names_the_packages():
    with pytest.raises(CameraAbsentError, match=r"libcamera.*apt install python3-picamera2 .*--system-site-packages"):
        open_pi(CameraSettings(source="pi"), (224, 224))


def test_picamera2_for_another_numpy_is_explained(tmp_path):
    # The error of simplejpeg 1.7.2 (built for numpy 1) with numpy 2, raised through picamera2's import.
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
    fact = f"CameraAbsentError | picamera2 cannot be loaded: it was built for a different numpy than {np.__version__}"
    assert run.stdout.startswith(fact)
    assert "pip install 'numpy<2'" in run.stdout
