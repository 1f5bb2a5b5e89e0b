"""The order of the pictures, and the pages of it."""

import pytest

from appliance.errors import TeachingError
from appliance.teaching.folders import TeachingPicture
from appliance.teaching.guesses import Guess
from appliance.teaching.names import PictureOrigin
from appliance.teaching.order import measure_uncertainty, take_page


def picture(name, label=None, is_background=False):
    origin = PictureOrigin.COLLECTED
    return TeachingPicture(name, f"dataset/{name}", None, label, is_background, origin, None, 0.0, 1)


def test_contradicted_label_comes_first_then_the_unsure():
    guesses = [
        (picture("wrong", "cup"), Guess("mug", 0.9)),
        (picture("background", is_background=True), Guess("mug", 0.8)),
        (picture("near"), Guess("cup", 0.52)),
        (picture("unknown"), None),
        (picture("right", "cup"), Guess("cup", 0.97)),
        (picture("nothing", is_background=True), Guess("cup", 0.01)),
    ]
    ordered = sorted(guesses, key=lambda pair: -measure_uncertainty(*pair, threshold=0.5))
    assert [found.id for found, _ in ordered] == ["wrong", "background", "near", "unknown", "right", "nothing"]


def test_pages_follow_each_other_while_pictures_move():
    pictures = [picture(f"p{number:02d}") for number in range(10)]

    def key(each):
        return (0.0, 0.0, each.id)

    first, cursor = take_page(pictures, key, None, 4)
    assert [each.id for each in first] == ["p00", "p01", "p02", "p03"]
    second, cursor = take_page(pictures[2:3] + pictures[5:], key, cursor, 4)  # p03 and p04 were labeled meanwhile
    assert [each.id for each in second] == ["p05", "p06", "p07", "p08"]
    third, cursor = take_page(pictures, key, cursor, 4)
    assert [each.id for each in third] == ["p09"] and cursor is None


@pytest.mark.parametrize("cursor", ["x", "", "é", "bnVsbA", "WzEsMiwzLDRd", "W1tbW1tb", "A" * 400])
def test_foreign_cursor_is_one_sentence(cursor):
    with pytest.raises(TeachingError) as caught:
        take_page([picture("a")], lambda each: (0.0, 0.0, each.id), cursor, 4)
    assert caught.value.status == 400
