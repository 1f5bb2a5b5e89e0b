"""The capture thread with the real picamera2: frames stop and resume, as its output shows."""

import json

import pytest

from support import virtual_camera as virtual

CAPTURE = """
import json, logging, sys, threading
from appliance.camera.pi.camera import open_pi
from appliance.camera.capture import Capture
from appliance.imaging.frame_slot import FrameSlot
from appliance.settings.schema import CameraSettings
from appliance.system.threads import WatchedThread

logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stdout)
settings, slot = CameraSettings(source="pi", fps=20), FrameSlot()
def report(*words): sys.stdout.write(" ".join(map(str, words)) + "\\n")  # atomic, because other threads print too
def on_change(status): report("status", json.dumps([status.state, status.restarts, status.description, status.reason]))
capture = Capture(lambda: open_pi(settings, (224, 224)), settings.fps, slot, on_change)
thread = WatchedThread("capture", capture.run, capture.heartbeat)
thread.start()

def label():
    while thread.is_alive():
        if frame := slot.get(0.1):
            if frame.number % 10 == 1: report("frame", frame.number, frame.pixels.shape)
threading.Thread(target=label, daemon=True).start()
for line in sys.stdin:
    if line == "off\\n": capture.set_running(False)
    if line == "on\\n": capture.set_running(True)
    if line == "heartbeat\\n": report("heartbeat", capture.heartbeat.overdue(), thread.failure)
capture.stop()
thread.join(5)
report("ended", thread.is_alive(), thread.failure)
"""


@pytest.fixture
def program(tmp_path):
    program = virtual.Program(CAPTURE, tmp_path)
    yield program
    program.end()


def status(program: virtual.Program) -> list:
    return json.loads(program.line("status").removeprefix("status "))


def test_silence_is_a_state_until_frames_resume(program):
    description = "Virtual Video Device, 448×252 at 20 frames/s"
    assert program.line("appliance.camera") == f"appliance.camera: camera: streaming ({description})"
    assert status(program) == ["streaming", 0, description, None]
    program.line("frame 11 (252, 448, 3)")

    program.stall_file.touch()
    reason = "the Pi camera is open but delivers no frames; check its cable and power supply"
    line = program.line("appliance.camera")
    assert line == f"appliance.camera: camera: stalled: {reason}; trying again, with up to 60 s between attempts"
    assert status(program) == ["stalled", 0, description, reason]

    program.stall_file.unlink()
    assert program.line("appliance.camera").startswith("appliance.camera: camera: streaming again after ")
    assert status(program) == ["streaming", 1, description, None]
    program.line("frame")
    program.send("heartbeat")
    assert program.line("heartbeat") == "heartbeat None None"
    assert program.rest()[-1] == "ended False None"


def test_off_releases_the_camera_and_on_reopens_it(program):
    assert status(program)[0] == "streaming"
    program.send("off")
    assert status(program)[0] == "off"
    program.send("on")
    assert status(program)[0] == "opening"
    assert status(program)[:2] == ["streaming", 0]
    assert program.rest()[-1] == "ended False None"
