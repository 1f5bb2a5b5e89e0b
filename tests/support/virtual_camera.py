"""Runs programs on the real picamera2 with a camera made of software, each in a process of its own.

picamera2 and libcamera live in an environment beside the project's own one; scripts/install-test-tools makes it.
"""

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


def missing() -> str | None:
    """Why there is no virtual camera here, or None."""
    if not RUNNER.exists():
        return f"there is no {RUNNER} (APPLIANCE_TEST_DATA names the folder)"
    if not PYTHON.exists() or not Path("/opt/lc/dma_heap_memfd.so").exists():
        return "the virtual camera is not installed: scripts/install-test-tools, as root"
    return None


class Program:
    """A Python program under the virtual camera, whose lines are read one by one."""

    def __init__(self, code: str, folder: Path, **environment: str):
        if reason := missing():
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
        with open(self.errors, "w") as errors:
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(
                [RUNNER, PYTHON, "-c", code], stdin=pipe, stdout=pipe, stderr=errors, text=True, env=environment
            )
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def line(self, start: str = "", within_s: float = 20) -> str:
        """The next line that begins with `start`; those before it are passed over."""
        deadline_s = time.monotonic() + within_s
        seen = []
        while True:
            try:
                line = self._lines.get(timeout=max(0, deadline_s - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                pytest.fail(f"no line {start!r} within {within_s} s; seen: {seen}\n{self.errors.read_text()}")
            if line.startswith(start):
                return line
            seen.append(line)

    def tell(self, line: str = "") -> None:
        """Gives it a line to read."""
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def rest(self, within_s: float = 20) -> list[str]:
        """All further lines, up to its end, which must be a good one."""
        self._process.stdin.close()
        status = self._process.wait(within_s)
        lines = []
        while (line := self._lines.get(timeout=5)) is not None:
            lines.append(line)
        assert status == 0, f"exit status {status}\n{lines}\n{self.errors.read_text()}"
        return lines

    def end(self) -> None:
        """Ends it, wherever it is."""
        self._process.kill()
        self._process.wait()


def picture(folder: Path, *stripes: tuple[int, int, int]) -> str:
    """A folder with one picture for the virtual camera: vertical stripes of these colours (red, green, blue)."""
    pixels = np.zeros((720, 1280, 3), np.uint8)
    width = 1280 // len(stripes)
    for place, color in enumerate(stripes):
        pixels[:, place * width :] = color
    frames = folder / "frames"
    frames.mkdir()
    (frames / "0.jpg").write_bytes(encode_jpeg(pixels, 95))
    return str(frames)
