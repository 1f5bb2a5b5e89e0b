"""The two forms of the log."""

import json
import logging
import sys

import pytest

from appliance.system.logs import configure_logging


@pytest.fixture(autouse=True)
def own_logging():
    root, ours = logging.getLogger(), logging.getLogger("appliance")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], level, own_level = before
    root.setLevel(level)
    ours.setLevel(own_level)


def test_json_has_one_object_per_record(capsys):
    configure_logging("info", "json")
    logging.getLogger("appliance.camera").warning("lens %s", "über")
    try:
        raise KeyError("x")
    except KeyError:
        logging.getLogger("appliance.camera").exception("failed")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert set(first) == {"time", "level", "logger", "message"}
    assert (first["level"], first["logger"], first["message"]) == ("warning", "appliance.camera", "lens über")
    assert first["time"].endswith("Z") and "T" in first["time"]
    assert "KeyError" in second["exception"]


@pytest.mark.parametrize(("journal", "pattern"), [(True, "warning: lens"), (False, "warning: lens")])
def test_text_leaves_the_time_to_the_journal(capsys, monkeypatch, journal, pattern):
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    if journal:
        monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    configure_logging()
    logging.getLogger("appliance").warning("lens")
    line = capsys.readouterr().err.rstrip()
    assert line.endswith(pattern)
    assert (line == pattern) == journal


def test_info_has_no_prefix(capsys, monkeypatch):
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    configure_logging()
    logging.getLogger("appliance").info("labeling")
    assert capsys.readouterr().err == "labeling\n"


def test_level_can_be_changed_and_libraries_only_warn(capsys):
    configure_logging("debug")
    configure_logging("error")
    logging.getLogger("appliance").warning("ours")
    logging.getLogger("library").info("theirs")
    logging.getLogger("library").warning("their warning")
    err = capsys.readouterr().err
    assert "ours" not in err and "theirs" not in err and err.count("their warning") == 1
    assert logging.getLogger().handlers[0].stream is sys.stderr
