"""A stand-in for this program, which the daemon starts as its child."""

import json
import sys
from pathlib import Path

import pytest

from appliance.daemon.teaching import child

FAKE = Path(__file__).parents[2] / "support" / "fake_program.py"


class Program:
    """What the children of the daemon answer; `calls` are the arguments that they got."""

    def __init__(self, folder):
        self.folder = folder

    def answer(self, command, value=None, *, errors="", waits=False, status=0):
        """Set what a command prints."""
        if value is not None:
            (self.folder / f"{command}.json").write_text(value if isinstance(value, str) else json.dumps(value))
        (self.folder / f"{command}.err").write_text(errors)
        (self.folder / f"{command}.status").write_text(str(status))
        if waits:
            (self.folder / f"{command}.wait").touch()

    @property
    def calls(self):
        """The commands that were run, with their arguments."""
        log = self.folder / "log"
        return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def program(tmp_path, monkeypatch):
    folder = tmp_path / "program"
    folder.mkdir()
    monkeypatch.setattr(child, "PROGRAM", [sys.executable, str(FAKE), str(folder)])
    return Program(folder)
