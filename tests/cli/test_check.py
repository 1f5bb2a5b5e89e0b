"""Test `appliance check`: one line or JSON entry for each part, and the exit status."""

import json

import pytest

from appliance.cli import main
from appliance.control.server import ControlServer
from appliance.system.paths import find_control_socket
from support.daemon import settings

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
        return ControlServer(path, lambda request: DAEMON | {"broker": broker})

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
