"""`appliance evaluate`: its figures and its notes."""

import zipfile

import pytest

from appliance.cli import main
from support.evaluations import make_bundle, make_png, make_shades, run_evaluate, write_pictures


@pytest.fixture
def colors(tmp_path):
    """Ten pictures per label, all right at 0.5, except one red that is taken for green and one that is too pale."""
    wrong = [(0.05, 0.9, 0.05), (0.3, 0.05, 0.05)]
    shown = {label: make_shades(label, 10) for label in ("green", "blue")} | {"red": make_shades("red", 8) + wrong}
    return write_pictures(tmp_path / "colors", shown)


def test_figures_agree_with_counting_by_hand(tmp_path, colors, capsys):
    status, value, _ = run_evaluate(capsys, make_bundle(tmp_path / "model"), colors)
    assert status == 0
    assert value["pictures"] == 30
    assert value["accuracy"] == pytest.approx(29 / 30, abs=1e-6)
    at = value["at_threshold"]
    assert (at["threshold"], at["label_thresholds"]) == (0.5, {})
    assert (at["precision"], at["recall"]) == (pytest.approx(28 / 29, abs=1e-6), pytest.approx(28 / 30, abs=1e-6))
    assert [one["threshold"] for one in value["curve"]] == [place / 100 for place in range(101)]
    assert value["curve"][0]["precision"] == pytest.approx(1 / 3, abs=1e-6)
    assert value["curve"][100] == {"threshold": 1.0, "precision": None, "recall": 0.0}
    by_label = {one["label"]: one for one in value["per_label"]}
    assert (by_label["red"]["pictures"], by_label["red"]["precision"], by_label["red"]["recall"]) == (10, 1.0, 0.8)
    assert by_label["green"]["precision"] == pytest.approx(10 / 11, abs=1e-6)
    assert by_label["blue"]["area_under_curve"] == 1.0
    assert value["confusion"] == {
        "labels": ["red", "green", "blue", None],
        "pictures": [[8, 1, 0, 1], [0, 10, 0, 0], [0, 0, 10, 0], [0, 0, 0, 0]],
    }
    assert value["mistakes"][0] == {
        "picture": "red/008.png",
        "shows": "red",
        "label": "green",
        "score": pytest.approx(0.9, abs=0.01),
    }
    assert value["background"] is None


def test_thresholds_of_the_bundle_apply(tmp_path, colors, capsys):
    model = make_bundle(tmp_path / "model", confidenceThreshold=0.25, labelThresholds={"green": 0.92})
    value = run_evaluate(capsys, model, colors)[1]
    assert (value["at_threshold"]["threshold"], value["at_threshold"]["label_thresholds"]) == (0.25, {"green": 0.92})
    by_label = {one["label"]: one for one in value["per_label"]}
    assert by_label["red"]["recall"] == 0.9
    assert by_label["green"]["threshold"] == 0.92
    assert by_label["green"]["precision"] == 1.0


def test_false_labels_are_counted_per_1000_background_pictures(tmp_path, colors, capsys):
    background = write_pictures(
        tmp_path / "background", {"anything": [(0.9, 0.8, 0.1), (0.6, 0.1, 0.1), (0.2, 0.2, 0.2), (0.1, 0.1, 0.1)]}
    )
    (background / "loose.png").write_bytes(make_png(0.3, 0.3, 0.3))
    value = run_evaluate(capsys, make_bundle(tmp_path / "model"), colors, "--background", background)[1]
    found = value["background"]
    assert (found["pictures"], found["false_labels"], found["labeled_pictures"], found["false_labels_per_1000"]) == (
        5,
        3,
        2,
        600.0,
    )
    assert found["curve"][70] == {"threshold": 0.7, "false_labels": 2}
    assert {one["label"]: one["false_on_background"] for one in value["per_label"]} == {"red": 2, "green": 1, "blue": 0}


def test_background_label_is_never_given(tmp_path, capsys):
    shown = {"red": make_shades("red", 4), "blue": [(0.9, 0.1, 0.1), (0.1, 0.1, 0.9)]}
    value = run_evaluate(
        capsys, make_bundle(tmp_path / "model", backgroundLabel="blue"), write_pictures(tmp_path / "some", shown)
    )[1]
    # One of the two without content is given a label, so four of five labels are right; all four pictures have theirs.
    assert (value["at_threshold"]["precision"], value["at_threshold"]["recall"]) == (0.8, 1.0)
    assert value["accuracy"] == 1.0
    assert [one["label"] for one in value["per_label"]] == ["red", "green"]


