"""Stored pictures are loaded as they were prepared."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from appliance.imaging.files import encode_jpeg
from appliance.workshop.models import photographs, prepare
from appliance.workshop.models.augmentation import STORED_PX, stretch
from appliance.workshop.models.paths import LABELS, OTHER_SETS
from appliance.workshop.models.photographs import read_photographs


@pytest.fixture
def made_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three sets of a few photographs, and small numbers of each kind of picture."""
    rng = np.random.default_rng(0)
    for name in ("flowers", *OTHER_SETS):
        (tmp_path / name).mkdir()
        with zipfile.ZipFile(tmp_path / name / f"{name}_train.zip", "w") as archive:
            for label in reversed(LABELS) if name == "flowers" else ("b", "a"):
                pixels = rng.integers(0, 256, (60, 80, 3), np.uint8)
                archive.writestr(f"{label}/1.jpg", encode_jpeg(pixels))
            archive.writestr("index.txt", "not a picture")
    for module in (photographs, prepare):
        monkeypatch.setattr(module, "DATA", tmp_path)
    monkeypatch.setattr(prepare, "WORK", tmp_path / "work")
    small = {"SHUFFLED": 3, "DEPHASED": 2, "PATTERNS": 4, "SCENES_PER_LABEL": 1, "EMPTY_SCENES": 2}
    by_set = {"RECOLORED": 2, "COLLAGES": 1, "PASTED": 3}
    for name, count in small.items():
        monkeypatch.setattr(prepare, name, count)
    for name, count in by_set.items():
        monkeypatch.setattr(prepare, name, dict.fromkeys(OTHER_SETS, count))
    return tmp_path


def test_prepared_pictures_have_their_groups_and_labels(made_data, capsys):
    prepare.prepare_pictures()
    pictures = prepare.load_pictures()
    counts = {name: int(pictures.select_group(name).sum()) for name in prepare.GROUPS}
    assert counts == {
        "flowers": 5 * 11,
        "clothing": 2 * 3 + 2 + 1 + 3,
        "sign_digits": 2 * 2 + 2 + 1 + 3,
        "patterns": 3 + 2 + 4,
        "scenes": 5 + 2,
    }
    assert pictures.pixels.shape == (sum(counts.values()), STORED_PX, STORED_PX, 3)
    flowers = pictures.select_group("flowers")
    assert np.bincount(pictures.label[flowers]).tolist() == [11] * 5
    scenes = pictures.select_group("scenes")
    assert pictures.label[scenes].tolist() == [0, 1, 2, 3, 4, prepare.BACKGROUND_INDEX, prepare.BACKGROUND_INDEX]
    assert (pictures.label[~flowers & ~scenes] == prepare.BACKGROUND_INDEX).all()
    assert '"flowers": 55' in capsys.readouterr().out


def test_whole_photographs_and_their_copies_share_a_number(made_data):
    prepare.prepare_pictures()
    pictures = prepare.load_pictures()
    assert int(pictures.whole.sum()) == 5 + 2 + 2
    assert np.bincount(pictures.photograph[pictures.photograph >= 0]).tolist() == [11] * 5 + [3] * 2 + [2] * 2
    first = next(read_photographs("flowers", "train"))
    np.testing.assert_array_equal(pictures.pixels[0], stretch(first.pixels))


def test_preparation_is_the_same_each_time(made_data):
    prepare.prepare_pictures()
    first = (made_data / "work" / "pixels.npy").read_bytes()
    prepare.prepare_pictures()
    assert (made_data / "work" / "pixels.npy").read_bytes() == first


def test_missing_data_ends_with_what_is_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "DATA", tmp_path)
    with pytest.raises(SystemExit, match=r"(?s)no data.*flowers_train\.zip"):
        prepare.prepare_pictures()
