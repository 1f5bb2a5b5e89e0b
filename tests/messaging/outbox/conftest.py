"""Outboxes that are closed, and a small disk, for the tests of the outbox."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.messaging.outbox.outbox import Outbox
from support.outbox import WEEK_S


@pytest.fixture
def open_outbox() -> Iterator[Callable[..., Outbox]]:
    """Return a function that opens an outbox of a number of events; they are closed with the test."""
    opened: list[Outbox] = []

    def open_file(path: Path, max_events: int, max_age_s: float = WEEK_S, **options: Any) -> Outbox:
        opened.append(Outbox(path, max_events, max_age_s, **options))
        return opened[-1]

    yield open_file
    for outbox in opened:
        outbox.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB; needs root."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture
def make_read_only(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Make a folder read-only, as a worn SD card does; needs root."""
    if os.geteuid() != 0:
        pytest.skip("mounting a folder read-only needs root")
    mounted: list[Path] = []

    def mount(folder: Path) -> None:
        for options in (["--bind", str(folder)], ["-o", "remount,ro,bind"]):
            done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"a folder cannot be mounted read-only here: {done.stderr.strip()}")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=False)
