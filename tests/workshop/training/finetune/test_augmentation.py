"""Copies are cropped, mirrored only if allowed, and stay within the values of a picture."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (the extra torch)")

from appliance.workshop.training.finetune.augmentation import center, vary


def make_halves(count):
    pixels = np.zeros((count, 64, 64, 3), np.uint8)
    pixels[:, :, 32:] = 200
    return pixels


def measure_right_side(varied):
    return np.sign((varied[..., -4:] - varied[..., :4]).mean(dim=(1, 2, 3)).numpy())


def test_input_is_centered():
    assert center(np.array([[[[0, 127, 255]]]], np.uint8)).flatten().tolist() == pytest.approx([-127 / 128, 0, 1])


def test_mirroring_can_be_turned_off():
    rng = np.random.default_rng(0)
    assert (measure_right_side(vary(make_halves(64), rng, False, 32)) >= 0).all()
    sides = measure_right_side(vary(make_halves(64), rng, True, 32))
    assert 16 < (sides > 0).sum() < 48 and 16 < (sides < 0).sum() < 48


def test_copies_differ_and_stay_in_range():
    varied = vary(make_halves(8), np.random.default_rng(1), True, 32)
    assert varied.shape == (8, 3, 32, 32)
    assert float(varied.min()) >= -127 / 128 and float(varied.max()) <= 1
    assert len({round(float(each.mean()), 4) for each in varied}) == 8
