"""The two forms of the log."""

import json
import logging
import sys
import time
from datetime import datetime

import pytest

from appliance.system.logs import configure_logging, is_json_log


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


@pytest.mark.parametrize(("zone", "offset"), [("UTC", "+00:00"), ("IST-5:30", "+05:30")])
def test_text_has_date_and_zone(capsys, monkeypatch, zone, offset):
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        configure_logging()
        logging.getLogger("appliance").warning("lens")
    finally:
        monkeypatch.undo()
        time.tzset()
    moment, text = capsys.readouterr().err.rstrip().split(" ", 1)
    assert text == "warning: lens"
    assert moment.endswith(offset)
    assert abs(datetime.fromisoformat(moment).timestamp() - time.time()) < 60


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


HOSTILE = "flow\n12:00:00 error: FAKE line\rMAINPID=1\u2028\x1b[2J\x9b31m\ud800\u202e" + "x" * 200_000


@pytest.mark.parametrize("form", ["text", "json"])
def test_foreign_text_stays_on_one_bounded_line(capsys, form):
    configure_logging("info", form)
    logging.getLogger("appliance").warning("the model %s was refused", HOSTILE)
    written = capsys.readouterr().err
    assert written.count("\n") == 1 and len(written.splitlines()) == 1 and len(written) < 10_000
    assert written.rstrip("\n").isprintable()
    written.encode()
    if form == "json":
        assert "FAKE line" in json.loads(written)["message"]


def test_traceback_cannot_forge_records(capsys):
    configure_logging()
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logging.getLogger("appliance").exception("failed")
    written = capsys.readouterr().err
    first, *others = written.splitlines()
    assert first.endswith("error: failed")
    assert others and all(line.startswith("    ") for line in others)
    assert "\x1b" not in written and "\x9b" not in written
    written.encode()


def test_records_with_traceback_and_stack_are_one_json_line(capsys):
    configure_logging("info", "json")
    logging.getLogger("appliance").warning("failed", exc_info=ValueError(HOSTILE), stack_info=True)
    entry = json.loads(capsys.readouterr().err)
    assert "\x1b" not in entry["exception"] and len(entry["exception"]) < 40_000


def test_log_form_is_known():
    configure_logging("info", "json")
    assert is_json_log()
    configure_logging("info", "text")
    assert not is_json_log()
