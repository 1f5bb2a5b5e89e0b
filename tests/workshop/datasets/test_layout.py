"""What the folders of a dataset mean."""

import pytest

from appliance.workshop.datasets.layout import PathMeaning, classify_paths, read_layout


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a/1.jpg", "b/2.jpg", "3.jpg"], [("a", None), ("b", None), (None, None)]),
        (["set/a/1.jpg", "set/b/2.jpg"], [("a", None), ("b", None)]),
        (["train/a/1.jpg", "Val/b/2.jpg", "unassigned/a/3.jpg"], [("a", "train"), ("b", "validation"), ("a", None)]),
        (["TEST/a/1.jpg"], [("a", "test")]),
        (["test/a/1.jpg"], [("a", None)]),
        (["train/1.jpg", "test/2.jpg"], [("train", None), ("test", None)]),
        (["set/TRAIN/a/1.jpg", "set/TEST/a/2.jpg"], [("a", "train"), ("a", "test")]),
        (["1.jpg"], [(None, None)]),
        (["a/1.jpg", "Unlabeled/2.jpg", "no_label/3.jpg"], [("a", None), (None, None), (None, None)]),
        (["train/a/1.jpg", "test/unsorted/2.jpg"], [("a", "train"), (None, "test")]),
    ],
)
def test_folders_give_label_and_split(names, expected):
    assert classify_paths(names) == [PathMeaning(label, split) for label, split in expected]


def test_unusable_paths_follow_the_meaning_of_the_others():
    assert classify_paths(["a/1.jpg"], ["TRAIN/b/2.jpg"])[1] == PathMeaning("TRAIN", None)
    assert classify_paths(["set/a/1.jpg"], ["set/b/2.jpg", "other/3.jpg"])[1:] == [
        PathMeaning("b", None), PathMeaning(None, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train_cat/1.jpg", "test_cat/2.jpg", "train_a/3.jpg"], [("cat", "train"), ("cat", "test"), ("a", "train")]),
        (["catTrain/1.jpg", "catTest/2.jpg"], [("cat", "train"), ("cat", "test")]),
        (["x_train/x_train/a/1.jpg", "x_test/x_test/2.jpg"], [("a", "train"), (None, "test")]),
        (["train_engine/1.jpg", "test_tube/2.jpg"], [("train_engine", None), ("test_tube", None)]),
        (["train/n1/images/1.jpg", "val/images/2.jpg"], [("n1", "train"), (None, "validation")]),
        (["train/images/1.jpg", "train/n1/1.jpg", "val/images/2.jpg"],
         [("images", "train"), ("n1", "train"), ("images", "validation")]),
    ],
)  # fmt: skip
def test_split_and_label_in_names_of_folders_are_separated(names, expected):
    assert classify_paths(names) == [PathMeaning(label, split) for label, split in expected]


@pytest.mark.parametrize(
    ("tops", "message"),
    [
        (["images_part_1", "images_part_2"], "rather parts of one folder"),
        (["100CANON", "101CANON"], "rather parts of one folder"),
        (["2026-11-30", "20261201"], "rather parts of one folder"),
        (["New folder", "New folder (2)"], "rather parts of one folder"),
        (["train_cat", "test_cat", "dog"], "named like splits of a label, but dog"),
        (["Class 1", "Class 2"], None),
        (["100CANON", "100NIKON"], None),
        (["part_1", "part_2"], None),
    ],
)
def test_folders_that_are_no_labels_are_a_problem(tops, message):
    problems = read_layout([f"{top}/{n}.jpg" for top in tops for n in range(2)]).problems
    assert [problem.kind for problem in problems] == (["misread"] if message else [])
    assert message is None or message in problems[0].message
