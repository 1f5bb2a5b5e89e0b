"""Test that failures of labeling are logged with a bounded number of lines. The test sets the time."""

import logging

import pytest

from appliance.daemon.failure_log import QUIET_S, REPEAT_S, FailureLog


class Record:
    """A failure log whose time the test sets."""

    def __init__(self, caplog):
        caplog.set_level(logging.INFO, "appliance.labeling")
        self.caplog, self.now_s = caplog, 0.0
        self.failures = FailureLog(lambda: self.now_s)

    @property
    def lines(self):
        return [record.getMessage() for record in self.caplog.records]


@pytest.fixture
def record(caplog):
    return Record(caplog)


def test_failures_that_alternate_with_frames_are_one_line(record):
    for number in range(3000):  # ten minutes at 5 frames per second
        record.now_s = number / 5
        if number % 2:
            record.failures.record_success()
        else:
            record.failures.record_failure("the index is out of bounds" + "." * number, None)
    assert record.lines == ["a frame could not be labeled: the index is out of bounds"]


def test_log_of_an_hour_is_bounded(record):
    for second in range(3600):
        record.now_s = float(second)
        for number in range(10):
            record.failures.record_failure(f"reason {second} {number} " + "x" * 300, ValueError("x"))
            record.failures.record_success()
    written = sum(len(record.caplog.handler.format(line)) for line in record.caplog.records)
    assert written < 10_000


def test_failure_that_goes_on_is_counted_each_hour(record):
    for number in range(3):
        record.now_s = number * REPEAT_S
        record.failures.record_failure("broken", None)
    assert record.lines == [
        "a frame could not be labeled: broken",
        "1 more frames could not be labeled: broken",
        "1 more frames could not be labeled: broken",
    ]


def test_recovery_is_logged_when_it_lasts(record):
    record.failures.record_failure("broken", None)
    record.now_s = QUIET_S - 1
    record.failures.record_success()
    assert len(record.lines) == 1
    record.now_s = QUIET_S
    record.failures.record_success()
    record.failures.record_success()
    assert len(record.lines) == 2 and "labeling works again" in record.lines[-1]


def test_program_fault_has_one_traceback(record):
    for _ in range(3):
        record.failures.record_failure("ValueError: x", ValueError("x"))
        record.failures.reset()
    assert [bool(each.exc_info) for each in record.caplog.records] == [True, False, False]
