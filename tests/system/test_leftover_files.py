"""Test which files of killed processes are removed."""

import subprocess
import sys
import tempfile

from appliance.system.leftover_files import make_folder_prefix, remove_leftovers


def test_files_of_killed_processes_are_removed(tmp_path, monkeypatch):
    state, temporary = tmp_path / "state", tmp_path / "tmp"
    state.mkdir()
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    for name in (".update.json.abcd1234", ".overrides.json.x_y", "update.json", ".lock", "outbox.sqlite3"):
        (state / name).write_text("{}")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for name in (
        "appliance-bundle-abcd1234",
        f"appliance-bundle-{ended.pid}-abcd1234",
        f"appliance-probe-{ended.pid}-x",
    ):
        (temporary / name).mkdir()
        (temporary / name / "model.tflite").write_text("x")
    used = tempfile.mkdtemp(prefix=make_folder_prefix("bundle"))
    (temporary / "appliance-bundle-other.txt").write_text("x")
    (temporary / "another").mkdir()
    remove_leftovers(state)
    assert {path.name for path in state.iterdir()} == {"update.json", ".lock", "outbox.sqlite3"}
    assert {str(path) for path in temporary.iterdir()} == {
        used, str(temporary / "appliance-bundle-other.txt"), str(temporary / "another")
    }  # fmt: skip


def test_missing_folder_is_no_error(tmp_path):
    remove_leftovers(tmp_path / "missing")
