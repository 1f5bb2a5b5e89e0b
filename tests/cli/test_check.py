"""Test `appliance check`: one line or JSON entry for each part, and the exit status."""

import json
import sys
from pathlib import Path

import pytest

from appliance.cli import main
from appliance.control.server import ControlServer
from appliance.settings.fingerprint import hash_settings
from appliance.settings.load import load_settings
from appliance.system.paths import find_control_socket
from support.daemon import settings
from support.paths import CHILD_ENVIRONMENT, SHARED
from support.terminal import run_on_terminal

PARTS = ["settings", "camera", "model", "broker", "update source", "disk", "clock"]
CAMERA = {"state": "streaming", "reason": None, "description": "a test camera", "last_frame_age_s": 0.5}
DAEMON = {
    "version": "1.0", "device": "t", "settings": None, "camera": CAMERA, "labels": [],
    "model": {"name": "flowers", "version": "2.0", "sha256": "ab"}, "runtime": "a runtime", "labeling_trouble": None,
}  # fmt: skip


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))
    file = tmp_path / "appliance.toml"
    file.write_text(settings(None, "scene"))
    return str(file)


@pytest.fixture
def make_daemon(config):
    """Return a function that serves as a daemon with the given state of the broker."""

    def make(connected):
        broker = {"connected": connected, "trouble": None if connected else "the broker is away"}
        path = find_control_socket()
        path.parent.mkdir(parents=True)
        hashes = {"setting_hashes": hash_settings(load_settings(Path(config)))}
        return ControlServer(path, lambda request: DAEMON | hashes | {"broker": broker})

    return make


def test_json_has_an_entry_for_each_part(config, capsys):
    assert main(["check", "--config", config, "--json"]) == 1  # there is no broker
    value = json.loads(capsys.readouterr().out)
    assert [entry["part"] for entry in value] == PARTS
    assert all(set(entry) == {"part", "ok", "says"} for entry in value)
    assert [entry["part"] for entry in value if not entry["ok"]] == ["broker"]


def test_each_line_begins_with_its_state(config, capsys):
    assert main(["check", "--config", config]) == 1
    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if line.startswith(("ok ", "NOT OK "))]
    assert lines == out.splitlines()
    assert [line.startswith("NOT OK") for line in lines] == [part == "broker" for part in PARTS]


def test_running_daemon_with_a_fault_exits_1(config, make_daemon, capsys):
    with make_daemon(connected=False):
        assert main(["check", "--config", config, "--json"]) == 1
    entries = {entry["part"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert entries["camera"]["ok"]
    assert "the broker is away" in entries["broker"]["says"]


@pytest.mark.parametrize("text", ['[camera]\nsorce = "scene"\n', "[camera\n", '[mqtt]\nport = "x"\n'])
def test_wrong_settings_exit_78_with_file_and_line(text, config, tmp_path, capsys):
    (tmp_path / "wrong.toml").write_text(text)
    assert main(["check", "--config", str(tmp_path / "wrong.toml"), "--json"]) == 78
    out, err = capsys.readouterr()
    assert "wrong.toml" in json.loads(out)["error"]
    assert "wrong.toml" in err
    assert err.count("\n") == 1


def test_file_with_other_settings_is_checked_beside_a_running_daemon(config, make_daemon, capsys):
    path = SHARED / "faults/settings/check-new-settings.toml"
    if not path.exists():
        pytest.skip(f"{path} is missing")
    with make_daemon(connected=True):
        assert main(["check", "--config", str(path), "--json"]) == 1
    entries = {entry["part"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert entries["daemon"]["ok"]
    assert [part for part in ("camera", "model", "broker") if entries[part]["ok"]] == []
    assert "/dev/video9" in entries["camera"]["says"]
    assert "/nowhere.zip" in entries["model"]["says"]
    assert "no-such-broker" in entries["broker"]["says"]


def test_lines_are_wrapped_beside_the_part_on_a_terminal(config):
    ran = run_on_terminal([sys.executable, "-m", "appliance", "check", "--config", config], 60, CHILD_ENVIRONMENT)
    assert ran.status == 1
    assert max(map(len, ran.rows)) <= 60
    starts = [row for row in ran.rows if row.startswith(("ok ", "NOT OK "))]
    assert [row[8:21].strip() for row in starts] == PARTS
    assert all(row.startswith(" " * 22) for row in ran.rows if row and row not in starts)
