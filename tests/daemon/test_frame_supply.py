"""Test when a lack of usable frames makes the labels unknown. The tests pass the time."""

import pytest

from appliance.camera.source import CameraState
from appliance.daemon.frame_supply import GONE_LIMIT_S, NO_CAMERA, NO_LABELS, RUNNING_OFF, FrameSupply

GONE = [CameraState.ABSENT, CameraState.BUSY, CameraState.STALLED, CameraState.OPENING]


@pytest.fixture
def supply() -> FrameSupply:
    """Return a supply whose labels are known."""
    supply = FrameSupply()
    supply.note_frame()
    return supply


def reasons(supply: FrameSupply, *times_s: float) -> list[str | None]:
    return [supply.poll(time_s) for time_s in times_s]


@pytest.mark.parametrize("state", GONE)
def test_camera_that_stays_away_is_reported_once_after_the_limit(supply, state):
    supply.note_camera(state, 100.0)
    assert reasons(supply, 100.0, 109.9, 110.0, 110.1, 999.0) == [None, None, NO_CAMERA, None, None]


def test_camera_that_changes_its_state_is_gone_since_the_first(supply):
    for number, state in enumerate(GONE * 2):
        supply.note_camera(state, 100.0 + number)
    assert reasons(supply, 100.0 + GONE_LIMIT_S) == [NO_CAMERA]


def test_camera_that_returns_in_time_is_not_reported(supply):
    for start_s in (0.0, 9.0, 18.0, 27.0):
        supply.note_camera(CameraState.ABSENT, start_s)
        assert supply.is_lacking
        assert reasons(supply, start_s + 8.9) == [None]
        supply.note_camera(CameraState.STREAMING, start_s + 8.9)
        supply.note_frame()
        assert not supply.is_lacking
    assert reasons(supply, 1000.0) == [None]


@pytest.mark.parametrize(("state", "reason"), [(CameraState.OFF, RUNNING_OFF), (CameraState.ENDED, NO_CAMERA)])
def test_source_without_further_frames_is_reported_at_once(supply, state, reason):
    supply.note_camera(state, 100.0)
    assert reasons(supply, 100.0, 200.0) == [reason, None]


def test_nothing_is_reported_again_before_the_first_frame():
    supply = FrameSupply()
    supply.note_camera(CameraState.ABSENT, 0.0)
    assert reasons(supply, 60.0) == [None]


def test_frames_that_fail_are_reported_after_the_limit(supply):
    for second in range(20):
        supply.note_failure(float(second))
        assert supply.poll(float(second)) == (NO_LABELS if second == GONE_LIMIT_S else None)


def test_frames_that_fail_now_and_then_are_not_reported(supply):
    for second in range(0, 60, 2):
        supply.note_failure(float(second))
        assert supply.poll(second + 1.0) is None
        supply.note_frame()


def test_camera_that_is_lost_while_labeling_fails_is_reported_too(supply):
    supply.note_failure(0.0)
    assert reasons(supply, 10.0) == [NO_LABELS]
    supply.note_camera(CameraState.ABSENT, 20.0)
    assert reasons(supply, 29.0, 30.0) == [None, NO_CAMERA]


def test_camera_that_delivers_only_failing_frames_can_be_lost_again():
    supply = FrameSupply()
    supply.note_failure(0.0)
    supply.note_camera(CameraState.ABSENT, 1.0)
    assert reasons(supply, 11.0) == [NO_CAMERA]
