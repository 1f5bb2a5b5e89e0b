"""The photographs of a set are read in one order, and nothing else of its zip."""

import zipfile

import numpy as np
import pytest

from appliance.errors import PictureError
from appliance.workshop.models import photographs
from appliance.workshop.models.paths import LABELS
from appliance.workshop.models.photographs import read_photographs
from support.photographs import write_photographs


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(photographs, "DATA", tmp_path)
    return tmp_path


def make_pixels(value):
    return np.full((60, 80, 3), value, np.uint8)


def test_photographs_are_read_in_the_order_of_names(folder):
    """Not in the order of the zip, which differs between two archives of the same set."""
    write_photographs(folder, "flowers", "train", [(label, make_pixels(100)) for label in reversed(LABELS)])
    read = list(read_photographs("flowers", "train"))
    assert [photograph.label for photograph in read] == sorted(LABELS)
    assert read[0].pixels.shape == (60, 80, 3)
    assert read[0].pixels.dtype == np.uint8


def test_parts_of_a_set_are_separate(folder):
    write_photographs(folder, "clothing", "train", [("hat", make_pixels(0))])
    write_photographs(folder, "clothing", "val", [("shoe", make_pixels(200))])
    (only,) = read_photographs("clothing", "val")
    assert only.label == "shoe"
    assert abs(int(only.pixels.mean()) - 200) <= 2


def test_damaged_photograph_is_an_error_with_its_name(folder):
    file = write_photographs(folder, "flowers", "val", [])
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("roses/broken.jpg", b"\xff\xd8 nothing more")
    with pytest.raises(PictureError, match=r"roses/broken\.jpg"):
        list(read_photographs("flowers", "val"))


def test_missing_set_is_an_os_error(folder):
    with pytest.raises(FileNotFoundError):
        list(read_photographs("flowers", "val"))
