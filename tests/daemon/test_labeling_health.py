"""Test when a model counts as failing, and when it is reported. The tests set the time."""

from types import SimpleNamespace

import pytest

from appliance.daemon.frame_supply import NO_CAMERA, NO_LABELS
from appliance.daemon.labeling_health import IN_A_ROW, LabelingHealth


class Patient:
    """The health of a labeler, which gets a frame every fifth of a second."""

    def __init__(self, step_s=0.2):
        self.faults = []
        self.now_s, self.step_s = 0.0, step_s
        self.changes = []
        self.health = LabelingHealth(
            lambda labeler, reason: self.faults.append((labeler, reason)),
            lambda: self.changes.append(self.state),
            lambda: self.now_s,
        )
        self.use("one")

    def use(self, labeler):
        self.health.on_engine_changed(SimpleNamespace(labeler=labeler))

    def label(self, frames, every_failing=0):
        """Label frames, of which each `every_failing`-th fails."""
        for number in range(frames):
            self.now_s += self.step_s
            if every_failing and number % every_failing == 0:
                self.health.on_frame_failed("the index is out of bounds")
            else:
                self.health.on_frame(None)

    @property
    def state(self):
        return self.health.report.state


@pytest.fixture
def patient():
    return Patient()


def test_frames_in_a_row_that_fail_report_the_model_once(patient):
    patient.label(IN_A_ROW - 1, every_failing=1)
    assert (patient.faults, patient.state) == ([], "ok")
    patient.label(50, every_failing=1)
    [(labeler, reason)] = patient.faults
    assert labeler == "one"
    assert "20 frames in a row: the index is out of bounds" in reason
    report = patient.health.report
    assert (report.state, report.errors, report.reason) == ("failing", 69, "the index is out of bounds")


def test_half_of_the_frames_of_a_minute_report_the_model(patient):
    patient.label(298, every_failing=2)
    assert (patient.faults, patient.state) == ([], "failing")
    patient.label(10, every_failing=2)
    [(_, reason)] = patient.faults
    assert "of 3" in reason and "in a minute" in reason


def test_a_third_of_the_frames_is_counted_only(patient):
    patient.label(3000, every_failing=3)
    assert (patient.faults, patient.state, patient.health.report.errors) == ([], "ok", 1000)


def test_few_frames_in_a_minute_need_more_than_one_failure():
    patient = Patient(step_s=25.0)
    patient.label(4, every_failing=2)
    assert patient.faults == []
    patient.label(40, every_failing=1)
    assert len(patient.faults) == 1


def test_labeling_is_healthy_again_when_most_frames_of_a_minute_are(patient):
    patient.label(400, every_failing=2)
    assert patient.state == "failing"
    patient.label(100)
    assert patient.state == "failing"
    patient.label(120)
    assert (patient.state, patient.health.report.reason) == ("ok", None)
    assert patient.changes == ["failing", "ok"]


def test_no_labels_for_some_seconds_is_failing():
    patient = Patient(step_s=5.0)
    patient.label(3, every_failing=1)
    patient.health.on_labels_unknown(NO_CAMERA)
    assert patient.state == "ok"
    patient.health.on_labels_unknown(NO_LABELS)
    assert (patient.state, patient.faults) == ("failing", [])


def test_next_model_starts_over_and_can_be_reported_too(patient):
    patient.label(30, every_failing=1)
    patient.use("two")
    assert (patient.state, patient.health.report.errors) == ("ok", 30)
    assert patient.changes == ["failing", "ok"]
    patient.label(19, every_failing=1)
    assert len(patient.faults) == 1
    patient.label(1, every_failing=1)
    assert [labeler for labeler, _ in patient.faults] == ["one", "two"]


def test_new_threshold_does_not_start_over(patient):
    patient.label(15, every_failing=1)
    patient.use("one")
    patient.label(5, every_failing=1)
    assert len(patient.faults) == 1