def test_background_of_a_dataset_is_no_label_that_the_model_lacks(tmp_path, capsys):
    shown = {label: make_shades(label, 10) for label in ("green", "blue", "red")}
    shown["background"] = [(0.1, 0.1, 0.1), (0.1, 0.9, 0.1)]
    pictures = write_pictures(tmp_path / "pictures", shown)
    status, value, errors = run_evaluate(capsys, make_bundle(tmp_path / "model"), pictures)
    assert status == 0 and "lacks" not in errors and "pictures of background" not in errors
    assert [one["label"] for one in value["per_label"]] == ["red", "green", "blue"]
    # The green one gets a label, which is wrong.
    assert value["at_threshold"]["precision"] == pytest.approx(30 / 31, abs=1e-6)
    assert value["at_threshold"]["recall"] == 1.0 and value["accuracy"] == 1.0


def test_missing_labels_are_noted_and_count_as_missed(tmp_path, colors, capsys):
    _, value, err = run_evaluate(capsys, make_bundle(tmp_path / "model", labels="red green violet"), colors)
    assert (value["labels_not_in_model"], value["labels_not_in_dataset"]) == (["blue"], ["violet"])
    assert "lacks blue: 10 pictures" in err
    assert "no picture of violet" in err
    assert value["accuracy"] == pytest.approx(19 / 30, abs=1e-6)
    assert value["at_threshold"]["recall"] == pytest.approx(18 / 30, abs=1e-6)
    assert value["curve"][0]["recall"] == pytest.approx(20 / 30, abs=1e-6)


def test_repeated_label_of_the_model_counts_once(tmp_path, capsys):
    some = write_pictures(
        tmp_path / "some", {"crane": [(0.9, 0.1, 0.1), (0.1, 0.9, 0.1)], "blue": make_shades("blue", 2)}
    )
    value = run_evaluate(capsys, make_bundle(tmp_path / "model", labels="crane crane blue"), some)[1]
    assert (value["accuracy"], value["at_threshold"]["precision"], value["at_threshold"]["recall"]) == (1.0, 1.0, 1.0)


def test_no_shared_label_is_an_error_that_lists_both(tmp_path, colors, capsys):
    status, _, err = run_evaluate(capsys, make_bundle(tmp_path / "model", labels="Red Green Blue"), colors)
    assert status == 1
    assert "no label in common" in err and "blue, green, red" in err and "Red, Green, Blue" in err


def test_unreadable_pictures_are_skipped_and_reported(tmp_path, colors, capsys):
    (colors / "red" / "broken.png").write_bytes(make_png(0.9, 0, 0)[:40])
    (colors / "red" / "text.jpg").write_text("no picture")
    status, value, err = run_evaluate(capsys, make_bundle(tmp_path / "model"), colors)
    assert status == 0
    assert value["pictures"] == 30
    assert sorted(one["picture"] for one in value["skipped"]) == ["red/broken.png", "red/text.jpg"]
    assert "2 files were skipped" in err


def test_only_unreadable_pictures_are_an_error(tmp_path, capsys):
    some = write_pictures(tmp_path / "some", {"red": []})
    (some / "red" / "broken.png").write_bytes(make_png(0.9, 0, 0)[:40])
    status, _, err = run_evaluate(capsys, make_bundle(tmp_path / "model"), some)
    assert status == 1
    assert "none of its 1 pictures can be read" in err


@pytest.mark.parametrize("old", ["nan", "nothing", "-1", "colors", "text"])
def test_invalid_baseline_is_one_line_before_pictures_are_read(old, tmp_path, colors, capsys):
    (tmp_path / "text").write_text("no model")
    model = make_bundle(tmp_path / "model")
    assert main(["evaluate", str(model), str(tmp_path / "no-pictures"), f"--against={tmp_path / old}"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and str(tmp_path / old) in err


def test_real_export_is_as_accurate_as_measured(data, tmp_path, capsys):
    with zipfile.ZipFile(data / "flowers" / "flowers_val.zip") as archive:
        archive.extractall(tmp_path / "flowers", archive.namelist()[::4])
    with zipfile.ZipFile(data / "sign_digits" / "sign_digits_val.zip") as archive:
        archive.extractall(tmp_path / "digits", archive.namelist()[::8])
    value = run_evaluate(
        capsys, data / "models" / "automl_mlkit_android", tmp_path / "flowers", "--background", tmp_path / "digits"
    )[1]
    assert value["pictures"] == 146
    # 0.842 on all 584, and a label for everything.
    assert 0.78 < value["accuracy"] < 0.91
    assert value["background"]["false_labels_per_1000"] > 600
