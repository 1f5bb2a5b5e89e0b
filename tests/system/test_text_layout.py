"""Lines of text in the width of a terminal."""

import time

import pytest

from appliance.system.text_layout import CommandLine, lay_out, wrap_to_width
from appliance.system.text_width import measure_width


@pytest.mark.parametrize(
    ("text", "columns", "lines"),
    [
        ("short", 20, ["short"]),
        ("one sentence with words", 14, ["one sentence", "  with words"]),
        ("  labels     daisy, roses, tulips", 26, ["  labels     daisy, roses,", "             tulips"]),
        ("12:00:00  started  daisy  0.95  model 1.0", 36, ["12:00:00  started  daisy  0.95", "          model 1.0"]),
        ("雛菊 雛菊 雛菊", 10, ["雛菊 雛菊", "  雛菊"]),
        ("see http://host/a/long/path for more", 12, ["see", "  http://host/a/long/path", "  for more"]),
        ("─" * 30, 20, ["─" * 30]),
        ("a very wide first cell  second", 24, ["a very wide first cell", "  second"]),
    ],
)
def test_line_is_wrapped_at_cells_and_words(text, columns, lines):
    assert wrap_to_width(text, columns) == lines


def test_word_that_is_too_long_for_a_column_is_broken():
    lines = wrap_to_width("NOT OK  camera  /a/folder/long_name 雛菊雛菊雛菊雛菊雛菊", 30, 16)
    assert lines == [
        "NOT OK  camera",
        " " * 16 + "/a/folder/long",
        " " * 16 + "_name",
        " " * 16 + "雛菊雛菊雛菊雛",
        " " * 16 + "菊雛菊",
    ]


def test_only_a_long_word_exceeds_the_width():
    text = "        a note:  " + "word 雛菊 " * 40
    for columns in (20, 50, 80):
        lines = wrap_to_width(text, columns)
        assert all(measure_width(line) <= columns for line in lines)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_command_is_never_broken():
    line = CommandLine("Its events, from your broker:", "mosquitto_sub -h localhost -v -t 'appliance/kitchen/#'")
    assert lay_out(line, 100) == [str(line)]
    assert lay_out(line, 40) == [line.text, f"  {line.command}"]


def test_long_text_is_wrapped_in_reasonable_time():
    """A foreign text of many words must not keep a command busy for minutes."""
    began_s = time.process_time()
    lines = wrap_to_width("word " * 20_000, 80)
    assert time.process_time() - began_s < 2 and len(lines) > 1000
