"""One base of a training: values that are no numbers, unreadable pictures, the shares of the time."""

import time

import pytest

from appliance.workshop.training.candidate import TrainingTimer
from support.tiny_models import metadata
from support.training import train, write_base


@pytest.mark.filterwarnings("ignore:overflow")
def test_base_that_gives_no_numbers_is_rejected(pictures, tmp_path, capsys):
    broken = write_base(tmp_path / "broken.tflite", "float32", metadata=metadata(mean=(1e38,), std=(1e-38,)))
    assert train(pictures, "--base", broken, "--out", tmp_path / "new") == 1
    assert "broken.tflite cannot be used as a base: it outputs values that are not numbers" in capsys.readouterr().err


def test_unreadable_pictures_are_reported_and_left_out(pictures, base, tmp_path, capsys):
    broken = sorted((pictures / "red").iterdir())[5]
    broken.write_bytes(broken.read_bytes()[:80])
    assert train(pictures, "--base", base, "--out", tmp_path / "new") == 0
    output = capsys.readouterr().err
    assert "1 pictures could not be read and were left out" in output
    assert broken.name in output


def test_timer_without_a_budget_never_ends():
    timer = TrainingTimer.start(None)
    assert timer.extraction_end_s is None and not timer.is_fitting_over()


def test_timer_ends_extraction_before_fitting():
    timer = TrainingTimer.start(100)
    assert time.monotonic() < timer.extraction_end_s < timer.fitting_end_s < time.monotonic() + 100
    assert not timer.is_fitting_over() and TrainingTimer.start(0).is_fitting_over()
