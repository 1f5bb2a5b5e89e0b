"""`appliance watch`: on a terminal, in a pipe, with and without a daemon."""

import subprocess
import sys

import pytest

from appliance.control.server import ControlServer
from appliance.system.paths import find_control_socket
from support.control import OBSERVATION
from support.paths import CHILD_ENVIRONMENT
from support.terminal import run_on_terminal

WATCH = [sys.executable, "-m", "appliance", "watch"]


@pytest.fixture
def environ(tmp_path, monkeypatch):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))
    return {**CHILD_ENVIRONMENT, "APPLIANCE_STATE_DIR": str(tmp_path / "state")}


@pytest.fixture
def daemon(environ):
    path = find_control_socket()
    path.parent.mkdir(parents=True)
    with ControlServer(path, lambda _: OBSERVATION | {"settings": None}) as server:
        yield server


@pytest.mark.parametrize("columns", [40, 80])
def test_running_daemon_is_shown_on_a_terminal(daemon, environ, columns):
    ran = run_on_terminal(WATCH, columns, environ, interrupt_at="0.25")
    assert ran.status == 0
    assert any(row.startswith("* roses") and row.endswith("0.93") for row in ran.rows)
    assert max(map(len, ran.rows)) < columns
    assert ran.most_rows <= 6, "each picture of it replaces the previous one"


def test_lines_go_to_a_pipe(daemon, environ):
    with subprocess.Popen(WATCH, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "2026-05-04T10:20:30.123Z  roses 0.93, daisy 0.25\n"
        process.send_signal(2)
        assert process.wait(20) == 0


def test_camera_and_model_run_here_without_a_daemon(environ, tmp_path):
    (tmp_path / "a.toml").write_text('[camera]\nsource = "scene"\nfps = 10\n')
    ran = run_on_terminal([*WATCH, "--config", str(tmp_path / "a.toml")], 80, environ, interrupt_at="labeled in")
    assert ran.status == 0
    assert "scene" in ran.rows[0] and "streaming" in ran.rows[0]
    assert "flowers" in ran.rows[1]


def test_absent_camera_is_shown_with_its_reason(environ, tmp_path):
    (tmp_path / "a.toml").write_text('[camera]\nsource = "/nowhere.mp4"\n')
    words = [*WATCH, "--local", "--config", str(tmp_path / "a.toml")]
    ran = run_on_terminal(words, 80, environ, interrupt_at="(absent)")
    assert ran.status == 0
    assert "/nowhere.mp4" in ran.raw
