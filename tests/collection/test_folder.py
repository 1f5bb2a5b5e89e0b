"""The folder of collected frames: pairs on disk, its limits, and full disks."""

import json
import os
import resource

import numpy as np
import pytest

from appliance.collection.folder import CollectedFolder
from appliance.imaging.files import encode_jpeg

NOON = 1_795_348_800.25  # 2026-11-22T12:00:00.250Z


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "collected"


def test_pair_is_named_by_time_and_number(folder):
    CollectedFolder(folder, 1_000_000).add(NOON, 7, b"picture", {"reason": "unsure", "labels": []})
    assert names(folder) == ["20261122-120000-250-7.jpg", "20261122-120000-250-7.json"]
    assert (folder / "20261122-120000-250-7.jpg").read_bytes() == b"picture"
    sidecar = json.loads((folder / "20261122-120000-250-7.json").read_text())
    assert sidecar == {
        "time": "2026-11-22T12:00:00.250Z",
        "reason": "unsure",
        "labels": [],
        "picture": "20261122-120000-250-7.jpg",
    }


def test_existing_pairs_count_and_are_removed_first(folder):
    before = CollectedFolder(folder, 10_000)
    for number in range(3):
        before.add(NOON + number, number, bytes(3000), {})
    reopened = CollectedFolder(folder, 10_000)
    reopened.add(NOON + 3, 3, bytes(3000), {})
    assert reopened.pictures == 3 and reopened.size_bytes <= 10_000
    assert [name for name in names(folder) if name.endswith("-0.jpg")] == []
    assert reopened.size_bytes == sum(path.stat().st_size for path in folder.iterdir())


def test_newest_pictures_are_read_and_damaged_ones_skipped(folder):
    collected = CollectedFolder(folder, 1_000_000)
    for number, level in enumerate((0, 90, 180)):
        collected.add(NOON + number, number, encode_jpeg(np.full((8, 8, 3), level, np.uint8)), {})
    collected.add(NOON + 3, 3, b"damaged", {})
    levels = [round(float(pixels.mean())) for pixels in CollectedFolder(folder, 1_000_000).read_newest(3)]
    assert levels == pytest.approx([90, 180], abs=3)


def test_missing_folder_has_no_pictures(folder):
    assert list(CollectedFolder(folder, 1_000_000).read_newest(3)) == [] and not folder.exists()


def test_picture_larger_than_the_limit_is_rejected(folder):
    collected = CollectedFolder(folder, 1000)
    with pytest.raises(OSError, match="exceeds collect.max_bytes"):
        collected.add(NOON, 1, bytes(1001), {})
    assert names(folder) == []


def test_free_space_is_kept_on_the_disk(folder):
    collected = CollectedFolder(folder, 1_000_000, kept_free_bytes=1 << 60)
    with pytest.raises(OSError, match="MB are free"):
        collected.add(NOON, 1, b"picture", {})
    assert not list(folder.iterdir())


def test_full_disk_leaves_no_half_of_a_pair(folder):
    """A limit on file size emulates the full disk: the sidecar fits, the picture does not."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    collected = CollectedFolder(folder, 1_000_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            collected.add(NOON, 1, bytes(5000), {"reason": "unsure"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(folder.iterdir()) and collected.pictures == 0
    collected.add(NOON, 2, bytes(5000), {"reason": "unsure"})
    assert collected.pictures == 1


def test_clock_that_is_set_back_does_not_make_new_pairs_the_oldest(folder):
    before = CollectedFolder(folder, 10_000)
    before.add(NOON, 1, bytes(3000), {})
    before.add(NOON - 86_400, 2, bytes(3000), {})  # the device has no battery-backed clock
    before.add(NOON - 86_000, 3, bytes(3000), {})
    reopened = CollectedFolder(folder, 10_000)
    for number in (4, 5):
        reopened.add(NOON - 40_000 + number, number, bytes(3000), {})
    left = sorted(int(path.stem.rpartition("-")[2]) for path in folder.glob("*.jpg"))
    assert left == [3, 4, 5]


def test_pairs_of_a_copied_folder_keep_their_order(folder):
    """A later time of modification than now, as after the clock was set back, is not overtaken."""
    before = CollectedFolder(folder, 10_000)
    before.add(NOON, 1, bytes(3000), {})
    (picture,) = folder.glob("*.jpg")
    os.utime(picture, (4e9, 4e9))
    reopened = CollectedFolder(folder, 10_000)
    reopened.add(NOON + 1, 2, bytes(3000), {})
    again = CollectedFolder(folder, 7_000)
    again.limit(4000)
    assert [int(path.stem.rpartition("-")[2]) for path in folder.glob("*.jpg")] == [2]


def test_lower_limit_removes_the_oldest_at_once(folder):
    collected = CollectedFolder(folder, 100_000)
    for number in range(10):
        collected.add(NOON + number, number, bytes(3000), {})
    collected.limit(10_000)
    assert collected.pictures == len(list(folder.glob("*.jpg"))) == len(list(folder.glob("*.json"))) == 3
    assert collected.size_bytes <= 10_000
    reopened = CollectedFolder(folder, 100_000)
    reopened.limit(4_000)
    assert [path.stem[-2:] for path in folder.glob("*.jpg")] == ["-9"]


def test_limit_of_a_missing_folder_does_not_create_it(folder):
    CollectedFolder(folder, 100_000).limit(10)
    assert not folder.exists()


def test_leftovers_of_a_kill_are_removed_and_nothing_else(folder):
    CollectedFolder(folder, 100_000).add(NOON, 1, bytes(3000), {})
    kept = {*names(folder), "notes.json", ".20261122.jpg.x", "roses"}
    (folder / "roses").mkdir()
    for name in ("notes.json", ".20261122.jpg.x"):
        (folder / name).write_text("mine")
    for name in (
        ".20261122-120000-250-7.jpg.ab12cd",
        ".20261122-120000-250-7.json.ab12cd",
        "20261122-120000-250-8.json",
    ):
        (folder / name).write_text("half")
    assert CollectedFolder(folder, 100_000).limit(100_000) is None
    assert set(names(folder)) == kept


def test_folder_that_another_process_collects_in_is_refused(folder):
    first, second = CollectedFolder(folder, 100_000), CollectedFolder(folder, 100_000)
    first.claim()
    first.claim()
    with pytest.raises(OSError, match=r"another daemon .* collect\.dir of its own"):
        second.claim()
    first.close()
    second.claim()
    second.close()


def test_folder_that_a_person_replaced_is_read_again(folder):
    collected = CollectedFolder(folder, 100_000)
    collected.claim()
    collected.add(NOON, 1, bytes(3000), {})
    folder.rename(folder.with_name("taken away"))
    collected.claim()
    collected.add(NOON + 1, 2, bytes(3000), {})
    assert collected.pictures == len(list(folder.glob("*.jpg"))) == 1
    collected.close()
