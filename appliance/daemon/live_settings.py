"""The current settings while the daemon runs."""

from appliance.imaging.view import View
from appliance.settings.schema import Settings


class LiveSettings:
    """Hold the current settings; a reload replaces them as a whole. Safe to read from any thread.

    Attributes:
        settings: The current settings.
        view: The orientation and region of frames under these settings.
    """

    def __init__(self, settings: Settings):
        """Set the settings that the daemon starts with."""
        self.settings = settings
        self.view = View.from_settings(settings.camera)

    def replace(self, settings: Settings) -> None:
        """Replace the settings."""
        self.settings, self.view = settings, View.from_settings(settings.camera)
