"""Test the command line: help with an example everywhere, common options at every level, exit statuses."""

import errno
import json

import pytest

from appliance.cli import COMMANDS, main
from appliance.cli.exit_status import ExitStatus
from support.paths import ROOT

ACTIONS = {
    "model": ("show", "list", "install", "rollback", "check"),
    "dataset": ("check", "pack"),
    "publish": ("init", "push", "promote", "rollback", "refresh", "rotate", "status", "check"),
}
EVERY = [(command,) for command in COMMANDS] + [(command, action) for command in ACTIONS for action in ACTIONS[command]]


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_help_has_an_example_and_common_options(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    command = f"appliance {' '.join(words)}"
    assert "example" in text
    assert text.count(f"{command} ") + text.endswith(command) >= 2
    assert "--verbose" in text


@pytest.mark.parametrize(
    "words", [("-v", "model", "list"), ("model", "-v", "list"), ("model", "list", "-v")], ids=" ".join
)
def test_verbose_is_accepted_at_every_level(words, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))
    assert main([*words]) == 0
    assert str(tmp_path / "state") in capsys.readouterr().err


def test_missing_or_unknown_command_is_wrong_usage(capsys):
    assert main([]) == 2
    assert "example: appliance label picture.jpg" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["lable"])
    assert ended.value.code == 2


def test_no_text_installs_this_program_from_an_index():
    """The program is on no index: `pip install camera-appliance` might one day install a stranger's package."""
    texts = [ROOT / "README.md", *(ROOT / "appliance").rglob("*.py")]
    assert [path for path in texts if "camera-appliance[" in path.read_text(encoding="utf-8")] == []


def test_exit_statuses_stay():
    assert {status.name: int(status) for status in ExitStatus} == {
        "DONE": 0, "FAILED": 1, "WRONG_USAGE": 2, "TOO_FEW": 3, "WRONG_SETTINGS": 78, "INTERRUPTED": 130,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["check", "--config", "gone.toml"], 78, "gone.toml"),
        (["demo", "--seconds", "-1"], 2, "--seconds"),
        (["label", "gone.jpg", "--model", "gone.zip"], 1, "gone.zip"),
    ],
)
def test_errors_become_one_line_and_a_status(words, status, text, capsys):
    assert main(words) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("appliance: ")
    assert text in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["check", "--config", "gone.toml"], 78, "gone.toml"),
        (["label", "gone.jpg", "--model", "gone.zip"], 1, "gone.zip"),
        (["evaluate", "gone.zip", "gone"], 1, "gone.zip"),
        (["bench", "--model", "gone.zip"], 1, "gone.zip"),
    ],
)
def test_failure_with_json_is_an_object_with_the_error(words, status, text, capsys):
    assert main([*words, "--json"]) == status
    out, err = capsys.readouterr()
    assert set(value := json.loads(out)) == {"error"}
    assert text in value["error"] and text in err


@pytest.mark.parametrize(
    "words", [["label", "--json"], ["model", "lst", "--json"], ["--json"], ["bench", "--json", "x"]]
)
def test_wrong_usage_with_json_is_an_object_with_the_error(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["error"] in err
    assert "usage: appliance" in err


def test_unexpected_error_with_json_is_an_object_too(monkeypatch, capsys):
    monkeypatch.setattr("appliance.bundle.bundle.read_bundle", lambda _: 1 / 0)
    assert main(["bench", "--model", "x", "--json"]) == 1
    assert "ZeroDivisionError" in json.loads(capsys.readouterr().out)["error"]


LONG = "9" * 5000


@pytest.mark.parametrize(
    "words",
    [["label", LONG], ["snapshot", "--local", LONG], ["collect", "cup", "--count", LONG], ["model", "install", LONG]],
    ids=lambda words: words[0],
)
def test_name_or_number_that_is_too_long_is_one_sentence(words, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("APPLIANCE_CAMERA__SOURCE", "scene")
    try:
        status = main(words)
    except SystemExit as ended:
        status = ended.code
    error = capsys.readouterr().err
    assert status in (1, 2) and "Traceback" not in error
    assert "File name too long" in error or "does not exist" in error or "a number from 1 to" in error


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (OSError(errno.ENAMETOOLONG, "File name too long", LONG), "shorter"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "sudo"),
        (OSError(errno.EIO, "Input/output error"), "dmesg"),
        (OSError(errno.EBUSY, "Device or resource busy", b"\xff\x1b[31m"), "-v"),
    ],
)
def test_failing_file_is_one_sentence_with_a_remedy(error, remedy, monkeypatch, capsys):
    def fail(_):
        raise error

    monkeypatch.setattr("appliance.bundle.bundle.read_bundle", fail)
    assert main(["bench", "--model", "x", "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["error"] in err and remedy in err and len(err) < 300 and "\x1b" not in err
