"""`appliance evaluate NEW DATASET --against OLD`: which is better, beyond chance."""

import numpy as np
import pytest

from appliance.workshop.evaluation.compare import compare_models
from appliance.workshop.evaluation.evaluate import EvaluationRequest
from appliance.workshop.evaluation.evaluate import evaluate as evaluated
from support.evaluations import bundle, evaluate, pictures, shades


@pytest.fixture
def colours(tmp_path):
    return pictures(tmp_path / "colours", {label: shades(label, 20) for label in ("red", "green", "blue")})


@pytest.fixture
def good(tmp_path):
    return bundle(tmp_path / "good", name="good", version="2.0")


@pytest.fixture
def bad(tmp_path):
    """Takes green for blue and blue for green."""
    return bundle(tmp_path / "bad", labels="red blue green", name="bad", version="1.0")


def test_a_better_model_is_better_with_an_interval_and_label_by_label(good, bad, colours, capsys):
    status, value, _ = evaluate(capsys, good, colours, "--against", bad)
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


def test_a_worse_one_is_said_and_makes_the_status_1(good, bad, colours, capsys):
    status, value, _ = evaluate(capsys, bad, colours, "--against", good)
    assert status == 1
    assert value["against"]["verdict"] == "worse"
    assert "worse in accuracy" in value["against"]["says"]


def test_the_same_model_shows_no_difference(good, colours, capsys):
    status, value, _ = evaluate(capsys, good, colours, "--against", good)
    assert status == 0
    assert value["against"]["verdict"] == "same"
    assert all((one["difference"], one["interval"]) == (0.0, [0.0, 0.0]) for one in value["against"]["measures"])


def test_what_may_be_chance_is_no_verdict(tmp_path, good, capsys):
    # One picture in thirty that only the old one, which takes red for green, gets right.
    some = pictures(tmp_path / "some", {"blue": shades("blue", 29), "red": shades("green", 1)})
    swapped = bundle(tmp_path / "swapped", labels="green red blue")
    status, value, _ = evaluate(capsys, good, some, "--against", swapped)
    assert status == 0
    accuracy = value["against"]["measures"][0]
    assert accuracy["difference"] < 0
    assert accuracy["interval"][0] < 0 <= accuracy["interval"][1]
    assert value["against"]["verdict"] == "same"


@pytest.mark.parametrize(("alike", "lost", "won", "verdict"), [
    (0, 1, 0, "same"), (0, 5, 0, "same"), (196, 4, 0, "same"), (195, 5, 0, "same"), (194, 6, 0, "worse"), (184, 13, 3, "worse"),
])  # fmt: skip
def test_an_interval_without_zero_is_no_proof_where_few_pictures_differ(
    tmp_path, good, capsys, alike, lost, won, verdict
):
    # Of red and green the old one takes each for the other: what is labeled so that it is right, the new one has lost.
    shown = {"blue": shades("blue", alike), "red": shades("green", lost), "green": shades("green", won)}
    some = pictures(tmp_path / "some", shown)
    swapped = bundle(tmp_path / "swapped", labels="green red blue")
    status, value, _ = evaluate(capsys, good, some, "--against", swapped)
    accuracy, f1 = value["against"]["measures"]
    assert accuracy["interval"][1] < 0 and f1["interval"][1] < 0
    assert [accuracy["verdict"], f1["verdict"], value["against"]["verdict"]] == [verdict] * 3
    assert status == (1 if verdict == "worse" else 0)
    red = next(one for one in value["against"]["per_label"] if one["name"] == "red")
    assert red["verdict"] == verdict


def test_mcnemars_test_asks_more_of_accuracy_than_that_pictures_differ(tmp_path, good, capsys):
    # 8 lost and 1 won: p = 0.039; 7 lost and 1 won: p = 0.07, though the interval is on one side of zero.
    swapped = bundle(tmp_path / "swapped", labels="green red blue")
    verdicts = []
    for lost in (8, 7):
        shown = {"blue": shades("blue", 40), "red": shades("green", lost), "green": shades("green", 1)}
        _, value, _ = evaluate(capsys, good, pictures(tmp_path / f"{lost}", shown), "--against", swapped)
        assert value["against"]["measures"][0]["interval"][1] < 0
        verdicts.append(value["against"]["measures"][0]["verdict"])
    assert verdicts == ["worse", "same"]


