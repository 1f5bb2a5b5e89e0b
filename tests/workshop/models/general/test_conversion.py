"""The ranges: rare extremes are clipped, and every range includes 0."""

import numpy as np

from appliance.workshop.models.general import conversion
from appliance.workshop.models.general.conversion import (
    CALIBRATED_ON,
    measure_ranges,
    read_calibration_pictures,
    shrink,
)
from appliance.workshop.models.photographs import Photograph


def test_picture_has_the_size_of_the_input():
    assert shrink(np.zeros((30, 50, 3), np.uint8)).shape == (224, 224, 3)


def test_ranges_hold_the_values_of_relu6(network, pictures):
    ranges = measure_ranges(network, pictures[:2])
    assert all(each.least <= 0 for each in ranges)
    assert max(each.greatest for each in ranges[:2]) <= 6


def test_calibration_pictures_come_from_every_set(monkeypatch):
    photographs = [Photograph("a label", np.full((20, 30, 3), value, np.uint8)) for value in range(3)]
    monkeypatch.setattr(conversion, "read_photographs", lambda *_: iter(photographs))
    pictures = list(read_calibration_pictures())
    assert len(pictures) == sum(CALIBRATED_ON.values())
    assert {picture.shape for picture in pictures} == {(224, 224, 3)}
