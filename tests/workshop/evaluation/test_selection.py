"""Which pictures `appliance evaluate` uses."""

import pytest

from appliance.errors import DatasetError
from appliance.workshop.datasets.open import open_dataset
from appliance.workshop.datasets.split_assignment import assign_splits
from appliance.workshop.evaluation.selection import select_background, select_pictures
from support.datasets import make_files, write_folder
from support.evaluations import make_bundle, make_png, make_shades, run_evaluate, write_index, write_pictures

RED, GREEN = (0.9, 0.1, 0.1), (0.1, 0.9, 0.1)


@pytest.fixture
def colors(tmp_path):
    return write_pictures(tmp_path / "colors", {label: make_shades(label, 10) for label in ("red", "green", "blue")})


def test_test_split_is_used_by_default(tmp_path, capsys):
    index = write_index(
        tmp_path,
        [("TRAIN", "red", GREEN), ("VALIDATION", "red", GREEN), ("TEST", "red", RED), ("TEST", "green", GREEN)],
    )
    value = run_evaluate(capsys, make_bundle(tmp_path / "model"), index)[1]
    assert (value["split"], value["pictures"], value["accuracy"]) == ("test", 2, 1.0)
    value = run_evaluate(capsys, tmp_path / "model", index, "--split", "validation")[1]
    assert (value["split"], value["pictures"], value["accuracy"]) == ("validation", 1, 0.0)
    value = run_evaluate(capsys, tmp_path / "model", index, "--split", "all")[1]
    assert (value["split"], value["pictures"], value["accuracy"]) == ("all", 4, 0.5)


def test_validation_split_is_used_without_a_test_split(tmp_path, capsys):
    index = write_index(tmp_path, [("TRAIN", "red", GREEN), ("VALIDATION", "red", RED)])
    _, value, err = run_evaluate(capsys, make_bundle(tmp_path / "model"), index)
    assert (value["split"], value["pictures"]) == ("validation", 1)
    assert "no test split" in err
    status, _, err = run_evaluate(capsys, tmp_path / "model", index, "--split", "test")
    assert status == 1
    assert "no test pictures" in err


def test_all_pictures_are_used_without_splits_with_a_warning(tmp_path, colors, capsys):
    _, value, err = run_evaluate(capsys, make_bundle(tmp_path / "model"), colors)
    assert (value["split"], value["pictures"]) == ("all", 30)
    assert "has no splits" in err and "--split test" in err


def test_requested_split_is_what_training_holds_out(tmp_path, capsys):
    patches = write_folder(tmp_path / "patches", make_files({"red": 20, "green": 20, "blue": 20}))
    expected = sorted(one.name for one in assign_splits(open_dataset(patches), 3).examples if one.split == "test")
    # At this threshold every picture is given wrong labels, so the mistakes name them all.
    model = make_bundle(tmp_path / "model", confidenceThreshold=0.01)
    value = run_evaluate(capsys, model, patches, "--split", "test", "--seed", 3)[1]
    assert value["pictures"] == len(expected) == 6
    assert sorted(one["picture"] for one in value["mistakes"]) == expected


def test_background_with_splits_uses_only_its_test_pictures(tmp_path, colors, capsys):
    (tmp_path / "others").mkdir()
    background = write_index(
        tmp_path / "others", [("TRAIN", "x", RED), ("TEST", "x", (0.1, 0.1, 0.1)), ("TEST", "y", GREEN)]
    )
    _, value, err = run_evaluate(capsys, make_bundle(tmp_path / "model"), colors, "--background", background)
    assert (value["background"]["pictures"], value["background"]["false_labels"]) == (2, 1)
    assert "only the test pictures" in err


def test_unlabeled_pictures_are_used_only_as_background(tmp_path):
    write_pictures(tmp_path, {"red": [RED] * 2})
    (tmp_path / "loose.png").write_bytes(make_png(*GREEN))
    dataset = open_dataset(tmp_path)
    selection = select_pictures(dataset, "all", 0)
    assert [example.name for example in selection.pictures] == ["red/000.png", "red/001.png"]
    assert any("1 pictures have no label" in note for note in selection.notes)
    assert len(select_background(dataset).pictures) == 3


def test_dataset_without_labels_is_refused(tmp_path):
    (tmp_path / "loose.png").write_bytes(make_png(*GREEN))
    with pytest.raises(DatasetError, match="no labeled picture"):
        select_pictures(open_dataset(tmp_path), "auto", 0)


def test_model_without_a_test_part_knows_the_pictures_of_every_split(tmp_path, capsys):
    shown = write_folder(tmp_path / "shown", make_files({"red": 12, "green": 12}))
    record = {"dataset": {"pictures": {"red": 10, "green": 10, "blue": 10}, "test": 0}}
    known = make_bundle(tmp_path / "known", training=record)
    record = {"dataset": {"pictures": {"red": 8, "green": 8, "blue": 8}, "test": 3}}
    fair = make_bundle(tmp_path / "fair", training=record)
    for model, split, is_known in ((known, "test", True), (fair, "test", False), (fair, "validation", True)):
        _, _, err = run_evaluate(capsys, model, shown, "--split", split)
        assert ("knows these pictures" in err) is is_known
    # Splits that the dataset marks were respected by the training.
    marked = write_index(tmp_path, [("TEST", "red", RED), ("TRAIN", "green", GREEN)])
    assert "knows these pictures" not in run_evaluate(capsys, known, marked, "--split", "test")[2]
