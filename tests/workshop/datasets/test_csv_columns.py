"""What the columns of an index mean."""

import pytest

from appliance.errors import DatasetError
from appliance.workshop.datasets.csv_columns import Columns, find_columns

PICTURES = [["1.jpg", "cat", "train"], ["2.jpg", "dog", "test"], ["3.jpg", "cat", "train"], ["4.jpg", "dog", "test"]]


def find(*rows):
    return find_columns([list(row) for row in rows], "index.csv")


@pytest.mark.parametrize("word", ["class", "category", "[LABEL]", "Class Name", "tag", "target"])
def test_labels_have_many_names(word):
    assert find(["image", word, "split"], *PICTURES) == Columns(0, 1, 2, has_header=True)


@pytest.mark.parametrize("word", ["ml_use", "subset", "SET", "partition"])
def test_splits_have_many_names(word):
    assert find(["filename", "label", word], *PICTURES).set == 2


def test_yes_and_no_are_splits():
    rows = [[name, label, str(split == "test")] for name, label, split in PICTURES]
    assert find(["name", "label", "is_valid"], *rows).flags == ((2, ("validation", "train")),)


def test_unknown_names_are_understood_by_their_content():
    assert find(["Datei", "Sorte"], *(row[:2] for row in PICTURES)) == Columns(0, 1, has_header=True)


def test_other_columns_are_listed():
    rows = [[*row, "96", "x"] for row in PICTURES]
    assert find(["path", "label", "set", "width", "author"], *rows).unused == ("width", "author")


def test_number_columns_are_no_labels():
    rows = [[row[0], "96"] for row in PICTURES]
    assert find(["path", "width"], *rows) == Columns(0, None, None, True, unused=("width",))


def test_a_column_for_each_class_gives_the_labels():
    rows = [["1.jpg", "1", "0"], ["2.jpg", "0", "1"]]
    assert find(["filename", "cat", "dog"], *rows).classes == ((1, "cat"), (2, "dog"))


def test_order_without_names_follows_the_content():
    assert find(*([label, name, split] for name, label, split in PICTURES)) == Columns(1, 0, 2)
    assert find(*PICTURES) == Columns(0, 1, 2)
    assert find(*(row[:2] for row in PICTURES)).is_free


def test_column_with_two_meanings_is_an_error():
    with pytest.raises(DatasetError, match="more than one column named label"):
        find(["path", "label", "Label"], *PICTURES)


def test_unknown_word_for_the_picture_is_a_header_all_the_same():
    assert find(["id_code", "diagnosis"], ["a1", "0"], ["a2", "1"]) == Columns(0, 1, has_header=True)


def test_only_question_of_an_index_gives_the_labels():
    assert find(["id", "has_cactus"], ["1.jpg", "1"], ["2.jpg", "0"]).label == 1
    assert find(["id", "width"], ["1.jpg", "640"], ["2.jpg", "640"]).label is None


@pytest.mark.parametrize(("yes", "no"), [("x", ""), ("1", "-1"), ("True", "False")])
def test_class_is_marked_in_several_ways(yes, no):
    rows = [["1.jpg", yes, no], ["2.jpg", no, yes]]
    assert find(["file", "cat", "dog"], *rows).classes == ((1, "cat"), (2, "dog"))


def test_minus_one_beside_zero_is_not_a_no():
    rows = [["1.jpg", "1", "0"], ["2.jpg", "-1", "1"], ["3.jpg", "0", "-1"]]
    assert find(["path", "cat", "dog"], *rows).unused == ("cat", "dog")
