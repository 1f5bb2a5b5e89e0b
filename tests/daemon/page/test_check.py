"""The lines of the check for the page."""

import json
import subprocess

import pytest

from appliance.daemon.page.check import check_by_command, check_by_status
from appliance.errors import ControlError

STATUS = {
    "problems": [{"part": "broker", "message": "no broker"}],
    "model": {"name": "flowers", "version": "1"},
    "camera": {"description": "scene", "state": "streaming"},
}


def test_lines_of_the_command_are_cleaned():
    lines = check_by_command(lambda *_: json.dumps([{"part": "camera", "ok": True, "says": "a\x1b[31m\nb"}]))
    assert lines[0]["ok"] is True and "\x1b" not in lines[0]["says"] and "\n" not in lines[0]["says"]


def fail(error):
    def run(*_):
        raise error

    return run


@pytest.mark.parametrize(
    ("run", "part"),
    [
        (fail(subprocess.TimeoutExpired("x", 1)), "90 s"),
        (fail(OSError("no")), "appliance check"),
        (lambda *_: "no json", "appliance check"),
        (lambda *_: '{"error": "bad settings"}', "bad settings"),
    ],
)
def test_failed_check_is_one_sentence(run, part):
    with pytest.raises(ControlError, match=part):
        check_by_command(run)


def test_parts_report_themselves_without_a_settings_file():
    lines = {line["part"]: line for line in check_by_status(STATUS)}
    assert lines["broker"] == {"part": "broker", "ok": False, "says": "no broker"} and lines["camera"]["ok"]
