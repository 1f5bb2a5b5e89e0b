"""Test SIGKILL and power cuts at every change on disk of an update: a working model remains, the update completes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from support import killed_runs, made_models
from support.bundles import bundle_folder
from support.model_server import ModelServer
from support.paths import CHILD_ENVIRONMENT
from support.rig import Rig, publish

ENDS = {"good": "colours 2.0", "broken": "colours 1.0", "fails": "colours 1.0"}


@pytest.fixture
def folder(tmp_path):
    """Return a folder, in memory if possible, because a disk is slow.

    A kill does not depend on the disk, and the file systems whose power is cut are images in the folder.
    """
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as made:
        yield Path(made)


def table_of(command, scenario, folder):
    """Run it; return rows of the killed run, what a start finds, the next run, and what the next start finds."""
    installed = bundle_folder(folder / "v1", version="1.0", model=made_models.good(1))
    Rig(folder / "before", None, installed=installed)
    with ModelServer() as server:
        model = made_models.not_numbers() if scenario == "broken" else made_models.good(2)
        publish(server, folder / "v2", version="2.0", model=model)
        arguments = [scenario, folder, server.url("/manifest.json")]
        environ = {**CHILD_ENVIRONMENT, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
        run = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=570, env=environ)
    if "unshare failed" in run.stderr or "mount failed" in run.stderr or "failed to setup loop" in run.stderr:
        pytest.skip(f"no file system can be mounted here: {run.stderr.strip()[-200:]}")
    lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert run.returncode == 0 and len(lines) % 4 == 0, run.stderr[-3000:]
    if "cut" in command:  # all killed runs come first
        rows = len(lines) // 4
        return [(lines[row], *lines[rows + 3 * row : rows + 3 * row + 3]) for row in range(rows)]
    return list(zip(lines[0::4], lines[1::4], lines[2::4], lines[3::4], strict=True))


def judge(table, scenario):
    assert len(table) > 20
    assert any("probing" in killed["told"] for killed, *_ in table)
    for killed, between, again, after in table:
        where = (
            f"killed at change {killed['number']} of {len(table)}, after {killed['told']}: {between} {again} {after}"
        )
        assert killed["ended"] == -signal.SIGKILL, where
        assert between["runs"] in ("colours 1.0", "colours 2.0"), where
        assert between["runs"] == "colours 1.0" or "probing" in killed["told"], where
        assert again["ended"] == 0, where
        assert killed_runs.LAST[scenario] in again["told"], where
        assert (after["runs"], after["probation"]) == (ENDS[scenario], False), where
        assert bool(after["refused"]) == (scenario != "good"), where


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ENDS)
def test_killed_at_every_change_the_update_ends_well(folder, scenario):
    judge(table_of([sys.executable, killed_runs.__file__, "kill"], scenario, folder), scenario)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["good", "fails"])
def test_without_power_after_every_change_the_update_ends_well(folder, scenario):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    for tool in ("xfs_io", "mkfs.ext4", "unshare"):
        if not shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
            pytest.skip(f"{tool} is not installed (apt-get install xfsprogs e2fsprogs util-linux)")
    judge(table_of(["unshare", "-m", sys.executable, killed_runs.__file__, "cut"], scenario, folder), scenario)
