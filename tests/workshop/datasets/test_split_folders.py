"""Names of folders for splits."""

from appliance.workshop.datasets.split_folders import divide_names, parse_split


def test_words_for_splits_are_recognized():
    assert [parse_split(word) for word in (" TRAIN", "val", "Testing", "unassigned", "")] == [
        "train", "validation", "test", None, None,
    ]  # fmt: skip


def test_label_is_separated_only_if_it_is_in_several_splits():
    assert divide_names(["trainA", "test_A", "val-B"]) == {
        "trainA": ("train", "A"), "test_A": ("test", "A"), "val-B": ("val", "B"),
    }  # fmt: skip
    assert divide_names(["train_A", "test_B"]) == divide_names(["TRAINING", "TESTING"]) == {}
