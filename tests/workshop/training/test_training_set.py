"""The pictures of a training: which ones are fitted and which ones validate."""

import json
import re

import numpy as np
import pytest

from appliance.errors import TrainingError
from appliance.teaching.names import BACKGROUND
from appliance.workshop.datasets.open import open_dataset
from appliance.workshop.evaluation.selection import select_pictures
from appliance.workshop.training.training_set import build_training_set, require_enough
from support.datasets import make_files, make_picture, write_folder
from support.training import train, write_pictures


def test_too_few_background_pictures_are_reported(pictures, base, tmp_path, capsys):
    others = write_pictures(tmp_path / "others", {"gray": 1})
    assert train(pictures, "--base", base, "--background", others, "--out", tmp_path / "new") == 1
    assert f"{others} has fewer than 2 background pictures" in capsys.readouterr().err


def test_second_dataset_is_used_for_validation(pictures, base, tmp_path, capsys):
    second = write_pictures(tmp_path / "second", {"red": 12, "green": 12, "blue": 12}, seed=70_000)
    assert train(pictures, "--validation", second, "--base", base, "--out", tmp_path / "new", "--json") == 0
    output = json.loads(capsys.readouterr().out)
    assert (output["pictures"]["train"], output["pictures"]["validation"], output["pictures"]["test"]) == (120, 36, 0)
    strange = write_pictures(tmp_path / "strange", {"gray": 12})
    assert train(pictures, "--validation", strange, "--base", base, "--out", tmp_path / "other") == 1
    assert "has the label 'gray', which" in capsys.readouterr().err


def test_label_with_too_few_readable_pictures_is_reported(base, tmp_path, capsys):
    folder = write_pictures(tmp_path / "pictures", {"red": 12, "green": 12})
    for path in sorted((folder / "red").iterdir())[:5]:
        path.write_bytes(path.read_bytes()[:80])
    assert train(folder, "--base", base, "--out", tmp_path / "new") == 1
    output = capsys.readouterr().err
    assert "5 pictures could not be read, and fewer than 10 are left of red (7)" in output
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("counts", "reason"),
    [({"red": 40}, "only the label red"), ({"red": 40, "green": 9}, "fewer than 10 pictures of green \\(9\\)")],
)
def test_unsuitable_dataset_is_rejected(base, tmp_path, capsys, counts, reason):
    assert train(write_pictures(tmp_path / "pictures", counts), "--base", base, "--out", tmp_path / "new") == 1
    assert re.search(reason, capsys.readouterr().err)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "cache") == ["base.tflite", "pictures"]


def build(folder, background=None, seed=0):
    return build_training_set(folder, None, background, {}, seed)


def test_label_named_background_is_reported_for_its_own_dataset(tmp_path):
    folder = write_pictures(tmp_path / "pictures" / "TRAIN", {"red": 12, "green": 12}).parent
    write_pictures(folder / "VALIDATION", {"gray": 12})
    (folder / "VALIDATION" / "gray").rename(folder / "VALIDATION" / BACKGROUND)
    second = write_pictures(tmp_path / "second", {"red": 4, "green": 4})
    with pytest.raises(TrainingError, match=f"{folder} has fewer than 2 background pictures for training"):
        build_training_set(folder, second, None, {}, 0)


def test_beginning_of_a_training_set_is_a_fair_sample(tmp_path):
    training_set = build(write_pictures(tmp_path / "pictures", {"red": 80, "green": 20}))
    assert training_set.labels == ("green", "red")
    begin = training_set.targets[:20]
    assert (begin == 1).sum() == pytest.approx(16, abs=1)
    assert not training_set.is_validation.any()


def test_tenth_is_set_aside_only_when_asked_for(tmp_path):
    folder = write_pictures(tmp_path / "pictures", {"red": 40, "green": 40})
    assert sum(build(folder).test_counts.values()) == 0
    with_test = build_training_set(folder, None, None, {}, 0, has_test=True)
    assert sum(with_test.test_counts.values()) == pytest.approx(8, abs=2)
    assert len(with_test.pictures) == 80 - sum(with_test.test_counts.values())
    held_out = {picture.name for picture in select_pictures(open_dataset(folder), "test", 0).pictures}
    assert not held_out & {picture.name for picture in with_test.pictures}


def test_pictures_of_one_recording_are_one_group(tmp_path):
    folder = write_pictures(tmp_path / "pictures", {"red": 20, "green": 20})
    for index, picture in enumerate(sorted((folder / "red").iterdir())):
        picture.rename(picture.with_name(f"20261130-10150{index % 10}-123_rec-{index // 10}abc.png"))
    training_set = build(folder)
    groups = {picture.name: group for picture, group in zip(training_set.pictures, training_set.groups, strict=True)}
    of_red = {name.split("rec-")[1][0]: group for name, group in groups.items() if "rec-" in name}
    assert len({group for name, group in groups.items() if "rec-" in name}) == len(of_red) == 2


