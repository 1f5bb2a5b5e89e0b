"""One base of a training: values that are no numbers, unreadable pictures, the shares of the time."""

import io
import time

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.imaging.files import read_picture
from appliance.labeling.labeler import Labeler
from appliance.workshop.training.background_bank import BackgroundBank
from appliance.workshop.training.candidate import CandidateOptions, TrainingTimer, train_candidate
from appliance.workshop.training.feature_cache import FeatureCache
from appliance.workshop.training.fine_tuned import hold_out_validation
from appliance.workshop.training.rejection import RejectLevel
from appliance.workshop.training.training_set import build_training_set
from support.tiny_models import metadata
from support.training import train, write_base
from support.tuned_bases import tune


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


@pytest.mark.parametrize("level", [RejectLevel.STANDARD, RejectLevel.NONE])
def test_fine_tuned_base_is_trained_and_written(pictures, opened_base, tmp_path, level):
    cache = FeatureCache(None)
    training_set = hold_out_validation(build_training_set(pictures, None, None, {}, 0, cache, False), 0)
    # The labels are in the order of the alphabet: blue, green, red.
    base = tune(opened_base, np.array([[0.0, 0, 9], [0, 9, 0], [9, 0, 0]]))
    asked = []
    random = np.random.default_rng(0)
    bank = BackgroundBank(
        np.abs(random.normal(4, 0.3, (60, 3))), np.repeat([0, 1], 30), np.repeat([0, 1], 30), ("a", "b"), ("c", "d")
    )

    def find_bank(base):
        asked.append(base)
        return bank

    options = CandidateOptions(cache, 0, "new", lambda *_: None, level, find_bank)
    candidate = train_candidate(base, training_set, TrainingTimer.start(None), options)
    assert candidate.accuracy > 0.9 and candidate.published == opened_base.display_name
    assert candidate.layers == ("3 pooled", "3 fine-tuned")
    assert asked == [opened_base]  # the bank is that of the published features
    assert (candidate.rejection.others > 0) == (level != RejectLevel.NONE)
    assert candidate.figures.quality.accuracy.total == training_set.is_validation.sum()
    (tmp_path / "new.tflite").write_bytes(candidate.model)
    labeler = Labeler(read_bundle(tmp_path / "new.tflite"))
    for picture, expected in candidate.samples:
        np.testing.assert_allclose(
            labeler.score(read_picture(io.BytesIO(picture.read_bytes()), picture.name)), expected, atol=5e-3
        )
