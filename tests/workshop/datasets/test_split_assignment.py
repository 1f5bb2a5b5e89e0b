"""Splits that keep near duplicates together."""

import dataclasses
import itertools
from collections import Counter

import pytest

from appliance.workshop.datasets.duplicates import scan_pictures
from appliance.workshop.datasets.open import open_dataset
from appliance.workshop.datasets.recordings import find_recording
from appliance.workshop.datasets.split_assignment import assign_splits
from support.datasets import make_files, make_picture, make_split_files, write_folder


def list_splits(dataset):
    return {example.name: example.split for example in dataset.examples}


def test_each_label_has_its_share_and_copies_share_a_split(mixed):
    assigned = assign_splits(mixed)
    for label in ("a", "b"):
        assert Counter(e.split for e in assigned.examples if e.label == label) == {
            "train": pytest.approx(60, abs=2),
            "validation": pytest.approx(7.5, abs=2.5),
            "test": pytest.approx(7.5, abs=2.5),
        }
    for label in ("a", "b"):
        for seed in range(5):
            assert (
                len({split for name, split in list_splits(assigned).items() if name.startswith(f"{label}/{seed}-")})
                == 1
            )


def test_smallest_label_has_pictures_in_every_split(tmp_path):
    assigned = assign_splits(open_dataset(write_folder(tmp_path / "set", make_files({"a": 10, "b": 10}))))
    assert Counter((e.label, e.split) for e in assigned.examples) == {
        (label, split): count for label in "ab" for split, count in (("train", 8), ("validation", 1), ("test", 1))
    }


def test_splits_depend_on_the_seed_and_not_on_the_order(mixed):
    first = assign_splits(mixed, seed=3)
    backwards = assign_splits(dataclasses.replace(mixed, examples=tuple(reversed(mixed.examples))), seed=3)
    assert list_splits(first) == list_splits(backwards)
    assert list_splits(first) != list_splits(assign_splits(mixed, seed=4))
    assert [example.name for example in first.examples] == [example.name for example in mixed.examples]


def test_shares_are_configurable(mixed):
    assert Counter(e.split for e in assign_splits(mixed, shares=(0.5, 0.5, 0.0)).examples) == {
        "train": 76,
        "validation": 74,
    }


def test_given_splits_are_kept_and_copies_follow_them(mixed):
    given = {"a/0-original.jpg": "test", "a/1-cut.jpg": "validation", "b/000.jpg": "test", "b/0-cut.jpg": "test"}
    given["b/0-original.jpg"] = "train"
    some = dataclasses.replace(
        mixed, examples=tuple(dataclasses.replace(e, split=given.get(e.name)) for e in mixed.examples)
    )
    assigned = list_splits(assign_splits(some))
    assert {name: assigned[name] for name in given} == given
    assert {split for name, split in assigned.items() if name.startswith("a/0-")} == {"test"}
    assert {split for name, split in assigned.items() if name.startswith("a/1-")} == {"validation"}
    assert assigned["b/0-mirrored.jpg"] == "train"  # given on both sides: what is left goes where it spoils no figures


def test_complete_splits_need_no_reading(tmp_path):
    folder = write_folder(tmp_path / "set", make_split_files({"a": 2}, "train", "test"))
    dataset = open_dataset(folder)
    for path in folder.rglob("*.jpg"):
        path.unlink()
    assert assign_splits(dataset) is dataset


def test_damaged_picture_is_assigned_like_any_other(tmp_path):
    files = {**make_files({"a": 9}), "a/cut.jpg": make_picture(77)[:400]}
    dataset = open_dataset(write_folder(tmp_path / "set", files))
    assert {example.split for example in assign_splits(dataset).examples} == {"train", "validation", "test"}
    (fault,) = [scan.error for scan in scan_pictures(dataset.examples) if scan.error]
    assert fault.startswith("a/cut.jpg cannot be read as a picture")


def _record(pictures_by_label):
    """Return the files of recorded pictures: label → the number of pictures of each of its recordings."""
    files, seed = {}, 0
    for label, counts in pictures_by_label.items():
        for recording, count in enumerate(counts):
            for number in range(count):
                seed += 1
                files[f"{label}/rec-{label}{recording}-{number:04d}.jpg"] = make_picture(seed)
    return files


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_pictures_of_one_recording_share_a_split(tmp_path, seed):
    files = _record({"cup": [12, 9, 7, 6, 6], "pen": [20, 20], "box": [5, 14, 8]})
    splits = {}
    for example in assign_splits(open_dataset(write_folder(tmp_path / "set", files)), seed).examples:
        splits.setdefault((example.label, find_recording(example.name)), set()).add(example.split)
    assert all(len(each) == 1 for each in splits.values())
    by_label = {
        label: {min(each) for (own, _), each in splits.items() if own == label} for label in ("cup", "pen", "box")
    }
    assert by_label == {
        "cup": {"train", "validation", "test"},
        "pen": {"train", "validation"},
        "box": {"train", "validation", "test"},
    }


def test_sole_recording_is_divided_into_consecutive_parts(tmp_path):
    assigned = assign_splits(open_dataset(write_folder(tmp_path / "set", _record({"cup": [30], "pen": [30]}))))
    for label in ("cup", "pen"):
        own = [example for example in assigned.examples if example.label == label]
        assert Counter(example.split for example in own) == {"train": 24, "validation": 3, "test": 3}
        changes = sum(one.split != other.split for one, other in itertools.pairwise(own))
        assert changes <= 4
