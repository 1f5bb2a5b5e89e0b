"""Camera states: their values in payloads, and which error leads to which state."""

import json

import pytest

from appliance.camera.source import CameraState
from appliance.errors import CameraAbsentError, CameraBusyError, CameraEndedError, CameraError, CameraStalledError


def test_states_keep_their_words():
    assert [str(state) for state in CameraState] == [
        "opening",
        "streaming",
        "absent",
        "busy",
        "stalled",
        "ended",
        "off",
    ]
    assert json.dumps({"state": CameraState.STREAMING}) == '{"state": "streaming"}'


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (CameraError("x"), CameraState.ABSENT),
        (CameraAbsentError("x"), CameraState.ABSENT),
        (CameraBusyError("x"), CameraState.BUSY),
        (CameraStalledError("x"), CameraState.STALLED),
        (CameraEndedError("x"), CameraState.ENDED),
    ],
)
def test_error_determines_the_state(error, state):
    assert CameraState.from_error(error) is state
