"""The pictures whose values determine how int8 stores the layers."""

import numpy as np

from appliance.workshop.models.general import conversion
from appliance.workshop.models.general.conversion import CALIBRATED_ON, read_calibration_pictures, shrink
from appliance.workshop.models.photographs import Photograph


def test_picture_has_the_size_of_the_input():
    assert shrink(np.zeros((30, 50, 3), np.uint8)).shape == (224, 224, 3)


def test_calibration_pictures_come_from_every_set(monkeypatch):
    photographs = [Photograph("a label", np.full((20, 30, 3), value, np.uint8)) for value in range(3)]
    monkeypatch.setattr(conversion, "read_photographs", lambda *_: iter(photographs))
    pictures = list(read_calibration_pictures())
    assert len(pictures) == sum(CALIBRATED_ON.values())
    assert {picture.shape for picture in pictures} == {(224, 224, 3)}
