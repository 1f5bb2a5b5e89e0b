"""Which names can be printed."""

import pytest

from appliance.workshop.datasets.problems import is_printable


@pytest.mark.parametrize("name", ["写真\u30001.jpg", "10.00.00\u202fAM.jpg", "no\u00a0break.jpg", "ü b"])
def test_letters_signs_and_spaces_are_printable(name):
    assert is_printable(name)


@pytest.mark.parametrize("name", ["a\u2028b", "a\x1b[2Jb", "a\u202eb", "a\nb", "a\x00"])
def test_control_characters_are_not_printable(name):
    assert not is_printable(name)
