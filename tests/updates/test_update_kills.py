"""kill -9 before every change on disk of an update: a model that works is always there, and the update comes to its end."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import killed_runs
import made_models
import pytest
from bundle_helpers import bundle_folder
from machine_helpers import Rig, publish
from model_server import ModelServer

ENDS = {"good": "colours 2.0", "broken": "colours 1.0", "fails": "colours 1.0"}


@pytest.fixture
def folder(tmp_path):
    """In memory where that can be had: a kill -9 does not care for the disk, and a disk would be waited for."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as made:
        yield Path(made)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ENDS)
def test_killed_at_every_change_the_update_ends_well(folder, scenario):
    installed = bundle_folder(folder / "v1", version="1.0", model=made_models.good(1))
    Rig(folder / "before", None, installed=installed)
    with ModelServer() as server:
        model = made_models.not_numbers() if scenario == "broken" else made_models.good(2)
        publish(server, folder / "v2", version="2.0", model=model)
        run = subprocess.run(
            [sys.executable, killed_runs.__file__, scenario, folder, server.url("/manifest.json")],
            capture_output=True, text=True, timeout=570,
        )  # fmt: skip
    lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    table = list(zip(lines[0::4], lines[1::4], lines[2::4], lines[3::4], strict=True))
    assert len(table) > 20, run.stderr[-2000:]
    assert any("probing" in killed["told"] for killed, *_ in table)
    last = killed_runs.LAST[scenario]
    for killed, between, again, after in table:
        where = f"killed at change {killed['number']} of {len(table)}, after {killed['told']}"
        assert killed["ended"] == -signal.SIGKILL, where
        assert between["runs"] in ("colours 1.0", "colours 2.0"), where
        assert between["runs"] == "colours 1.0" or "probing" in killed["told"], where
        assert again["ended"] == 0, f"{where}: {run.stderr[-2000:]}"
        assert last in again["told"], f"{where}: {again['told']}"
        assert (after["runs"], after["probation"]) == (ENDS[scenario], False), where
        assert bool(after["refused"]) == (scenario != "good"), where


