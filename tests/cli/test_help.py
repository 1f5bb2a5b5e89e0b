"""Test `appliance help`: the list of topics, one topic, and the search."""

import io
import os
import stat
import sys
from pathlib import Path

import pytest

from appliance.cli import COMMANDS, main
from appliance.cli.help import summary
from appliance.system.manual import DOCS, TOPICS, installed_topics


class Terminal(io.StringIO):
    """Standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_list_has_each_topic_in_order(capsys):
    assert main(["help"]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split()[0] for line in lines if line] == list(TOPICS)
    assert all(summary(topic) in line for topic, line in zip(TOPICS, lines, strict=False))


def test_topic_prints_its_text(capsys):
    assert main(["help", "mqtt"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# MQTT\n")
    assert "T/availability" in out


def test_topic_hides_comments_and_names_other_topics_as_commands(capsys):
    main(["help", "broker"])
    out = capsys.readouterr().out
    assert "<!--" not in out
    assert "](" not in out
    assert "`appliance help raspberry-pi`" in out


def test_unknown_topic_names_near_ones(capsys):
    assert main(["help", "home-asistant"]) == 2
    assert "home-assistant" in capsys.readouterr().err


def test_unknown_topic_without_near_ones_names_the_list(capsys):
    assert main(["help", "xyzzy"]) == 2
    assert "appliance help lists" in capsys.readouterr().err


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - set(TOPICS)))
def test_command_instead_of_topic_names_its_help(command, capsys):
    assert main(["help", command]) == 2
    assert f"appliance {command} --help" in capsys.readouterr().err


def test_search_prints_topic_and_heading(capsys):
    assert main(["help", "--search", "HYSTERESIS"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("mqtt: When a label starts and ends: ") for line in lines)
    assert all("hysteresis" in line.lower() for line in lines)


def test_search_ignores_headings_in_code(capsys):
    main(["help", "--search", "prints every step"])
    assert "raspberry-pi: 4. Install: " in capsys.readouterr().out


def test_search_without_a_match_fails(capsys):
    assert main(["help", "--search", "xyzzy"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "xyzzy" in captured.err


def test_search_and_topic_exclude_each_other(capsys):
    assert main(["help", "mqtt", "--search", "event"]) == 2
    assert "--search" in capsys.readouterr().err


def test_pager_gets_the_text_on_a_terminal(tmp_path, monkeypatch):
    pager = make_pager(tmp_path)
    monkeypatch.setenv("PAGER", f"{pager} --some-option")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["help", "models"]) == 0
    assert (tmp_path / "paged").read_text() == f"--some-option\n{read_topic_as_shown('models')}"
    assert terminal.getvalue() == ""


def test_missing_pager_prints_directly(monkeypatch):
    monkeypatch.setenv("PAGER", "/nonexistent/pager")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["help", "models"]) == 0
    assert terminal.getvalue().startswith("# Models\n")


def test_topic_without_a_file_is_left_out(tmp_path, monkeypatch):
    """A wheel, for example, has no changelog."""
    for topic in TOPICS[:2]:
        (tmp_path / f"{topic}.md").write_text((DOCS / f"{topic}.md").read_text())
    monkeypatch.setattr("appliance.system.manual.DOCS", tmp_path)
    assert installed_topics() == list(TOPICS[:2])
    assert main(["help", "changelog"]) == 2


def make_pager(folder: Path) -> Path:
    """Make a program that writes its options and its input to the file `paged`."""
    pager = folder / "pager"
    pager.write_text(f'#!/bin/sh\n{{ echo "$@"; cat; }} >"{folder}/paged"\n')
    pager.chmod(pager.stat().st_mode | stat.S_IXUSR)
    assert os.access(pager, os.X_OK)
    return pager


def read_topic_as_shown(topic: str) -> str:
    """Return what `appliance help TOPIC` prints when it is not on a terminal."""
    out, sys.stdout = sys.stdout, io.StringIO()
    try:
        main(["help", topic])
        return sys.stdout.getvalue()
    finally:
        sys.stdout = out
