"""The capture thread on the real picamera2: silence, and frames again, as somebody sees it who watches its output."""

import json

import pytest

from support import virtual_camera as virtual

CAPTURE = """
import json, logging, sys, threading
from appliance.camera.pi.camera import open_pi
from appliance.camera.capture import Capture, Slot
from appliance.settings.schema import CameraSettings
from appliance.system.threads import WatchedThread

logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stdout)
settings, slot = CameraSettings(source="pi", fps=20), Slot()
def say(*words): sys.stdout.write(" ".join(map(str, words)) + "\\n")  # in one piece, beside other threads
def told(status): say("status", json.dumps([status.state, status.restarts, status.description, status.reason]))
capture = Capture(lambda: open_pi(settings, (224, 224)), settings.fps, slot, told)
thread = WatchedThread("capture", capture.run, capture.pulse)
thread.start()

def label():
    while thread.is_alive():
        if frame := slot.get(0.1):
            if frame.number % 10 == 1: say("frame", frame.number, frame.pixels.shape)
threading.Thread(target=label, daemon=True).start()
for line in sys.stdin:
    if line == "off\\n": capture.set_running(False)
    if line == "on\\n": capture.set_running(True)
    if line == "pulse\\n": say("pulse", capture.pulse.overdue(), thread.failure)
capture.stop()
thread.join(5)
say("ended", thread.is_alive(), thread.failure)
"""


@pytest.fixture
def program(tmp_path):
    program = virtual.Program(CAPTURE, tmp_path)
    yield program
    program.end()


def status(program: virtual.Program) -> list:
    return json.loads(program.line("status").removeprefix("status "))


def test_silence_is_a_state_and_frames_come_again(program):
    description = "Virtual Video Device, 448×252 at 20 frames/s"
    assert program.line("appliance.camera.capture") == f"appliance.camera.capture: camera: streaming ({description})"
    assert status(program) == ["streaming", 0, description, None]
    program.line("frame 11 (252, 448, 3)")

    program.stall_file.touch()
    reason = "the Pi's camera is open and gives no frames; its cable or its supply may be loose"
    said = program.line("appliance.camera.capture")
    assert said == f"appliance.camera.capture: camera: stalled: {reason}; trying again, with up to 60 s between tries"
    assert status(program) == ["stalled", 0, description, reason]

    program.stall_file.unlink()
    assert program.line("appliance.camera.capture").startswith(
        "appliance.camera.capture: camera: streaming again after "
    )
    assert status(program) == ["streaming", 1, description, None]
    program.line("frame")
    program.tell("pulse")
    assert program.line("pulse") == "pulse None None"
    assert program.rest()[-1] == "ended False None"


def test_off_gives_the_camera_free_and_on_takes_it_again(program):
    assert status(program)[0] == "streaming"
    program.tell("off")
    assert status(program)[0] == "off"
    program.tell("on")
    assert status(program)[0] == "opening"
    assert status(program)[:2] == ["streaming", 0]
    assert program.rest()[-1] == "ended False None"
