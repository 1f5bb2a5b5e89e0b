"""Test the current settings, and the view that follows from them."""

from appliance.daemon.live_settings import LiveSettings
from appliance.imaging.view import View
from appliance.settings.schema import CameraSettings, Settings


def test_view_follows_the_settings():
    first = Settings(camera=CameraSettings(rotation=90))
    live = LiveSettings(first)
    assert live.settings is first
    assert live.view == View.from_settings(first.camera)
    second = Settings(camera=CameraSettings(hflip=True, region=(0.0, 0.0, 0.5, 1.0)))
    live.replace(second)
    assert live.settings is second
    assert live.view == View.from_settings(second.camera) != View.from_settings(first.camera)
