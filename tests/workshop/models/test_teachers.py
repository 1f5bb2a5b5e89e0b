"""Teachers are cut at three layers, found by their shape."""

import numpy as np
import pytest

from appliance.imaging.files import read_picture
from appliance.workshop.models import teachers
from appliance.workshop.models.teachers import LAST_SIDE, MIDDLE_SIDE, TEACHERS, Teacher


@pytest.mark.parametrize("file", TEACHERS)
def test_teacher_has_features_at_each_position(file, data, monkeypatch):
    monkeypatch.setattr(teachers, "DATA", data)
    features = Teacher(file).compute_features(read_picture(data / "images" / "mlkit_daisy.jpeg"))
    assert features.pooled.ndim == 1
    assert features.last.shape[:2] == (LAST_SIDE, LAST_SIDE)
    assert features.middle.shape[:2] == (MIDDLE_SIDE, MIDDLE_SIDE)
    assert features.last.shape[2] == len(features.pooled)
    for values in (features.pooled, features.last, features.middle):
        assert values.dtype == np.float32
        assert values.min() >= 0
        assert values.max() > 0


@pytest.mark.parametrize("file", TEACHERS)
def test_pooled_features_are_the_mean_of_the_last_layer(file, data, monkeypatch):
    monkeypatch.setattr(teachers, "DATA", data)
    features = Teacher(file).compute_features(read_picture(data / "images" / "mlkit_daisy.jpeg"))
    mean = np.square(features.last).mean(axis=(0, 1))
    assert np.square(features.pooled) == pytest.approx(mean, abs=0.05 * float(mean.max()))
