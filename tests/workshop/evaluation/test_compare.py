"""`appliance evaluate NEW DATASET --against OLD`: which is better, beyond chance."""

import numpy as np
import pytest

from appliance.cli import main
from appliance.workshop.evaluation.compare import compare_models
from appliance.workshop.evaluation.evaluate import EvaluationRequest, evaluate_models
from support.evaluations import make_bundle, make_shades, run_evaluate, write_pictures


@pytest.fixture
def colors(tmp_path):
    return write_pictures(tmp_path / "colors", {label: make_shades(label, 20) for label in ("red", "green", "blue")})


@pytest.fixture
def good(tmp_path):
    return make_bundle(tmp_path / "good", name="good", version="2.0")


@pytest.fixture
def bad(tmp_path):
    """Takes green for blue and blue for green."""
    return make_bundle(tmp_path / "bad", labels="red blue green", name="bad", version="1.0")


def test_better_model_is_better_overall_and_by_label(good, bad, colors, capsys):
    status, value, _ = run_evaluate(capsys, good, colors, "--against", bad)
    assert status == 0
    against = value["against"]
    assert against["model"]["name"] == "bad"
    assert against["verdict"] == "better"
    accuracy = against["measures"][0]
    assert (accuracy["name"], accuracy["new"], accuracy["old"]) == ("accuracy", 1.0, pytest.approx(1 / 3, abs=1e-5))
    assert 0 < accuracy["interval"][0] < accuracy["difference"] < accuracy["interval"][1] < 1
    assert {one["name"]: (one["difference"], one["verdict"]) for one in against["per_label"]} == {
        "red": (0.0, "same"), "green": (1.0, "better"), "blue": (1.0, "better"),
    }  # fmt: skip


def test_worse_model_is_reported_and_fails(good, bad, colors, capsys):
    status, value, _ = run_evaluate(capsys, bad, colors, "--against", good)
    assert status == 1
    assert value["against"]["verdict"] == "worse"
    assert "worse in accuracy" in value["against"]["says"]


def test_same_model_shows_no_difference(good, colors, capsys):
    status, value, _ = run_evaluate(capsys, good, colors, "--against", good)
    assert status == 0
    assert value["against"]["verdict"] == "same"
    assert all((one["difference"], one["interval"]) == (0.0, [0.0, 0.0]) for one in value["against"]["measures"])


def test_difference_that_may_be_chance_is_no_verdict(tmp_path, good, capsys):
    # One picture in thirty that only the old one, which takes red for green, gets right.
    some = write_pictures(tmp_path / "some", {"blue": make_shades("blue", 29), "red": make_shades("green", 1)})
    swapped = make_bundle(tmp_path / "swapped", labels="green red blue")
    status, value, _ = run_evaluate(capsys, good, some, "--against", swapped)
    assert status == 0
    accuracy = value["against"]["measures"][0]
    assert accuracy["difference"] < 0
    assert accuracy["interval"][0] < 0 <= accuracy["interval"][1]
    assert value["against"]["verdict"] == "same"


@pytest.mark.parametrize(
    ("alike", "lost", "won", "verdict"),
    [
        (0, 1, 0, "same"),
        (0, 5, 0, "same"),
        (196, 4, 0, "same"),
        (195, 5, 0, "same"),
        (194, 6, 0, "worse"),
        (184, 13, 3, "worse"),
    ],
)
def test_interval_without_zero_is_no_proof_of_few_pictures(tmp_path, good, capsys, alike, lost, won, verdict):
    # The old model swaps red and green, so a picture with the swapped label is right for it and wrong for the new one.
    shown = {"blue": make_shades("blue", alike), "red": make_shades("green", lost), "green": make_shades("green", won)}
    some = write_pictures(tmp_path / "some", shown)
    swapped = make_bundle(tmp_path / "swapped", labels="green red blue")
    status, value, _ = run_evaluate(capsys, good, some, "--against", swapped)
    accuracy, f1 = value["against"]["measures"]
    assert accuracy["interval"][1] < 0 and f1["interval"][1] < 0
    assert [accuracy["verdict"], f1["verdict"], value["against"]["verdict"]] == [verdict] * 3
    assert status == (1 if verdict == "worse" else 0)
    red = next(one for one in value["against"]["per_label"] if one["name"] == "red")
    assert red["verdict"] == verdict


