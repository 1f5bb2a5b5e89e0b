"""The view of the camera settings."""

from appliance.imaging.view import View
from appliance.settings.schema import CameraSettings


def test_default_view_changes_nothing():
    assert View.from_settings(CameraSettings()) == View()


def test_view_has_the_values_of_the_settings():
    camera = CameraSettings(rotation=90, hflip=True, vflip=False, region=(0.25, 0, 0.5, 1))
    assert View.from_settings(camera) == View(rotation=90, hflip=True, vflip=False, region=(0.25, 0, 0.5, 1))
