"""`appliance evaluate NEW DATASET --against OLD`: which is better, beyond chance."""

import numpy as np
import pytest

from appliance.cli import main
from appliance.workshop.evaluation.compare import compare_models
from appliance.workshop.evaluation.evaluate import EvaluationRequest, evaluate_models
from support.evaluations import make_bundle, make_shades, run_evaluate, write_pictures


def _make_grays(count):
    """Return different pictures that are red and green enough for a threshold of 0.4, and not for one of 0.5."""
    return [(0.45, 0.45, 0.1 + 0.01 * index) for index in range(count)]


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
        "red": (0.0, "too_few"), "green": (1.0, "better"), "blue": (1.0, "better"),
    }  # fmt: skip


def test_worse_model_is_reported_and_fails(good, bad, colors, capsys):
    status, value, _ = run_evaluate(capsys, bad, colors, "--against", good)
    assert status == 1
    assert value["against"]["verdict"] == "worse"
    assert "worse in accuracy" in value["against"]["says"]


def test_same_model_shows_no_difference(good, colors, capsys):
    status, value, _ = run_evaluate(capsys, good, colors, "--against", good)
    assert status == 0
    assert (value["against"]["verdict"], value["against"]["answer"]) == ("same", "no difference proven")
    accuracy, f1 = value["against"]["measures"]
    # 60 equal pictures leave room for a difference of 6 points; a bootstrap of equal pictures has no width.
    assert (accuracy["difference"], accuracy["interval"]) == (
        0.0,
        [pytest.approx(-0.0602, abs=1e-4), pytest.approx(0.0602, abs=1e-4)],
    )
    assert (f1["difference"], f1["interval"]) == (0.0, [None, None])
    assert "exclude a loss of more than 10 points" in value["against"]["says"]


@pytest.mark.parametrize("count", [1, 5, 20])
def test_same_model_on_few_pictures_proves_nothing(tmp_path, good, capsys, count):
    some = write_pictures(tmp_path / "some", {"red": make_shades("red", count)})
    status, value, _ = run_evaluate(capsys, good, some, "--against", good)
    assert status == 3
    assert (value["against"]["verdict"], value["against"]["answer"]) == ("too_few", "too few to tell")


def test_difference_that_may_be_chance_is_no_verdict(tmp_path, good, capsys):
    # One picture that only the old one, which takes red for green, gets right: in 30, and in 100.
    swapped = make_bundle(tmp_path / "swapped", labels="green red blue")
    for count, verdict, expected in ((29, "too_few", 3), (99, "same", 0)):
        shown = {"blue": make_shades("blue", count), "red": make_shades("green", 1)}
        some = write_pictures(tmp_path / f"some-{count}", shown)
        status, value, _ = run_evaluate(capsys, good, some, "--against", swapped)
        accuracy = value["against"]["measures"][0]
        assert accuracy["difference"] < 0
        assert accuracy["interval"][0] < 0 <= accuracy["interval"][1]
        assert (status, value["against"]["verdict"]) == (expected, verdict)


def test_five_reversed_labels_are_too_few(tmp_path, good, bad, capsys):
    some = write_pictures(tmp_path / "some", {"green": make_shades("green", 3), "blue": make_shades("blue", 2)})
    for new, old in ((bad, good), (good, bad)):
        status, value, _ = run_evaluate(capsys, new, some, "--against", old)
        assert (status, value["against"]["answer"]) == (3, "too few to tell")
        assert value["against"]["measures"][0]["interval"] == [None, None]
        assert "evaluate on about" in value["against"]["says"]


@pytest.mark.parametrize(
    ("alike", "lost", "won", "verdict"),
    [
        (0, 1, 0, "too_few"),
        (0, 5, 0, "too_few"),
        (45, 5, 0, "too_few"),
        (196, 4, 0, "same"),
        (195, 5, 0, "same"),
        (194, 6, 0, "worse"),
        (184, 13, 3, "worse"),
    ],
)
def test_difference_needs_enough_different_pictures(tmp_path, good, capsys, alike, lost, won, verdict):
    # The old model swaps red and green, so a picture with the swapped label is right for it and wrong for the new one.
    shown = {
        "blue": make_shades("blue", alike),
        "red": make_shades("green", lost),
        "green": make_shades("green", won, 0.55, 0.59),
    }
    some = write_pictures(tmp_path / "some", shown)
    swapped = make_bundle(tmp_path / "swapped", labels="green red blue")
    status, value, _ = run_evaluate(capsys, good, some, "--against", swapped)
    accuracy, f1 = value["against"]["measures"]
    assert [accuracy["verdict"], f1["verdict"], value["against"]["verdict"]] == [verdict] * 3
    assert status == {"worse": 1, "too_few": 3, "same": 0}[verdict]
    red = next(one for one in value["against"]["per_label"] if one["name"] == "red")
    assert red["verdict"] == ("worse" if verdict == "worse" else "too_few")


