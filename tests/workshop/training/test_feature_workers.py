"""The number and kind of workers does not change the features, and no worker outlives its parent."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from appliance.system.shipped import find_shipped
from appliance.workshop.training import feature_workers
from appliance.workshop.training.feature_workers import compute_features
from support.broker import wait_until
from support.paths import CHILD_ENVIRONMENT
from support.training import open_pictures

# Ends when its workers exist, which need a second to start: until then, the pipe holds a part of the first task.
KILLED = """
import os, signal, sys, threading
from pathlib import Path
from appliance.workshop.training import feature_workers
from appliance.workshop.training.base import open_base
from support.training import open_pictures

def find_workers():
    children = Path(f"/proc/{os.getpid()}/task/{threading.main_thread().native_id}/children").read_text().split()
    return [child for child in children if b"popen_loky" in Path("/proc", child, "cmdline").read_bytes()]

def kill():
    while len(workers := find_workers()) < 2:
        pass
    print(*workers, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

feature_workers.MIN_FOR_PROCESSES = 0
examples = open_pictures(Path(sys.argv[2]), red=40)
base = open_base(sys.argv[1])
threading.Thread(target=kill).start()
list(feature_workers.compute_features(base, enumerate(examples), 40, 2))
"""


def compute(base, examples, workers):
    found = dict(compute_features(base, iter(list(enumerate(examples))), len(examples), workers))
    return np.stack([found[index] for index in range(len(examples))])


def test_threads_give_the_same_bytes(opened_base, tmp_path):
    examples = open_pictures(tmp_path / "all", red=20, green=20)
    assert compute(opened_base, examples, 3).tobytes() == compute(opened_base, examples, 1).tobytes()


@pytest.mark.slow
def test_processes_give_the_same_bytes(opened_base, tmp_path, monkeypatch):
    examples = open_pictures(tmp_path / "all", red=20, green=20)
    expected = compute(opened_base, examples, 1)
    monkeypatch.setattr(feature_workers, "MIN_FOR_PROCESSES", 0)
    assert compute(opened_base, examples, 2).tobytes() == expected.tobytes()


@pytest.mark.slow
def test_workers_end_when_their_parent_is_killed(tmp_path):
    """Otherwise a device that trains would keep their memory, and wait for the end of their output for good."""
    command = [sys.executable, "-c", KILLED, find_shipped("general"), tmp_path / "all"]
    ended = subprocess.run(command, env=CHILD_ENVIRONMENT, timeout=60, check=False, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    workers = ended.stdout.split()
    assert len(workers) >= 2
    wait_until(lambda: not any(Path("/proc", worker).exists() for worker in workers), "every worker has ended")


def test_picture_that_cannot_be_read_has_a_reason(opened_base, tmp_path, monkeypatch):
    examples = open_pictures(tmp_path / "all", red=3)
    path = sorted((tmp_path / "all" / "red").iterdir())[1]
    path.write_bytes(path.read_bytes()[:60])
    found = dict(compute_features(opened_base, enumerate(examples), 3, 1))
    assert path.name in found[1] and isinstance(found[0], np.ndarray)
