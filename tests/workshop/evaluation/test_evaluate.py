"""`appliance evaluate`: which pictures it takes, what it counts, and what it says of the rest."""

import json
import zipfile

import pytest

from appliance.cli import main
from appliance.workshop.datasets.open import open_dataset
from appliance.workshop.datasets.splits import assign_splits
from support.datasets import tree, write_folder
from support.evaluations import bundle, evaluate, pictures, png, shades


@pytest.fixture
def colours(tmp_path):
    """Ten pictures a label, all right at 0.5, but one red that is taken for green and one that is too pale."""
    wrong = [(0.05, 0.9, 0.05), (0.3, 0.05, 0.05)]
    return pictures(
        tmp_path / "colours",
        {label: shades(label, 10) for label in ("green", "blue")} | {"red": shades("red", 8) + wrong},
    )


def test_the_figures_are_those_that_can_be_counted_by_hand(tmp_path, colours, capsys):
    status, value, _ = evaluate(capsys, bundle(tmp_path / "model"), colours)
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
        "labels": ["red", "green", "blue", None], "pictures": [[8, 1, 0, 1], [0, 10, 0, 0], [0, 0, 10, 0], [0, 0, 0, 0]],
    }  # fmt: skip
    assert value["mistakes"][0] == {
        "picture": "red/008.png",
        "shows": "red",
        "label": "green",
        "score": pytest.approx(0.9, abs=0.01),
    }
    assert value["background"] is None


def test_people_are_told_the_same_in_a_few_lines(tmp_path, colours, capsys):
    assert main(["evaluate", str(bundle(tmp_path / "model", name="paint", version="1.0")), str(colours)]) == 0
    out = capsys.readouterr().out
    assert "paint 1.0 on 30 pictures" in out
    assert "accuracy      96.7 %" in out
    assert "precision 96.6 %, recall 93.3 %" in out
    assert "red/008.png" in out


def test_the_thresholds_are_those_of_the_bundle(tmp_path, colours, capsys):
    model = bundle(tmp_path / "model", confidenceThreshold=0.25, labelThresholds={"green": 0.92})
    value = evaluate(capsys, model, colours)[1]
    assert (value["at_threshold"]["threshold"], value["at_threshold"]["label_thresholds"]) == (0.25, {"green": 0.92})
    by_label = {one["label"]: one for one in value["per_label"]}
    assert by_label["red"]["recall"] == 0.9
    assert by_label["green"]["threshold"] == 0.92
    assert by_label["green"]["precision"] == 1.0


def test_background_pictures_are_counted_in_false_labels_for_each_thousand(tmp_path, colours, capsys):
    background = pictures(
        tmp_path / "background", {"anything": [(0.9, 0.8, 0.1), (0.6, 0.1, 0.1), (0.2, 0.2, 0.2), (0.1, 0.1, 0.1)]}
    )
    (background / "loose.png").write_bytes(png(0.3, 0.3, 0.3))
    value = evaluate(capsys, bundle(tmp_path / "model"), colours, "--background", background)[1]
    found = value["background"]
    assert (found["pictures"], found["false_labels"], found["labeled_pictures"], found["false_labels_per_1000"]) == (
        5,
        3,
        2,
        600.0,
    )
    assert found["curve"][70] == {"threshold": 0.7, "false_labels": 2}
    assert {one["label"]: one["false_on_background"] for one in value["per_label"]} == {"red": 2, "green": 1, "blue": 0}


def test_the_background_label_is_never_given_and_its_pictures_have_nothing_to_label(tmp_path, capsys):
    shown = {"red": shades("red", 4), "blue": [(0.9, 0.1, 0.1), (0.1, 0.1, 0.9)]}
    value = evaluate(capsys, bundle(tmp_path / "model", backgroundLabel="blue"), pictures(tmp_path / "some", shown))[1]
    # Of the two without content one is given a label, so four of five labels are right, and all four pictures have theirs.
    assert (value["at_threshold"]["precision"], value["at_threshold"]["recall"]) == (0.8, 1.0)
    assert value["accuracy"] == 1.0
    assert [one["label"] for one in value["per_label"]] == ["red", "green"]


