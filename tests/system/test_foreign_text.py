"""Text from outside cannot forge lines, control a terminal, or grow without limit."""

import time

import pytest

from appliance.system.foreign_text import clean_lines, clean_output, clean_text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("daisy", "daisy"),
        ("Gänseblümchen 雛菊 🌼 👩‍🌾", "Gänseblümchen 雛菊 🌼 👩‍🌾"),
        ("flow\nMAINPID=1", "flow MAINPID=1"),
        ("a\r\nb\rc\x85d\u2028e\u2029f\vg\fh\ti\x1ej", "a b c d e f g h i j"),
        ("\x1b[31mred\x1b[0m and \x9b2Jcleared", "red and cleared"),
        ("\x1b]0;title\x07shown", "shown"),
        ("\x1b]8;;http://a.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPdevice control\x1b\\shown", "shown"),
        ("\x1bcreset and \x1b(0line drawing", "reset and line drawing"),
        ("unfinished \x1b", "unfinished"),
        ("nul\x00 bell\x07 del\x7f back\bspace", "nul bell del backspace"),
        ("\u202egpj.exe\u2066x\u2069\u200f", "gpj.exex"),
        ("lone \ud800 surrogate", "lone \N{REPLACEMENT CHARACTER} surrogate"),
        ("\ufeff  both ends \n", "both ends"),
        ("", ""),
    ],
)
def test_text_is_cleaned(text: str, cleaned: str) -> None:
    assert clean_text(text, 255) == cleaned


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0), 0x202E, 0x2066, 0x2028, 0x2029, 0xD800, 0xDFFF])
def test_no_control_survives_alone_or_doubled(code: int) -> None:
    for text in (f"a{chr(code)}b", f"a{chr(code)}{chr(code)}b", f"a\x1b{chr(code)}[31mb", f"{chr(code)}[31m"):
        cleaned = clean_text(text, 99)
        assert cleaned.isprintable()
        cleaned.encode()


def test_removed_controls_do_not_join_to_a_sequence() -> None:
    """Remove what is left of a sequence whose middle was removed."""
    assert "\x1b" not in clean_text("\x1b\x1b[0m[31mred", 99)
    assert "\x1b" not in clean_lines("\x1b\x00[31mred\n\x1b\u202e[0m", 99)


def test_text_at_the_limit_is_whole_and_beyond_it_is_cut() -> None:
    assert clean_text("x" * 64, 64) == "x" * 64
    assert clean_text("x" * 65, 64) == "x" * 63 + "…"
    assert clean_text("xy", 1) == "…"


def test_megabytes_are_cut_at_once() -> None:
    started = time.process_time()
    for text in ("x" * 50_000_000, "\x1b]" * 20_000_000, "\x1b[" + "0" * 50_000_000):
        assert len(clean_text(text, 255)) <= 255
    assert time.process_time() - started < 2


def test_lines_stay_separate_and_are_cleaned() -> None:
    text = 'Traceback:\n  File "x.py"\r\n    raise\x1b[2J\nValueError: a\u2028b\r12:00 forged'
    assert clean_lines(text, 999) == 'Traceback:\n  File "x.py"\n    raise\nValueError: a b 12:00 forged'


def test_lines_beyond_the_limit_are_cut() -> None:
    assert clean_lines("line\n" * 100, 12) == "line\nline\nl…"


def test_output_keeps_its_lines_and_loses_its_controls() -> None:
    assert clean_output("  a\tb \n\n") == "  a\tb \n\n"
    assert clean_output("é \x1b[31mred\r\x9b2J\ud800\u202e\n") == "é red\N{REPLACEMENT CHARACTER}\n"
    assert clean_output("\x1b\x00[31m\n") == "[31m\n"
    assert clean_output("x" * 100_000) == "x" * 100_000
