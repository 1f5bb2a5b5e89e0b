"""The daemon as users start it: a separate process with a settings file, a state folder and a log."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.broker import Broker, wait_until
from support.paths import ROOT


class Daemon:
    """`appliance run` with its own state folder; started at once, killed at the end of the `with`."""

    def __init__(
        self,
        folder: Path,
        settings: str,
        environ: Mapping[str, str] = {},
        python: tuple[str | Path, ...] = (sys.executable,),
        options: tuple[str, ...] = (),
        root: Path = ROOT,
    ):
        """Write the settings file and start the daemon.

        Args:
            folder: The folder for the settings and the state.
            settings: The text of the settings file.
            environ: Variables to add to the environment of the tests.
            python: The interpreter, or the command that runs it.
            options: More options of `appliance run`.
            root: The folder of the program.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.state = folder / "state"
        self._config = folder / "appliance.toml"
        self._config.write_text(settings)
        self._environ = {**clean_environment(), "APPLIANCE_STATE_DIR": str(self.state), **environ}
        self._command = [*map(str, python), "-m", "appliance", "run", *options]
        self._root = root
        self.lines: list[str] = []
        self.start()

    def __enter__(self) -> "Daemon":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start the daemon with the state that an earlier process left."""
        self.process = subprocess.Popen(
            [*self._command, "--config", str(self._config)],
            cwd=self._root, env=self._environ, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()

    def stop(self) -> int:
        """Stop the daemon in an orderly way; return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """Kill the daemon with SIGKILL."""
        if self.process.poll() is None:
            self.process.kill()
        self.wait()

    def wait(self, deadline_s: float = 30) -> int:
        """Wait until the daemon ends; return the exit status."""
        status = self.process.wait(deadline_s)
        self._reader.join(deadline_s)
        return status

    def wait_for_log(self, text: str, count: int = 1) -> None:
        """Wait until `count` lines of the log contain `text`."""
        wait_until(lambda: self.count_lines(text) >= count, f"{text!r} in the log: {self.log}")

    def count_lines(self, text: str) -> int:
        """Return how many lines of the log contain `text`."""
        return sum(text in line for line in list(self.lines))

    @property
    def log(self) -> str:
        """The whole log."""
        return "".join(self.lines)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command of the same program with the same state."""
        return run_command(*arguments, environ=self._environ)

    def _read(self, process: subprocess.Popen[str]) -> None:
        with process.stderr:
            for line in process.stderr:
                self.lines.append(line)


def run_command(*arguments: str, environ: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
    """Run `appliance ARGUMENTS`."""
    return subprocess.run(
        [sys.executable, "-m", "appliance", *arguments],
        cwd=ROOT, env={**clean_environment(), **environ}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def clean_environment() -> dict[str, str]:
    """Return the environment without variables that would influence the program."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("APPLIANCE_", "XDG_", "NOTIFY_", "WATCHDOG_"))
    }


def settings(broker: Broker | None, source: object, *, model: object = "", fps: float = 10, more: str = "") -> str:
    """Return a settings file for the device `t` with short events; `more` is TOML to append."""
    return f"""
[device]
id = "t"
[camera]
source = "{source}"
fps = {fps}
[labeler]
model = "{model}"
[events]
start_frames = 2
end_after_s = 0.3
cooldown_s = 0
[mqtt]
host = "127.0.0.1"
port = {broker.port if broker else 1}
{more}
"""


def payloads(messages: list[bytes]) -> list[dict[str, Any]]:
    """Parse JSON payloads."""
    return [json.loads(message) for message in messages]