def test_same_seed_gives_the_same_order(tmp_path):
    folder = write_pictures(tmp_path / "pictures", {"red": 20, "green": 20})
    first, second, other = build(folder, seed=1), build(folder, seed=1), build(folder, seed=2)
    assert [picture.name for picture in first.pictures] == [picture.name for picture in second.pictures]
    assert [picture.name for picture in first.pictures] != [picture.name for picture in other.pictures]


def test_background_is_the_last_label(tmp_path):
    folder = write_pictures(tmp_path / "pictures", {"red": 20, "green": 20})
    training_set = build(folder, write_pictures(tmp_path / "other", {"gray": 30}))
    assert training_set.labels == ("green", "red", BACKGROUND) and training_set.background == BACKGROUND
    assert training_set.is_background.sum() == 30
    assert not training_set.is_validation.any()


def test_too_few_pictures_after_extraction_are_an_error(tmp_path):
    training_set = build(write_pictures(tmp_path / "pictures", {"red": 12, "green": 12}))
    everything = np.arange(len(training_set.pictures))
    require_enough(training_set, everything, 0, 0)
    only_green = everything[training_set.targets == 0]
    with pytest.raises(TrainingError, match="12 pictures could not be read, and fewer than 10 are left of red"):
        require_enough(training_set, only_green, 12, 0)
    with pytest.raises(TrainingError, match="budget is too short: 12"):
        require_enough(training_set, only_green, 0, 12)
    require_enough(training_set, everything[:-2], 0, 2)


def test_half_taught_label_is_left_out_and_named(tmp_path):
    folder = write_pictures(tmp_path / "pictures", {"red": 20, "green": 20, "blue": 4})
    training_set = build(folder)
    assert training_set.labels == ("green", "red")
    assert dict(training_set.left_out) == {"blue": 4}
    assert not any("blue" in picture.name for picture in training_set.pictures)


def test_folder_named_background_is_background(tmp_path):
    folder = write_pictures(tmp_path / "pictures", {"red": 20, "green": 20, "gray": 20})
    (folder / "gray").rename(folder / BACKGROUND)
    training_set = build(folder)
    assert training_set.labels == ("green", "red", BACKGROUND)
    assert training_set.background == BACKGROUND
    assert training_set.is_background.sum() == 20


def test_one_label_with_background_is_enough(tmp_path):
    folder = write_pictures(tmp_path / "pictures", {"red": 20, "gray": 20})
    (folder / "gray").rename(folder / BACKGROUND)
    assert build(folder).labels == ("red", BACKGROUND)


def test_background_of_one_recording_is_on_one_side(tmp_path):
    folder = write_pictures(tmp_path / "pictures", {"red": 20, "green": 20, "gray": 20})
    gray = folder / BACKGROUND
    (folder / "gray").rename(gray)
    for number, path in enumerate(sorted(gray.iterdir())):
        path.rename(gray / f"20261129-120000-{number:03d}_rec-{number // 4:08x}.png")
    training_set = build(folder)
    sides: dict[str, set[bool]] = {}
    for picture, validates in zip(training_set.pictures, training_set.is_validation.tolist(), strict=True):
        if "rec-" in picture.name:
            sides.setdefault(picture.name[-12:], set()).add(validates)
    assert all(len(side) == 1 for side in sides.values())


def test_same_files_in_two_datasets_are_found(tmp_path):
    write_folder(tmp_path / "set", make_files({"a": 10, "b": 10}))
    write_folder(tmp_path / "more", make_files({"a": 4, "b": 4}, first_seed=500))
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / "more" / "a" / name).write_bytes(next((tmp_path / "set" / "a").iterdir()).read_bytes())
    both = build_training_set(tmp_path / "set", tmp_path / "more", None, {}, 0)
    assert both.shared_pictures == 2
    with pytest.raises(TrainingError, match="2 pictures in .*more have a label in .*set; remove the files"):
        build_training_set(tmp_path / "set", None, tmp_path / "more", {}, 0)


def test_validation_without_labels_is_an_error(tmp_path):
    write_folder(tmp_path / "set", make_files({"a": 10, "b": 10}))
    write_folder(tmp_path / "more", {"1.jpg": make_picture(500)})
    with pytest.raises(TrainingError, match="no picture with a label; --validation"):
        build_training_set(tmp_path / "set", tmp_path / "more", None, {}, 0)
