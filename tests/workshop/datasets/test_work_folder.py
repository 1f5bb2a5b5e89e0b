"""Folders of unfinished results: leftovers are removed, those in use are not."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.workshop.datasets.work_folder import create_work_folder

CODE = (
    "import pathlib, sys, time; from appliance.workshop.datasets.work_folder import create_work_folder\n"
    "with create_work_folder(pathlib.Path(sys.argv[1])) as work:\n"
    "    (work / 'part').write_text('x'); print(work, flush=True); time.sleep(60)"
)


@pytest.fixture
def other(tmp_path):
    """Another process that works on the same result, and its folder."""
    process = subprocess.Popen([sys.executable, "-c", CODE, str(tmp_path / "out")], stdout=subprocess.PIPE, text=True)
    yield process, Path(process.stdout.readline().strip())
    process.kill()
    process.wait()
    process.stdout.close()


def test_folder_is_removed_at_the_end(tmp_path):
    with create_work_folder(tmp_path / "new" / "out") as work:
        (work / "file").write_text("x")
    assert not list((tmp_path / "new").iterdir())
    with pytest.raises(ZeroDivisionError), create_work_folder(tmp_path / "out"):
        _ = 1 / 0
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_leftover_of_a_killed_run_is_removed_and_a_running_one_stays(other, tmp_path):
    process, folder = other
    (tmp_path / ".out.backup").mkdir()
    with create_work_folder(tmp_path / "out"):
        assert folder.exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert folder.exists()
    with create_work_folder(tmp_path / "out"):
        assert not folder.exists()
    assert [path.name for path in tmp_path.iterdir()] == [".out.backup"]