def test_mcnemars_test_is_stricter_for_accuracy(tmp_path, good, capsys):
    # 8 lost and 1 won: p = 0.039; 7 lost and 1 won: p = 0.07, though the interval is on one side of zero.
    swapped = make_bundle(tmp_path / "swapped", labels="green red blue")
    verdicts = []
    for lost in (8, 7):
        shown = {
            "blue": make_shades("blue", 90),
            "red": make_shades("green", lost),
            "green": make_shades("green", 1, 0.55),
        }
        _, value, _ = run_evaluate(capsys, good, write_pictures(tmp_path / f"{lost}", shown), "--against", swapped)
        assert value["against"]["measures"][0]["interval"][1] < 0
        verdicts.append(value["against"]["measures"][0]["verdict"])
    assert verdicts == ["worse", "too_few"]


def test_few_false_labels_are_no_proof(tmp_path, good, colors, capsys):
    eager = make_bundle(tmp_path / "eager", confidenceThreshold=0.4)
    for count, verdict in ((5, "too_few"), (6, "worse")):
        background = write_pictures(tmp_path / f"others-{count}", {"gray": _make_grays(count)})
        _, value, _ = run_evaluate(capsys, eager, colors, "--against", good, "--background", background)
        # All pictures get the same labels, so drawing them again gives no interval.
        assert value["against"]["measures"][2]["interval"] == [None, None]
        assert value["against"]["measures"][2]["verdict"] == verdict


def test_same_file_many_times_is_one_picture(tmp_path, good, bad, capsys):
    some = write_pictures(tmp_path / "some", {"green": [(0.05, 0.9, 0.05)] * 60, "blue": [(0.05, 0.05, 0.9)] * 60})
    status, value, _ = run_evaluate(capsys, bad, some, "--against", good)
    assert (status, value["against"]["answer"], value["recordings"]) == (3, "too few to tell", 2)
    assert value["intervals"]["accuracy"]["high"] > 0.6


def test_pictures_of_one_recording_count_as_one(tmp_path, good, bad, colors, capsys):
    assert run_evaluate(capsys, bad, colors, "--against", good)[0] == 1
    for label in ("red", "green", "blue"):
        for index, file in enumerate(sorted((colors / label).iterdir())):
            file.rename(file.with_name(f"rec-{label}-{index:04d}.png"))
    status, value, _ = run_evaluate(capsys, bad, colors, "--against", good)
    assert (status, value["against"]["verdict"]) == (3, "too_few")
    assert "60 pictures of about 3 recordings" in value["against"]["says"]


@pytest.mark.parametrize(
    ("alike", "lost", "max_loss", "status", "result"),
    [
        (300, 0, "2", 0, "kept"),
        (100, 0, "2", 3, "too_few"),
        (100, 0, "5", 0, "kept"),
        (400, 6, "5", 0, "kept"),
        (400, 6, "2", 1, "exceeded"),
        (400, 40, "5", 1, "exceeded"),
    ],
)
def test_allowed_loss_is_judged_by_the_end_of_the_interval(
    tmp_path, good, capsys, alike, lost, max_loss, status, result
):
    shown = {"blue": make_shades("blue", alike, 0.6, 0.95), "red": make_shades("green", lost)}
    some = write_pictures(tmp_path / "some", shown)
    swapped = make_bundle(tmp_path / "swapped", labels="green red blue")
    found, value, _ = run_evaluate(capsys, good, some, "--against", swapped, "--max-loss", max_loss)
    assert (found, value["against"]["max_loss"]["result"]) == (status, result)
    assert value["against"]["max_loss"]["points"] == float(max_loss)
    assert f"{max_loss} points" in value["against"]["max_loss"]["says"]


def test_allowed_loss_needs_a_model_to_compare_with(good, colors, capsys):
    assert main(["evaluate", str(good), str(colors), "--max-loss", "2"]) == 2
    assert "--against" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", str(good), str(colors), "--against", str(good), "--max-loss", "200"])


def test_background_label_of_a_model_is_no_answer(tmp_path, colors, capsys):
    # Both answer red, green, and blue equally well, but one of them prefers to say that there is nothing.
    good = make_bundle(tmp_path / "plain", labels="red green blue")
    shy = make_bundle(tmp_path / "shy", labels="red green blue", backgroundLabel="blue")
    some = write_pictures(
        tmp_path / "mixed",
        {label: [(*color, 0.95)] for label, color in (("red", (0.9, 0.1)), ("green", (0.1, 0.9)))},
    )
    _, value, _ = run_evaluate(capsys, shy, some, "--against", good)
    accuracy = value["against"]["measures"][0]
    assert (accuracy["new"], accuracy["old"]) == (1.0, 0.0)


def test_too_high_threshold_makes_a_model_worse(tmp_path, good, colors, capsys):
    mute = make_bundle(tmp_path / "mute", confidenceThreshold=0.99)
    status, value, _ = run_evaluate(capsys, mute, colors, "--against", good)
    assert status == 1
    verdicts = {one["name"]: one["verdict"] for one in value["against"]["measures"]}
    assert verdicts == {"accuracy": "same", "F1 at the threshold": "worse"}


def test_more_false_labels_make_a_model_worse(tmp_path, good, colors, capsys):
    background = write_pictures(tmp_path / "others", {"gray": _make_grays(20)})
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
