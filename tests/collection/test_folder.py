"""The folder of collected frames: pairs on disk, its limits, and full disks."""

import json
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
