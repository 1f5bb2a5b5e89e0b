"""Test the check of the folder of collected frames."""

import os

import pytest

from appliance.collection.folder import CollectedFolder
from appliance.diagnostics import collect_check
from appliance.diagnostics.collect_check import CollectFolderError, check_folder, find_collect_check
from appliance.settings.schema import CollectSettings, Settings

NOON = 1_795_348_800.25


def make_report(folder, **values):
    return {
        "collect": {
            "folder": str(folder), "max_bytes": 10_000_000, "pictures": 3, "bytes": 1_000_000, "missed": 0,
            "trouble": None, **values,
        }
    }  # fmt: skip


def test_nothing_is_checked_unless_frames_are_collected(tmp_path):
    assert find_collect_check(None, Settings()) is None
    assert find_collect_check({}, Settings(collect=CollectSettings(enabled=True))) is None
    assert find_collect_check({"collect": None}, Settings()) is None


def test_daemon_reports_its_folder(tmp_path):
    message = find_collect_check(make_report(tmp_path, missed=7), Settings())()
    assert f"3 pictures in {tmp_path}, 1 of 10 MB; 7 more exceeded collect.max_per_hour" in message
    assert "GB free on its disk" in message


def test_trouble_of_the_daemon_is_not_ok(tmp_path):
    with pytest.raises(CollectFolderError, match="another daemon"):
        find_collect_check(make_report(tmp_path, trouble="another daemon collects"), Settings())()


def test_full_folder_is_named(tmp_path):
    message = find_collect_check(make_report(tmp_path, bytes=9_990_000), Settings())()
    assert "full, so the oldest are removed" in message


def test_full_disk_of_the_folder_is_not_ok(tmp_path, monkeypatch):
    monkeypatch.setattr(collect_check, "KEPT_FREE_BYTES", 1 << 60)
    with pytest.raises(CollectFolderError, match=r"free space on this disk, or set collect\.dir"):
        find_collect_check(make_report(tmp_path), Settings())()
    with pytest.raises(CollectFolderError, match="MB free on the disk"):
        check_folder(tmp_path / "later" / "frames", CollectSettings())


def test_folder_is_measured_without_a_daemon(tmp_path):
    collected = CollectedFolder(tmp_path / "frames", 10_000_000)
    for number in range(3):
        collected.add(NOON + number, number, bytes(500_000), {})
    (tmp_path / "frames" / ".20261122-120000-250-7.jpg.ab").write_text("half")
    settings = Settings(collect=CollectSettings(enabled=True, dir=tmp_path / "frames", max_bytes=10_000_000))
    assert f"3 pictures in {tmp_path}/frames, 2 of 10 MB" in find_collect_check(None, settings)()
    assert (tmp_path / "frames" / ".20261122-120000-250-7.jpg.ab").exists(), "a check changes nothing"
    assert not (tmp_path / "missing").exists()
    assert "0 pictures" in check_folder(tmp_path / "missing" / "frames", CollectSettings())
    assert not (tmp_path / "missing").exists()


def test_file_in_place_of_the_folder_is_not_ok(tmp_path):
    (tmp_path / "frames").write_text("x")
    with pytest.raises(CollectFolderError, match="is not a folder"):
        check_folder(tmp_path / "frames" / "inside", CollectSettings())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_cannot_be_written_is_not_ok(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(CollectFolderError, match="cannot be written"):
        check_folder(tmp_path / "frames", CollectSettings())