def test_a_few_false_labels_are_no_proof(tmp_path, good, colours, capsys):
    eager = bundle(tmp_path / "eager", confidenceThreshold=0.4)
    for count, verdict in ((5, "same"), (6, "worse")):
        background = pictures(tmp_path / f"others-{count}", {"grey": [(0.45, 0.45, 0.1)] * count})
        _, value, _ = evaluate(capsys, eager, colours, "--against", good, "--background", background)
        assert value["against"]["measures"][2]["interval"][0] > 0
        assert value["against"]["measures"][2]["verdict"] == verdict


def test_a_threshold_under_which_nothing_passes_makes_a_model_worse_though_its_best_labels_are_right(
    tmp_path, good, colours, capsys
):
    mute = bundle(tmp_path / "mute", confidenceThreshold=0.99)
    status, value, _ = evaluate(capsys, mute, colours, "--against", good)
    assert status == 1
    verdicts = {one["name"]: one["verdict"] for one in value["against"]["measures"]}
    assert verdicts == {"accuracy": "same", "F1 at the threshold": "worse"}


def test_more_false_labels_on_the_background_make_a_model_worse(tmp_path, good, colours, capsys):
    background = pictures(tmp_path / "others", {"grey": [(0.45, 0.45, 0.1)] * 20})
    eager = bundle(tmp_path / "eager", confidenceThreshold=0.4)
    status, value, _ = evaluate(capsys, eager, colours, "--against", good, "--background", background)
    assert status == 1
    false = value["against"]["measures"][2]
    assert (false["new"], false["old"], false["verdict"]) == (2000.0, 0.0, "worse")
    status, value, _ = evaluate(capsys, good, colours, "--against", eager, "--background", background)
    assert status == 0
    assert value["against"]["verdict"] == "better"


def test_a_label_that_the_old_model_lacks_counts_for_the_new_one(tmp_path, good, colours, capsys):
    old = bundle(tmp_path / "old", labels="red green other")
    status, value, said = evaluate(capsys, good, colours, "--against", old)
    assert status == 0
    assert value["against"]["verdict"] == "better"
    assert f"{old} lacks blue" in said


def test_people_read_it_in_a_table_with_a_sentence(good, bad, colours, capsys):
    from appliance.cli import main

    assert main(["evaluate", str(bad), str(colours), "--against", str(good)]) == 1
    out = capsys.readouterr().out
    assert "against good 2.0" in out
    assert out.rstrip().endswith("The new model is worse in accuracy and F1 at the threshold.")


def test_the_interval_is_that_of_drawing_pictures_one_by_one(good, bad, tmp_path):
    random = np.random.default_rng(0)
    mixed = {label: [tuple(random.random(3)) for _ in range(40)] for label in ("red", "green", "blue")}
    evaluation = evaluated(EvaluationRequest(good, pictures(tmp_path / "mixed", mixed), baseline=bad))
    found = compare_models(evaluation, seed=1).measures
    assert compare_models(evaluation, seed=1).measures == found
    assert compare_models(evaluation, seed=2).measures != found

    new, old = evaluation.model, evaluation.baseline
    counts = []
    for model in (new, old):
        given = model.predictions.scores >= 0.5
        counts.append(
            (model.predictions.best_labels == model.predictions.targets, given.sum(1), (given & model.predictions.is_own_label).sum(1))
        )
    differences = []
    for _ in range(4000):
        drawn = random.integers(0, 120, 120)
        accuracy = [right[drawn].mean() for right, _, _ in counts]
        f1 = [2 * right[drawn].sum() / (given[drawn].sum() + 120) for _, given, right in counts]
        differences.append((accuracy[0] - accuracy[1], f1[0] - f1[1]))
    for measure, expected in zip(found, np.quantile(differences, [0.025, 0.975], axis=0).T, strict=True):
        assert (measure.low, measure.high) == pytest.approx(tuple(expected), abs=0.02)
