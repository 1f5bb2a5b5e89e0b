"""Describe the device for its page in Home Assistant."""

from importlib import metadata

from appliance.messaging.home_assistant.discovery import DeviceDescription
from appliance.settings.schema import Settings
from appliance.system.board import read_board

_DISTRIBUTION = "camera-appliance"


def describe_device(settings: Settings, device: str) -> DeviceDescription:
    """Return the description of this device.

    Args:
        settings: All settings.
        device: The device id.
    """
    page_url = settings.web.public_url if settings.web.enabled else None
    return DeviceDescription(settings.device.name or f"Camera {device}", read_board(), page_url, _read_support_url())


def _read_support_url() -> str | None:
    """Return the first address that the distribution names for the project (Project-URL), if any."""
    try:
        urls = metadata.metadata(_DISTRIBUTION).get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return None
    return next((url.partition(",")[2].strip() for url in urls if "https://" in url), None)
