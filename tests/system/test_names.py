"""Plain names, and names of labels."""

import pytest

from appliance.system.names import is_label_name, is_plain_name


@pytest.mark.parametrize("name", ["a", "0", "stable", "Beta-2.1_x", "a" * 64])
def test_plain_name_is_accepted(name):
    assert is_plain_name(name)


@pytest.mark.parametrize("name", ["", ".hidden", "-rf", "_x", "a/b", "a b", "ä", "a\n", "..", "a" * 65, "a#", "٣"])
def test_other_name_is_refused(name):
    assert not is_plain_name(name)


def test_label_name_is_one_that_training_accepts():
    assert all(map(is_label_name, ["a", "red_cup", "0", "A" * 32]))
    assert not any(map(is_label_name, ["", "red cup", "a" * 33, "ä", "a/b", ".", "a\n", "a-b"]))
