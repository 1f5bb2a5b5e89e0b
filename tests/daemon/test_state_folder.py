"""The folders of the daemon when they cannot be written."""

import os
from pathlib import Path

import pytest

from appliance.daemon import state_folder
from appliance.daemon.state_folder import open_runtime_folder, open_state_folder
from appliance.errors import StatePathError


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