def test_mcnemars_test_is_stricter_for_accuracy(tmp_path, good, capsys):
    # 8 lost and 1 won: p = 0.039; 7 lost and 1 won: p = 0.07, though the interval is on one side of zero.
    swapped = make_bundle(tmp_path / "swapped", labels="green red blue")
    verdicts = []
    for lost in (8, 7):
        shown = {"blue": make_shades("blue", 40), "red": make_shades("green", lost), "green": make_shades("green", 1)}
        _, value, _ = run_evaluate(capsys, good, write_pictures(tmp_path / f"{lost}", shown), "--against", swapped)
        assert value["against"]["measures"][0]["interval"][1] < 0
        verdicts.append(value["against"]["measures"][0]["verdict"])
    assert verdicts == ["worse", "same"]


def test_few_false_labels_are_no_proof(tmp_path, good, colors, capsys):
    eager = make_bundle(tmp_path / "eager", confidenceThreshold=0.4)
    for count, verdict in ((5, "same"), (6, "worse")):
        background = write_pictures(tmp_path / f"others-{count}", {"gray": [(0.45, 0.45, 0.1)] * count})
        _, value, _ = run_evaluate(capsys, eager, colors, "--against", good, "--background", background)
        assert value["against"]["measures"][2]["interval"][0] > 0
        assert value["against"]["measures"][2]["verdict"] == verdict


def test_too_high_threshold_makes_a_model_worse(tmp_path, good, colors, capsys):
    mute = make_bundle(tmp_path / "mute", confidenceThreshold=0.99)
    status, value, _ = run_evaluate(capsys, mute, colors, "--against", good)
    assert status == 1
    verdicts = {one["name"]: one["verdict"] for one in value["against"]["measures"]}
    assert verdicts == {"accuracy": "same", "F1 at the threshold": "worse"}


def test_more_false_labels_make_a_model_worse(tmp_path, good, colors, capsys):
    background = write_pictures(tmp_path / "others", {"gray": [(0.45, 0.45, 0.1)] * 20})
    eager = make_bundle(tmp_path / "eager", confidenceThreshold=0.4)
    status, value, _ = run_evaluate(capsys, eager, colors, "--against", good, "--background", background)
    assert status == 1
    false = value["against"]["measures"][2]
    assert (false["new"], false["old"], false["verdict"]) == (2000.0, 0.0, "worse")
    status, value, _ = run_evaluate(capsys, good, colors, "--against", eager, "--background", background)
    assert status == 0
    assert value["against"]["verdict"] == "better"


def test_label_missing_in_the_old_model_counts_for_the_new(tmp_path, good, colors, capsys):
    old = make_bundle(tmp_path / "old", labels="red green other")
    status, value, err = run_evaluate(capsys, good, colors, "--against", old)
    assert status == 0
    assert value["against"]["verdict"] == "better"
    assert f"{old} lacks blue" in err


def test_text_ends_with_the_verdict(good, bad, colors, capsys):

    assert main(["evaluate", str(bad), str(colors), "--against", str(good)]) == 1
    out = capsys.readouterr().out
    assert "against good 2.0" in out
    assert out.rstrip().endswith("The new model is worse in accuracy and F1 at the threshold.")


def test_interval_equals_that_of_drawing_single_pictures(good, bad, tmp_path):
    random = np.random.default_rng(0)
    mixed = {label: [tuple(random.random(3)) for _ in range(40)] for label in ("red", "green", "blue")}
    evaluation = evaluate_models(EvaluationRequest(good, write_pictures(tmp_path / "mixed", mixed), baseline=bad))
    found = compare_models(evaluation, seed=1).measures
    assert compare_models(evaluation, seed=1).measures == found
    assert compare_models(evaluation, seed=2).measures != found

    new, old = evaluation.model, evaluation.baseline
    counts = []
    for model in (new, old):
        given = model.predictions.scores >= 0.5
        counts.append(
            (
                model.predictions.best_labels == model.predictions.targets,
                given.sum(1),
                (given & model.predictions.is_own_label).sum(1),
            )
        )
    differences = []
    for _ in range(4000):
        drawn = random.integers(0, 120, 120)
        accuracy = [right[drawn].mean() for right, _, _ in counts]
        f1 = [2 * right[drawn].sum() / (given[drawn].sum() + 120) for _, given, right in counts]
        differences.append((accuracy[0] - accuracy[1], f1[0] - f1[1]))
    for measure, expected in zip(found, np.quantile(differences, [0.025, 0.975], axis=0).T, strict=True):
        assert (measure.low, measure.high) == pytest.approx(tuple(expected), abs=0.02)
