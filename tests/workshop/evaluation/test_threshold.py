"""Thresholds: written into a bundle by `appliance evaluate`, and chosen on validation pictures after a training."""

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.workshop.evaluation.metrics import (
    Counts,
    Predictions,
)
from appliance.workshop.evaluation.threshold import (
    choose_validation_threshold,
    find_thresholds_for_precision,
    merge_thresholds,
)
from support.evaluations import make_bundle, make_shades, run_evaluate, write_pictures


def _write_confused(tmp_path):
    """Green pictures up to 0.6 and red ones up to 0.7 may be mistakes; blue ones are always right."""
    return write_pictures(
        tmp_path / "confused",
        {
            "red": make_shades("red", 40, 0.3, 0.95)
            + [(0.05, strength, 0.05) for strength in (0.3, 0.4, 0.45, 0.5, 0.55, 0.58)],
            "green": make_shades("green", 40, 0.3, 0.95) + [(strength, 0.05, 0.05) for strength in (0.3, 0.32)],
            "blue": make_shades("blue", 40, 0.3, 0.95),
        },
    )


def test_precision_is_reached_with_the_lowest_thresholds(tmp_path, capsys):
    model, confused = make_bundle(tmp_path / "model"), _write_confused(tmp_path)
    status, value, err = run_evaluate(capsys, model, confused, "--target-precision", "0.95")
    assert status == 0
    found = read_bundle(model)
    at = value["at_threshold"]
    assert (at["threshold"], at["label_thresholds"]) == (found.confidence_threshold, dict(found.label_thresholds))
    assert at["precision"] >= 0.95
    assert list(found.label_thresholds) == ["green"]
    curve = {one["threshold"]: one for one in value["curve"]}
    assert curve[at["threshold"]]["precision"] >= 0.95
    assert all((curve[place / 100]["precision"] or 0) < 0.95 for place in range(1, round(100 * at["threshold"])))
    assert all(one["precision"] >= 0.95 for one in value["per_label"])
    assert "green" in err
    assert "% can be promised on other pictures (90 % sure)" in err
    # What was written is what counts from then on.
    assert run_evaluate(capsys, model, confused)[1]["at_threshold"] == at


def test_label_that_cannot_reach_the_precision_is_reported(tmp_path, capsys):
    shown = {
        "red": make_shades("red", 100) + make_shades("green", 6),
        "green": make_shades("green", 12),
        "blue": make_shades("blue", 100),
    }
    status, value, err = run_evaluate(
        capsys, make_bundle(tmp_path / "model"), write_pictures(tmp_path / "some", shown), "--target-precision", "0.95"
    )
    assert status == 0
    assert "green alone does not reach 0.95" in err
    assert value["at_threshold"]["precision"] >= 0.95


def test_too_few_labels_give_no_precision(tmp_path, capsys):
    some = write_pictures(tmp_path / "some", {"red": make_shades("red", 2), "green": make_shades("green", 1)})
    status, _, err = run_evaluate(capsys, make_bundle(tmp_path / "model"), some, "--target-precision", "0.9")
    # Nine labels are given at 0.01: three for each picture.
    assert status == 1
    assert "no threshold gives at least 10 labels" in err


def test_merged_thresholds_replace_or_add(tmp_path):
    bundle = read_bundle(make_bundle(tmp_path / "model", confidenceThreshold=0.4, labelThresholds={"red": 0.9}))
    assert merge_thresholds(bundle, [("green", 0.8)]) == (None, {"red": 0.9, "green": 0.8})
    assert merge_thresholds(bundle, [(None, 0.3), ("green", 0.8), (None, 0.5)]) == (0.5, {"green": 0.8})


def test_best_threshold_is_known_if_none_reaches_the_precision():
    scores = np.full((20, 1), 0.5, np.float32)
    targets = np.array([0] * 15 + [-1] * 5)
    predictions = Predictions(("a",), scores, targets, np.zeros(20, int), scores[:, 0])
    target = find_thresholds_for_precision(predictions, 0.9)
    assert target.threshold is None
    assert (target.best.threshold, target.best.counts) == (0.0, Counts(given=20, right=15, content=15))
    reached = find_thresholds_for_precision(predictions, 0.7)
    assert (reached.threshold, reached.label_thresholds, reached.unreached_labels) == (0.01, {}, ())


