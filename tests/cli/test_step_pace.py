"""Progress is shown at the start and end of a step and not too often between; the time left counts new items only."""

import pytest

from appliance.cli import step_pace
from appliance.cli.step_pace import StepPace


@pytest.fixture
def clock(monkeypatch):
    now_s = [100.0]
    monkeypatch.setattr(step_pace.time, "monotonic", lambda: now_s[0])
    return now_s


def test_progress_is_due_at_the_ends_and_in_intervals(clock):
    pace = StepPace(0.5)
    assert pace.is_due("reading", 0, 10)
    clock[0] += 0.4
    assert not pace.is_due("reading", 1, 10) and pace.is_due("reading", 10, 10)
    assert pace.is_due("fitting", 0, 0) and pace.step == "fitting"
    clock[0] += 0.6
    assert pace.is_due("fitting", 1, 9)


def test_time_left_leaves_out_what_was_done_before(clock):
    pace = StepPace(0.1)
    pace.is_due("reading", 60, 100)
    clock[0] += 0.5
    assert pace.is_due("reading", 65, 100) and pace.estimate_left_s(65, 100) is None
    clock[0] += 1.5
    assert pace.is_due("reading", 80, 100) and pace.estimate_left_s(80, 100) == pytest.approx(2.0)
