"""The command line as people type it: help everywhere, with an example, and the common options in each place."""

import pytest

from appliance.cli import COMMANDS, main
from appliance.control.server import ControlServer
from appliance.system.paths import control_socket
from support.paths import ROOT

ACTIONS = {
    "model": ("show", "list", "install", "rollback", "check"),
    "dataset": ("check", "pack"),
    "publish": ("init", "push", "promote", "rollback", "refresh", "rotate", "status", "check"),
}
EVERY = [(command,) for command in COMMANDS] + [(command, action) for command in ACTIONS for action in ACTIONS[command]]


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_each_help_has_an_example_and_says_that_it_can_say_more(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "example" in said
        and said.count(f"appliance {' '.join(words)} ") + said.endswith(f"appliance {' '.join(words)}") >= 2
    )
    assert "--verbose" in said


@pytest.mark.parametrize(
    "words", [("-v", "model", "list"), ("model", "-v", "list"), ("model", "list", "-v")], ids=" ".join
)
def test_more_is_said_wherever_it_is_asked_for(words, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))
    assert main([*words]) == 0
    assert "made" in capsys.readouterr().err


def test_no_command_or_a_wrong_one_is_wrong_usage(capsys):
    assert main([]) == 2
    assert "example: appliance label picture.jpg" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["lable"])
    assert ended.value.code == 2


def test_nobody_is_sent_to_a_package_index_for_this_program():
    """It is on none: what `pip install camera-appliance` finds one day may be anybody's."""
    texts = [ROOT / "README.md", *(ROOT / "appliance").rglob("*.py")]
    assert [path for path in texts if "camera-appliance[" in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize(
    ("taken", "says"),
    [
        (
            True,
            "2.0 is newer: the running daemon takes it; its log says each step, and what came of it: appliance model list",
        ),
        (
            False,
            "2.0 is newer and waits to be installed (update.install is ask): send latest to the device's topic model/install",
        ),
    ],
)
def test_what_comes_of_a_newer_model_is_said_without_abbreviations(taken, says, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path))
    control_socket().parent.mkdir(exist_ok=True)
    with ControlServer(
        control_socket(), lambda _: {"offered": "2.0", "taken": taken, "current": False, "reason": None}
    ):
        assert main(["model", "check"]) == 0
    assert says in capsys.readouterr().out
