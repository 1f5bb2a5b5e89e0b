"""Cells with several labels: what separates them, and what is no label."""

import pytest

from appliance.workshop.datasets.label_cells import find_label_separator, require_labels, split_cell


@pytest.mark.parametrize(
    ("cells", "may_hold_several", "separator"),
    [
        (["a|b", "c"], True, "|"),
        (["a;b", "a", "b"], False, ";"),
        (["a, b", "a", "b"], False, ","),
        (["Mac, cheese", "pizza"], False, None),
        (["hot dog", "hot dog", "cat"], True, None),
        (["haze primary", "clear primary", "haze", "clear primary water", "water"], True, " "),
        (["haze primary", "clear primary", "haze", "clear primary water", "water"], False, None),
        (["a", "b", ""], True, None),
    ],
)
def test_separator_is_what_the_whole_column_means(cells, may_hold_several, separator):
    assert find_label_separator(cells, may_hold_several=may_hold_several) == separator


def test_cell_is_divided_into_its_labels():
    assert split_cell("['cat', \"dog\"]", ",") == ["cat", "dog"]
    assert split_cell("cat| |dog|", "|") == ["cat", "dog"]
    assert split_cell("hot dog", None) == ["hot dog"]


def test_labels_are_sorted_and_numbers_among_them_refused():
    assert require_labels("1.jpg", ["dog", "", "cat", "dog"]) == ("cat", "dog")
    assert require_labels("1.jpg", ["7"]) == ("7",)
    with pytest.raises(ValueError, match="numbers among its labels"):
        require_labels("1.jpg", ["cat", "640"])
    with pytest.raises(ValueError, match="corners of a box"):
        require_labels("1.jpg", ["cat", "0.1", "0.2", "0.5", "0.7"])
