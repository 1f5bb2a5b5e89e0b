"""The recording that a picture is from, by the name of its file."""

import pytest

from appliance.workshop.datasets.dataset import Example
from appliance.workshop.datasets.recordings import (
    divide_sole_recordings,
    find_recording,
    join_equal_files,
    list_recordings,
    list_sole_recordings,
)


def _list_examples(*names):
    return [Example(name, name.split("/")[0], None, None, name) for name in names]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cup/20261130-101500-123_rec-1a2b3c4d.jpg", "background/20261130-101959-001_rec-1a2b3c4d.jpg"),
        ("a/import-0123456789abcdef0123_rec-1a2b3c4d.png", "TRAIN/a/20261130-101500-123_rec-1a2b3c4d_2.jpg"),
        ("a/rec-x7-0001.jpg", "TRAIN/a/rec-X7-0002.jpg"),
        ("collected/20261130-101501-123-55.jpg", "cup/20261130-101558-001-812.jpg"),
        ("20261130-101501-123-55.jpg", "20261130-101501-123-55 (2).jpg"),
        ("IMG_20261130_101500_BURST001.jpg", "IMG_20261130_101500_BURST014_COVER.jpg"),
        ("00003IMG_00003_BURST20261130101500123_COVER.jpg", "00004IMG_00004_BURST20261130101500123.jpg"),
    ],
)
def test_names_of_one_recording_state_the_same(one, other):
    assert find_recording(one) == find_recording(other) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a/rec-1-0001.jpg", "a/rec-2-0001.jpg"),
        ("20261130-101500-123_rec-1a2b3c4d.jpg", "20261130-101500-623_rec-1a2b3c4e.jpg"),
        ("20261130-101501-123-55.jpg", "20261130-101601-123-56.jpg"),
        ("IMG_20261130_101500_BURST001.jpg", "IMG_20261130_101700_BURST001.jpg"),
    ],
)
def test_names_of_two_recordings_differ(one, other):
    assert find_recording(one) != find_recording(other)


@pytest.mark.parametrize(
    "name",
    [
        "3637371174_a8dfcc1b35.jpg",
        "IMG_0001.jpg",
        "my-rec-1.jpg",
        "20261340-101501-123-55.jpg",
        "BURST001.jpg",
        "record.png",
    ],
)
def test_other_names_state_no_recording(name):
    assert find_recording(name) is None


def test_frames_around_the_turn_of_a_minute_are_one_recording():
    names = [f"20261130-1015{second}-000-{second}.jpg" for second in ("40", "58")]
    later = ["20261130-101601-000-61.jpg", "20261130-101659-900-119.jpg", "20261130-101702-000-122.jpg"]
    separate = ["20261130-101830-000-230.jpg"]
    recordings = list_recordings(_list_examples(*names, *later, *separate))
    assert len(set(recordings[:5])) == 1
    assert recordings[5] != recordings[0]


def test_other_pictures_are_recordings_of_their_own():
    assert len(set(list_recordings(_list_examples("a/1.jpg", "b/1.jpg", "a/2.jpg")))) == 3


def test_sole_recording_of_a_label_is_divided_in_order():
    names = [*(f"cup/rec-1-{number:04d}.jpg" for number in range(30)), *(f"pen/rec-{n}-0001.jpg" for n in (2, 3))]
    examples = _list_examples(*names)
    recordings = list_recordings(examples)
    assert list_sole_recordings(examples, recordings) == ["cup"]
    divided = divide_sole_recordings(examples, recordings)
    assert divided[30:] == recordings[30:]
    assert [len(set(divided[start : start + 3])) for start in range(0, 30, 3)] == [1] * 10
    assert len(set(divided[:30])) == 10


def test_recordings_with_the_same_file_are_joined():
    joined = join_equal_files(["a", "b", "b", "c", "d"], [b"1", b"2", b"3", b"3", b"4"])
    assert joined == ["a", "b", "b", "b", "d"]
    assert len(set(join_equal_files(["a", "b", "c"], [b"1"] * 3))) == 1
