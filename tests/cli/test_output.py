"""Test JSON, messages and the progress line."""

import io
import json

import pytest

from appliance.cli.output import ProgressLine, print_json, print_lines, print_message
from appliance.system.text_layout import CommandLine
from appliance.system.text_width import measure_width


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def terminal():
    return Terminal()


def test_json_is_one_readable_value(capsys):
    print_json({"label": "Löwenzahn", "score": 0.5})
    out = capsys.readouterr().out
    assert json.loads(out) == {"label": "Löwenzahn", "score": 0.5}
    assert "Löwenzahn" in out
    assert out.endswith("}\n")


def test_results_and_messages_go_to_different_streams(capsys):
    print_lines(["one", "two"])
    print_message("something is missing")
    assert capsys.readouterr() == ("one\ntwo\n", "appliance: something is missing\n")


def test_progress_is_silent_unless_on_a_terminal(capsys):
    with ProgressLine() as line:
        line.show("training", 1, 2)
        line.make_counter("packing")(2, 2)
    assert capsys.readouterr() == ("", "")


def test_progress_shows_stage_and_count_and_is_cleared(terminal):
    with ProgressLine(terminal) as line:
        line.show("sorting", 0, 0)
        line.show("training", 1, 4)
        line.show("training", 2, 4)  # too soon after the last one
        line.show("training", 4, 4)
    text = terminal.getvalue()
    assert "sorting …" in text
    assert "training: 1 of 4" in text
    assert "training: 2 of 4" not in text
    assert "training: 4 of 4" in text
    assert text.endswith("\r\033[K")


def test_counter_clears_the_line_when_done(terminal):
    count = ProgressLine(terminal).make_counter("packing")
    count(1, 2)
    assert not terminal.getvalue().endswith("\033[K")
    count(2, 2)
    assert terminal.getvalue().endswith("\r\033[K")


HOSTILE = "rose\n\x1b[2J\x9b31m\u202e\ud800"


def test_line_stays_one_line_without_controls(capsys):
    print_lines(["  indented", f"  {HOSTILE}.png"])
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["  indented", "  rose \N{REPLACEMENT CHARACTER}.png"]


def test_json_is_utf8_and_controls_no_terminal(capsysbinary):
    print_json({HOSTILE: [HOSTILE, "Löwenzahn"]})
    out = capsysbinary.readouterr().out
    text = out.decode("utf-8")
    assert text.replace("\n", "").isprintable()
    ((key, (value, other)),) = json.loads(out).items()
    assert key == value == HOSTILE.replace("\ud800", "\ufffd")
    assert other == "Löwenzahn"


def test_message_is_one_line_without_controls(capsys):
    print_message(HOSTILE * 10_000)
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and err.rstrip("\n").isprintable() and len(err) < 10_000


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_progress_line_fits_the_terminal(terminal, monkeypatch, columns):
    monkeypatch.setattr("appliance.cli.output.read_columns", lambda _: columns)
    with ProgressLine(terminal) as line:
        for done in range(0, 301, 100):
            line.show("extracting features with 雛菊" + "mobilenet_v1_1.0_224_quant_embedding_extractor" * 3, done, 300)
    for drawn in terminal.getvalue().split("\r\033[K"):
        assert measure_width(drawn) < columns
        assert not drawn or drawn.endswith("of 300")


def test_dumb_terminal_gets_no_progress(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    with ProgressLine(terminal) as line:
        line.show("training", 1, 2)
    assert terminal.getvalue() == ""


def test_lines_fit_a_terminal_and_commands_stay_whole(terminal, monkeypatch, capsys):
    lines = ["23:13:16  ended    tulips       peak 0.96  model 0.2.0", CommandLine("To see every topic:", "run " * 20)]
    print_lines(lines)
    assert capsys.readouterr().out.splitlines() == [str(line) for line in lines], "a pipe gets each on one line"
    monkeypatch.setattr("appliance.cli.output.read_columns", lambda _: 50)
    monkeypatch.setattr("sys.stdout", terminal)
    print_lines(lines)
    printed = terminal.getvalue().splitlines()
    assert printed[-1] == "  " + lines[1].command
    assert all(measure_width(line) <= 50 for line in printed[:-1])
    assert printed[:2] == ["23:13:16  ended    tulips       peak 0.96", " " * 10 + "model 0.2.0"]
