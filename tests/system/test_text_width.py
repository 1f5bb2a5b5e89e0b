"""Columns of text on a terminal."""

import io
import os
import pty

import pytest

from appliance.system.text_width import cut_to_width, measure_width, pad_to_width, read_columns
from support.terminal import set_terminal_size


@pytest.mark.parametrize(
    ("text", "width"), [("rose", 4), ("Löwe", 4), ("Lo\u0308we", 4), ("雛菊", 4), ("🌼", 2), ("", 0)]
)
def test_width_counts_columns(text, width):
    assert measure_width(text) == width


@pytest.mark.parametrize(
    ("text", "cut"),
    [("rose", "rose"), ("sunflower", "sunf…"), ("雛菊雛", "雛菊…"), ("雛菊菊x", "雛菊…"), ("a雛菊", "a雛菊")],
)
def test_text_is_cut_to_columns(text, cut):
    assert cut_to_width(text, 5) == cut
    assert measure_width(pad_to_width(text, 5)) == 5


def test_columns_of_a_terminal_and_of_other_streams():
    assert read_columns(io.StringIO()) == 80
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as stream:
        assert read_columns(stream) == 80, "a terminal of unknown size"
        set_terminal_size(leader, 47)
        assert read_columns(stream) == 47
        set_terminal_size(leader, 3)
        assert read_columns(stream) == 20
    os.close(leader)
