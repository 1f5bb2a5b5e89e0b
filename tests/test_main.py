"""The entry point: `python -m appliance` and the `appliance` command."""

import subprocess
import sys

import pytest

from appliance import __version__
from appliance.__main__ import main
from support.daemon import run_command
from support.paths import CHILD_ENVIRONMENT


def test_arguments_are_those_of_the_process(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["appliance", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert __version__ in capsys.readouterr().out


def test_exit_status_is_that_of_the_command():
    assert run_command().returncode == 2
    done = run_command("label", "gone.jpg", "--model", "gone.zip")
    assert done.returncode == 1
    assert "gone.zip" in done.stderr


def test_closed_standard_output_ends_quietly():
    """As for `appliance help mqtt | head -1`."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "appliance", "help", "mqtt"],
        env={**CHILD_ENVIRONMENT, "PAGER": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 1
    assert err == b""
