"""The folders of the daemon when they cannot be written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.daemon import state_folder
from appliance.daemon.state_folder import open_runtime_folder, open_state_folder
from appliance.errors import StatePathError
from support.paths import CHILD_ENVIRONMENT, ROOT


def test_writable_folder_is_used_without_a_word(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))
    assert open_state_folder() == state_folder.StateFolder(tmp_path / "state")
    assert (tmp_path / "state").is_dir()
    assert caplog.text == ""


def test_folder_that_cannot_be_made_is_reported_and_the_daemon_goes_on(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "file/state"))
    found = open_state_folder()
    assert found.path == tmp_path / "file/state"
    assert "works from memory" in found.error
    assert found.error in caplog.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another account")
def test_member_of_the_group_runs_no_daemon_in_the_services_folder(open_folder):
    folder = open_folder / "state"
    folder.mkdir()
    folder.chmod(0o750)
    os.chown(folder, 12345, 65534)
    # The interpreter may be in a folder that only root can read.
    program = (
        "import os; from appliance.daemon.state_folder import open_state_folder;"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534); open_state_folder()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True,
        env=CHILD_ENVIRONMENT | {"APPLIANCE_STATE_DIR": str(folder)},
    )  # fmt: skip
    assert "belongs to the account 12345" in done.stderr and "sudo systemctl start appliance" in done.stderr


def test_runtime_folder_falls_back_to_a_temporary_one(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "file/run"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = open_runtime_folder()
    assert folder.parent == tmp_path and os.access(folder, os.W_OK)
    assert "other commands do not find it" in caplog.text
    monkeypatch.setattr("tempfile.tempdir", str(Path(tmp_path, "missing")))
    with pytest.raises(StatePathError):
        open_runtime_folder()
