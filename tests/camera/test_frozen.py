"""A live camera whose picture is frozen is noticed, once; a recording is not."""

import logging

import numpy as np

from appliance.camera.frozen import FrozenPictureMonitor
from support.streams import noise


def test_identical_pictures_are_measured_and_logged_once(caplog):
    caplog.set_level(logging.INFO)
    monitor = FrozenPictureMonitor()
    for second in range(200):
        assert monitor.observe(noise(1), second) == second
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "has not changed for 60 s" in caplog.text
    assert monitor.observe(noise(2), 200) == 0
    assert "changes again" in caplog.text
    for second in range(200, 300):
        monitor.observe(noise(2), second)
    assert [record.levelname for record in caplog.records].count("WARNING") == 2


def test_change_of_one_pixel_anywhere_is_a_change():
    monitor = FrozenPictureMonitor()
    picture = noise(1)
    monitor.observe(picture, 0)
    for second, place in enumerate([(0, 0), (3, 5), (239, 319)], start=1):
        picture = picture.copy()
        picture[place] ^= 1
        assert monitor.observe(picture, second) == 0


def test_other_size_is_a_change_and_reset_forgets():
    monitor = FrozenPictureMonitor()
    monitor.observe(np.zeros((4, 4, 3), np.uint8), 0)
    assert monitor.observe(np.zeros((4, 6, 3), np.uint8), 5) == 0
    monitor.reset()
    assert monitor.observe(np.zeros((4, 6, 3), np.uint8), 70) == 0
