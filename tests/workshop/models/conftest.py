"""A few photographs in place of the sets that the bundled model is trained and evaluated on."""

import shutil
from pathlib import Path

import pytest

from appliance.imaging.files import read_picture
from appliance.workshop.models import photographs, scores
from appliance.workshop.models.augmentation import stretch
from appliance.workshop.models.paths import BUNDLE
from support.photographs import write_photographs

FLOWERS = {
    "daisy": "mlkit_daisy.jpeg",
    "dandelion": "mlkit_dandelion.jpg",
    "roses": "mlkit_roses.jpeg",
    "sunflowers": "sunflower.bmp",
    "tulips": "mlkit_tulips.jpeg",
}
OTHERS = {"clothing": "cat.bmp", "sign_digits": "burger.jpg"}
IMAGES = (*scores.WITH_FLOWERS, "cat.bmp", "burger.jpg")


@pytest.fixture
def few_photographs(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One photograph of each flower, one of each other set, and in images/ all with flowers and two without."""
    folder = tmp_path / "few"

    def read(file):
        return stretch(read_picture(data / "images" / file), 256)

    write_photographs(folder, "flowers", "val", [(label, read(file)) for label, file in FLOWERS.items()])
    for name, file in OTHERS.items():
        write_photographs(folder, name, "val", [("thing", read(file))])
    (folder / "images").mkdir()
    for file in IMAGES:
        shutil.copy(data / "images" / file, folder / "images")
    for module in (photographs, scores):
        monkeypatch.setattr(module, "DATA", folder)
    return folder


@pytest.fixture
def bundled_copy(tmp_path: Path) -> Path:
    """A copy of the bundled model, to be changed."""
    return Path(shutil.copytree(BUNDLE, tmp_path / "bundle"))
