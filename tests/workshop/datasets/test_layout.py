"""What the folders of a dataset mean."""

import pytest

from appliance.workshop.datasets.layout import PathMeaning, classify_paths, parse_split


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
    ],
)
def test_folders_give_label_and_split(names, expected):
    assert classify_paths(names) == [PathMeaning(label, split) for label, split in expected]


def test_unusable_paths_follow_the_meaning_of_the_others():
    assert classify_paths(["a/1.jpg"], ["TRAIN/b/2.jpg"])[1] == PathMeaning("TRAIN", None)
    assert classify_paths(["set/a/1.jpg"], ["set/b/2.jpg", "other/3.jpg"])[1:] == [
        PathMeaning("b", None), PathMeaning(None, None),
    ]  # fmt: skip


def test_words_for_splits_are_recognized():
    assert [parse_split(word) for word in (" TRAIN", "val", "Testing", "unassigned", "")] == [
        "train", "validation", "test", None, None,
    ]  # fmt: skip