def test_labels_that_only_one_side_has_are_said_and_count_as_missed(tmp_path, colours, capsys):
    _, value, said = evaluate(capsys, bundle(tmp_path / "model", labels="red green violet"), colours)
    assert (value["labels_not_in_model"], value["labels_not_in_dataset"]) == (["blue"], ["violet"])
    assert "lacks blue: 10 pictures" in said
    assert "no picture of violet" in said
    assert value["accuracy"] == pytest.approx(19 / 30, abs=1e-6)
    assert value["at_threshold"]["recall"] == pytest.approx(18 / 30, abs=1e-6)
    assert value["curve"][0]["recall"] == pytest.approx(20 / 30, abs=1e-6)


def test_a_label_that_the_model_has_twice_is_one(tmp_path, capsys):
    some = pictures(tmp_path / "some", {"crane": [(0.9, 0.1, 0.1), (0.1, 0.9, 0.1)], "blue": shades("blue", 2)})
    value = evaluate(capsys, bundle(tmp_path / "model", labels="crane crane blue"), some)[1]
    assert (value["accuracy"], value["at_threshold"]["precision"], value["at_threshold"]["recall"]) == (1.0, 1.0, 1.0)


def test_no_label_in_common_is_refused_with_both_sides_named(tmp_path, colours, capsys):
    status, _, said = evaluate(capsys, bundle(tmp_path / "model", labels="Red Green Blue"), colours)
    assert status == 1
    assert "no label in common" in said and "blue, green, red" in said and "Red, Green, Blue" in said


def test_pictures_that_cannot_be_read_are_skipped_and_said(tmp_path, colours, capsys):
    (colours / "red" / "broken.png").write_bytes(png(0.9, 0, 0)[:40])
    (colours / "red" / "text.jpg").write_text("no picture")
    status, value, said = evaluate(capsys, bundle(tmp_path / "model"), colours)
    assert status == 0
    assert value["pictures"] == 30
    assert sorted(one["picture"] for one in value["skipped"]) == ["red/broken.png", "red/text.jpg"]
    assert "2 files were skipped" in said


def test_where_no_picture_can_be_read_it_is_an_error(tmp_path, capsys):
    some = pictures(tmp_path / "some", {"red": []})
    (some / "red" / "broken.png").write_bytes(png(0.9, 0, 0)[:40])
    status, _, said = evaluate(capsys, bundle(tmp_path / "model"), some)
    assert status == 1
    assert "none of its 1 pictures can be read" in said


def _index(folder, rows):
    """A CSV of good pictures and, where `wrong`, of ones taken for another label."""
    lines = []
    for number, (split, label, colour) in enumerate(rows):
        (folder / f"{number}.png").write_bytes(png(*colour))
        lines.append(",".join([part for part in (split, f"{number}.png", label) if part]))
    (folder / "index.csv").write_text("\n".join(lines) + "\n")
    return folder / "index.csv"


RED, GREEN = (0.9, 0.1, 0.1), (0.1, 0.9, 0.1)


def test_the_test_split_is_taken_where_there_is_one(tmp_path, capsys):
    index = _index(
        tmp_path,
        [("TRAIN", "red", GREEN), ("VALIDATION", "red", GREEN), ("TEST", "red", RED), ("TEST", "green", GREEN)],
    )
    value = evaluate(capsys, bundle(tmp_path / "model"), index)[1]
    assert (value["split"], value["pictures"], value["accuracy"]) == ("test", 2, 1.0)
    value = evaluate(capsys, tmp_path / "model", index, "--split", "validation")[1]
    assert (value["split"], value["pictures"], value["accuracy"]) == ("validation", 1, 0.0)
    value = evaluate(capsys, tmp_path / "model", index, "--split", "all")[1]
    assert (value["split"], value["pictures"], value["accuracy"]) == ("all", 4, 0.5)


def test_else_the_validation_split_and_it_is_said(tmp_path, capsys):
    index = _index(tmp_path, [("TRAIN", "red", GREEN), ("VALIDATION", "red", RED)])
    _, value, said = evaluate(capsys, bundle(tmp_path / "model"), index)
    assert (value["split"], value["pictures"]) == ("validation", 1)
    assert "no test split" in said
    status, _, said = evaluate(capsys, tmp_path / "model", index, "--split", "test")
    assert status == 1
    assert "no test pictures" in said


def test_else_all_and_it_is_said_that_this_may_flatter(tmp_path, colours, capsys):
    _, value, said = evaluate(capsys, bundle(tmp_path / "model"), colours)
    assert (value["split"], value["pictures"]) == ("all", 30)
    assert "has no splits" in said and "--split test" in said


