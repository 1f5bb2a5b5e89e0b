"""Run programs on the real picamera2 with a virtual camera, each in a separate process.

picamera2 and libcamera are installed in a second environment, which scripts/install-test-tools creates.
"""

import contextlib
import os
import queue
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from appliance.imaging.files import encode_jpeg
from support.paths import ROOT

PYTHON = ROOT / ".venv-camera/bin/python"
RUNNER = (
    Path(os.environ.get("APPLIANCE_TEST_DATA", ROOT / "../shared")).resolve()
    / "tools/virtual-camera/with-virtual-camera"
)


def missing_reason() -> str | None:
    """Return why there is no virtual camera on this machine, or None."""
    if not RUNNER.exists():
        return f"there is no {RUNNER} (APPLIANCE_TEST_DATA names the folder)"
    if not PYTHON.exists() or not Path("/opt/lc/dma_heap_memfd.so").exists():
        return "the virtual camera is not installed: scripts/install-test-tools, as root"
    return None


class Program:
    """A Python program under the virtual camera, whose output lines are read one by one."""

    def __init__(self, code: str, folder: Path, **environment: str):
        if reason := missing_reason():
            pytest.skip(reason)
        self.stall_file = folder / "stall"
        self.errors = folder / "stderr"
        environment = {
            **os.environ,
            "LIBCAMERA_VIRTUAL_STALL_FILE": str(self.stall_file),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            **environment,
        }
        with self.errors.open("w") as errors:
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(
                [RUNNER, PYTHON, "-c", code], stdin=pipe, stdout=pipe, stderr=errors, text=True, env=environment
            )
        assert self._process.stdin and self._process.stdout
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with self._stdout:
            for line in self._stdout:
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def line(self, start: str = "", within_s: float = 20) -> str:
        """Return the next line that begins with `start`; skip the lines before it."""
        deadline_s = time.monotonic() + within_s
        seen = []
        while True:
            line: str | None = None
            with contextlib.suppress(queue.Empty):
                line = self._lines.get(timeout=max(0, deadline_s - time.monotonic()))
            if line is None:
                pytest.fail(f"no line {start!r} within {within_s} s; seen: {seen}\n{self.errors.read_text()}")
            if line.startswith(start):
                return line
            seen.append(line)

    def send(self, line: str = "") -> None:
        """Write a line to the program's standard input."""
        self._stdin.write(line + "\n")
        self._stdin.flush()

    def rest(self, within_s: float = 20) -> list[str]:
        """Return all further lines up to the program's end; fail unless its exit status is 0."""
        self._stdin.close()
        status = self._process.wait(within_s)
        lines = []
        while (line := self._lines.get(timeout=5)) is not None:
            lines.append(line)
        assert status == 0, f"exit status {status}\n{lines}\n{self.errors.read_text()}"
        return lines

    def end(self) -> None:
        """Kill the program."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()


def picture(folder: Path, *stripes: tuple[int, int, int]) -> str:
    """Create a folder with one picture of vertical stripes in these RGB colors, and return its path."""
    pixels = np.zeros((720, 1280, 3), np.uint8)
    width = 1280 // len(stripes)
    for index, color in enumerate(stripes):
        pixels[:, index * width :] = color
    frames = folder / "frames"
    frames.mkdir()
    (frames / "0.jpg").write_bytes(encode_jpeg(pixels, 95))
    return str(frames)