# The threshold that validation pictures choose


def _score(right, wrong):
    """Return scores and targets: right answers with each score, and wrong ones with each score."""
    scores = np.array([[each, 0.05] for each in right + wrong])
    return scores, np.array([0] * len(right) + [1] * len(wrong))


def test_lowest_threshold_whose_bound_meets_95_percent_is_chosen():
    # 100 right ones at 0.9, 10 wrong ones at 0.42: only above that are 95 % right.
    choice = choose_validation_threshold(*_score([0.9] * 100, [0.42] * 10), None)
    assert choice.threshold == pytest.approx(0.43)
    assert (choice.precision, choice.recall) == (1.0, pytest.approx(100 / 110))
    assert choice.is_reached and "at least 98 %" in choice.promise


def test_precision_that_may_be_chance_raises_the_threshold():
    # 57 of 60 are 95 %, but that may be luck; above the wrong ones, 55 of 55 promise it.
    choice = choose_validation_threshold(*_score([0.5] * 2 + [0.9] * 55, [0.6] * 3), None)
    assert choice.threshold == pytest.approx(0.61)
    assert choice.is_reached


def test_label_of_a_background_picture_is_wrong():
    scores = np.vstack([np.tile([0.9, 0.05, 0.0], (40, 1)), np.tile([0.6, 0.1, 0.3], (40, 1))])
    targets = np.array([0] * 40 + [2] * 40)
    assert choose_validation_threshold(scores, targets, 2).threshold == pytest.approx(0.61)


def test_highest_bound_is_chosen_if_no_threshold_promises_95_percent():
    choice = choose_validation_threshold(*_score([0.9] * 30, [0.9] * 5 + [0.4] * 20), None)
    assert choice.threshold == pytest.approx(0.41)
    assert choice.precision == pytest.approx(30 / 35)
    assert not choice.is_reached
    assert "at least 76 %" in choice.promise and "95 % is not reached" in choice.promise


def test_few_pictures_promise_what_they_can():
    choice = choose_validation_threshold(*_score([0.9] * 12, []), None)
    assert (choice.threshold, choice.precision, choice.recall) == (0.3, 1.0, 1.0)
    assert "at least 87 %" in choice.promise and "at least 32 reported labels" in choice.promise


def test_pictures_of_one_recording_promise_less():
    scores, targets = _score([0.9] * 40, [])
    assert choose_validation_threshold(scores, targets, None).is_reached
    choice = choose_validation_threshold(scores, targets, None, groups=[index // 10 for index in range(40)])
    assert not choice.is_reached
    assert choice.point.precision_share.bound == pytest.approx(4 / (4 + 1.2816**2), abs=1e-4)


def test_model_that_reports_nothing_promises_nothing():
    choice = choose_validation_threshold(np.full((40, 2), 0.1), np.zeros(40, int), None)
    assert (choice.threshold, choice.precision, choice.recall) == (0.5, None, 0.0)
    assert "nothing can be promised" in choice.promise


def test_curve_has_each_threshold_with_its_intervals():
    choice = choose_validation_threshold(*_score([0.9] * 57, [0.5] * 3), None)
    first = choice.curve[0].as_dict()
    assert (first["threshold"], choice.curve[-1].threshold) == (0.3, 0.99)
    assert first["precision"] == {
        "value": 0.95,
        "low": pytest.approx(0.863, abs=1e-3),
        "high": pytest.approx(0.983, abs=1e-3),
    }
    assert choice.curve[-1].as_dict()["precision"] == {"value": None, "low": None, "high": None}


def test_independent_labels_get_thresholds_of_their_own():
    """With several labels on a picture, a label that is precise at a low threshold keeps its recall."""
    scores = np.tile(np.linspace(0, 1, 400, dtype=np.float32)[:, np.newaxis], (1, 2))
    own = scores >= np.array([0.2, 0.8], np.float32)
    first = np.where(own[:, 0], 0, -1)
    predictions = Predictions(("low", "high"), scores, first, first, scores.max(axis=1), own)
    found = find_thresholds_for_precision(predictions, 0.95)
    thresholds = {label: found.label_thresholds.get(label, found.threshold) for label in ("low", "high")}
    assert thresholds["low"] <= 0.2 and 0.75 <= thresholds["high"] <= 0.8 and not found.unreached_labels
