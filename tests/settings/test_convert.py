"""Conversion of TOML values and environment variables to the types of the settings."""

from pathlib import Path
from typing import Any, Literal

import pytest

from appliance.settings.convert import convert_value, parse_variable


@pytest.mark.parametrize(
    ("hint", "value", "converted"),
    [
        (str, "x", "x"),
        (int, 3, 3),
        (float, 3, 3.0),
        (bool, True, True),
        (Path, "/a", Path("/a")),
        (Path | None, "/a", Path("/a")),
        (Literal["5", "3.1.1"], "5", "5"),
        (Literal[0, 90], 90, 90),
        (tuple[str, ...], [], ()),
        (tuple[str, ...], ["a", "b"], ("a", "b")),
        (tuple[str, ...], "a", ("a",)),
        (tuple[float, float], [0, 1.5], (0.0, 1.5)),
        (dict[str, float], {"a": 1}, {"a": 1.0}),
        (dict[str, Any], {"a": [1, "x"]}, {"a": [1, "x"]}),
    ],
)
def test_value_that_fits_is_converted(hint, value, converted):
    result = convert_value(hint, value)
    assert result == converted
    assert type(result) is type(converted)


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (str, 3, "a string in quotes"),
        (int, 3.0, "a whole number"),
        (int, True, "a whole number"),
        (float, True, "a number"),
        (float, float("nan"), "a number"),
        (bool, 1, "true or false"),
        (Path, "", "a path in quotes"),
        (Literal[0, 90], False, "one of 0, 90"),
        (Literal["5"], 5, "one of '5'"),
        (tuple[str, ...], "", "a list of strings"),
        (tuple[str, ...], 3, "a list of strings"),
        (tuple[float, float], [1], "a list of 2 numbers"),
        (dict[str, float], [1], "a table of name = value"),
        (dict[str, float], {"a": "x"}, "a number"),
    ],
)
def test_other_value_is_refused_with_what_it_must_be(hint, value, expected):
    with pytest.raises(ValueError, match=expected):
        convert_value(hint, value)


@pytest.mark.parametrize(
    ("text", "hint", "value"),
    [
        ("1884", int | None, 1884),
        ("1234", str, "1234"),
        ("1234", str | None, "1234"),
        ("5", Literal["5", "3.1.1"], "5"),
        ("90", Literal[0, 90], 90),
        ("/etc/x", Path | None, "/etc/x"),
        ('["a"]', tuple[str, ...], ["a"]),
        ("true", bool, True),
        ("not toml", int, "not toml"),
        ("0.5", None, 0.5),
    ],
)
def test_variable_is_read_as_toml_unless_it_is_a_text(text, hint, value):
    assert parse_variable(text, hint) == value
