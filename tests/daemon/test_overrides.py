"""Test the file of values set over MQTT."""

import json

import pytest

from appliance.daemon.overrides import OverrideFile, Overrides


def test_file_of_an_earlier_release_is_read(tmp_path):
    (tmp_path / "remembered.json").write_text('{"threshold": 0.9, "running": false, "bundle_threshold": 0.7}')
    assert OverrideFile(tmp_path).values == Overrides(threshold=0.9, running=False, bundle_threshold=0.7)


def test_file_of_the_first_release_lacks_the_bundle_threshold(tmp_path):
    (tmp_path / "remembered.json").write_text('{"threshold": 0.9, "running": true}')
    assert OverrideFile(tmp_path).values == Overrides(threshold=0.9)


def test_keys_on_disk_stay(tmp_path):
    overrides = OverrideFile(tmp_path)
    overrides.set_threshold(0.4, bundle_threshold=0.6)
    overrides.set_running(False)
    written = json.loads((tmp_path / "remembered.json").read_text())
    assert written == {"threshold": 0.4, "running": False, "bundle_threshold": 0.6}


def test_switches_are_stored_and_read_back(tmp_path):
    overrides = OverrideFile(tmp_path)
    overrides.set_snapshots(True)
    overrides.set_collect(False)
    overrides.set_running(False)
    assert OverrideFile(tmp_path).values == Overrides(running=False, snapshots=True, collect=False)


def test_group_may_read_the_file(tmp_path):
    OverrideFile(tmp_path).set_running(False)
    assert (tmp_path / "remembered.json").stat().st_mode & 0o777 == 0o640


def test_values_of_different_commands_are_kept_together(tmp_path):
    OverrideFile(tmp_path).set_running(False)
    OverrideFile(tmp_path).set_threshold(0.4, bundle_threshold=None)
    assert OverrideFile(tmp_path).values == Overrides(threshold=0.4, running=False)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"threshold": 2, "running": true}',
        '{"running": true}',
        '{"threshold": 0.5, "running": "ON"}',
        '{"threshold": null, "running": true, "snapshots": 1}',
        '{"threshold": null, "running": true, "collect": "ON"}',
    ],
)
def test_unusable_file_counts_as_none_and_is_logged(tmp_path, content, caplog):
    (tmp_path / "remembered.json").write_text(content)
    assert OverrideFile(tmp_path).values == Overrides()
    assert "remembered.json cannot be used" in caplog.text
    assert "running is ON" in caplog.text


def test_unwritable_file_keeps_the_values_in_memory(tmp_path, caplog):
    overrides = OverrideFile(tmp_path / "missing")
    overrides.set_running(False)
    assert overrides.values.running is False
    assert "remembered.json cannot be written" in caplog.text