def test_a_split_that_is_asked_for_is_the_one_that_training_keeps_aside(tmp_path, capsys):
    patches = write_folder(tmp_path / "patches", tree({"red": 20, "green": 20, "blue": 20}))
    expected = sorted(one.name for one in assign_splits(open_dataset(patches), 3).examples if one.split == "test")
    # At this threshold every picture is given wrong labels, so the mistakes name them all.
    model = bundle(tmp_path / "model", confidenceThreshold=0.01)
    value = evaluate(capsys, model, patches, "--split", "test", "--seed", 3)[1]
    assert value["pictures"] == len(expected) == 6
    assert sorted(one["picture"] for one in value["mistakes"]) == expected


def test_of_a_background_with_splits_only_the_test_pictures_count(tmp_path, colours, capsys):
    (tmp_path / "others").mkdir()
    background = _index(
        tmp_path / "others", [("TRAIN", "x", RED), ("TEST", "x", (0.1, 0.1, 0.1)), ("TEST", "y", GREEN)]
    )
    _, value, said = evaluate(capsys, bundle(tmp_path / "model"), colours, "--background", background)
    assert (value["background"]["pictures"], value["background"]["false_labels"]) == (2, 1)
    assert "only the test pictures" in said


def test_json_is_one_value_alone_and_wrong_usage_is_status_2(tmp_path, colours, capsys):
    assert main(["evaluate", str(bundle(tmp_path / "model")), str(colours), "--json"]) == 0
    json.loads(capsys.readouterr().out)
    for wrong in (
        ["--set-threshold", "1.5"],
        ["--set-threshold", "red"],
        ["--target-precision", "x"],
        ["--split", "some"],
    ):
        with pytest.raises(SystemExit) as exit_:
            main(["evaluate", str(tmp_path / "model"), str(colours), *wrong])
        assert exit_.value.code == 2
    assert main(["evaluate", str(tmp_path / "model"), str(colours), "--seed", "-1"]) == 2
    assert main(["evaluate", str(tmp_path / "nothing"), str(colours)]) == 1
    assert main(["evaluate", str(tmp_path / "model"), str(tmp_path / "nothing")]) == 1


@pytest.mark.parametrize("option", ["--set-threshold", "--target-precision"])
@pytest.mark.parametrize("value", ["nan", "2", "-1", "inf", "", "half"])
def test_a_share_that_is_none_is_said_in_a_sentence_and_nothing_is_read(option, value, tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["evaluate", str(tmp_path / "nothing"), str(tmp_path / "nothing"), f"{option}={value}"])
    assert exit_.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"argument {option}: " in said and "from 0 to 1" in said


@pytest.mark.parametrize("value", ["red=nan", "red=2", "red=-1", "red=", "=0.5"])
def test_a_threshold_for_a_label_that_is_none_is_said_in_a_sentence_and_nothing_is_read(value, tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["evaluate", str(tmp_path / "nothing"), str(tmp_path / "nothing"), "--set-threshold", value])
    assert exit_.value.code == 2
    assert "argument --set-threshold: " in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("old", ["nan", "nothing", "-1", "colours", "text"])
def test_what_cannot_be_held_against_is_said_in_a_sentence_before_any_picture_is_looked_at(
    old, tmp_path, colours, capsys
):
    (tmp_path / "text").write_text("no model")
    model = bundle(tmp_path / "model")
    assert main(["evaluate", str(model), str(tmp_path / "no-pictures"), f"--against={tmp_path / old}"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and str(tmp_path / old) in said


def test_the_real_export_is_as_good_on_real_pictures_as_was_measured(data, tmp_path, capsys):
    with zipfile.ZipFile(data / "flowers" / "flowers_val.zip") as archive:
        archive.extractall(tmp_path / "flowers", archive.namelist()[::4])
    with zipfile.ZipFile(data / "sign_digits" / "sign_digits_val.zip") as archive:
        archive.extractall(tmp_path / "digits", archive.namelist()[::8])
    value = evaluate(
        capsys, data / "models" / "automl_mlkit_android", tmp_path / "flowers", "--background", tmp_path / "digits"
    )[1]
    assert value["pictures"] == 146
    # 0.842 on all 584, and a label for everything.
    assert 0.78 < value["accuracy"] < 0.91
    assert value["background"]["false_labels_per_1000"] > 600
