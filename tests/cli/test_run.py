"""Test `appliance run`: its settings, its log, and its exit status."""

import json

import pytest

from support.daemon import Daemon, run_command, settings
from support.tiny_models import RUNTIMES


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("fps = 10", "fsp = 10"), "did you mean camera.fps?"),
        (('model = ""', 'model = "/nowhere"'), "labeler.model: /nowhere"),
        (("[events]", 'allow = ["rosse"]\n[events]'), "'roses'"),
    ],
)
def test_wrong_settings_exit_with_78_and_one_message(tmp_path, change, sentence):
    path = tmp_path / "appliance.toml"
    path.write_text(settings(None, "scene").replace(*change))
    done = run_command("run", "--config", str(path), environ={"APPLIANCE_STATE_DIR": str(tmp_path)})
    assert done.returncode == 78, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(len(RUNTIMES) > 1, reason="both runtimes are installed")
def test_missing_runtime_exits_78_so_that_systemd_does_not_retry(tmp_path):
    missing = "litert" if "litert" not in RUNTIMES else "tflite-runtime"
    path = tmp_path / "appliance.toml"
    path.write_text(settings(None, "scene"))
    environ = {"APPLIANCE_STATE_DIR": str(tmp_path), "APPLIANCE_LABELER__RUNTIME": missing}
    done = run_command("run", "--config", str(path), environ=environ)
    assert done.returncode == 78, done.stderr
    assert f"labeler.runtime is {missing}" in done.stderr


def test_label_that_starts_and_ends_is_a_line_each(tmp_path):
    with Daemon(tmp_path / "d", settings(None, "scene")) as daemon:
        daemon.wait_for_log(" started (0.")
        assert daemon.stop() == 0
    assert daemon.count_lines(" ended after ") + daemon.count_lines(" ended (") >= 1
    assert daemon.count_lines("XNNPACK delegate") == 0


def test_settings_file_is_logged_and_sigterm_exits_0(tmp_path):
    with Daemon(tmp_path / "d", settings(None, "scene")) as daemon:
        daemon.wait_for_log("camera: streaming")
        assert daemon.stop() == 0
    assert daemon.count_lines(str(tmp_path / "d" / "appliance.toml")) == 1


def test_log_format_and_level_of_the_settings_apply(tmp_path):
    text = settings(None, "scene", more='[log]\nformat = "json"\nlevel = "debug"\n')
    with Daemon(tmp_path / "d", text) as daemon:
        daemon.wait_for_log("camera: streaming")
        assert daemon.stop() == 0
    entries = [json.loads(line) for line in daemon.lines if line.startswith("{")]
    assert any("appliance.toml" in str(entry.values()) for entry in entries)


def test_missing_settings_file_exits_78(tmp_path):
    done = run_command("run", "--config", str(tmp_path / "gone.toml"), environ={"APPLIANCE_STATE_DIR": str(tmp_path)})
    assert done.returncode == 78
    assert "gone.toml" in done.stderr
    assert done.stdout == ""
