"""Find paths in the settings that the installed service cannot see, although this account can."""

import subprocess

from appliance.settings.path_access import Protections, find_hidden_path
from appliance.settings.schema import Settings
from appliance.system.paths import SYSTEM_SETTINGS, is_service_installed

_LIMIT_S = 10.0


def find_unseen_path(settings: Settings) -> str | None:
    """Describe a path that the service with these settings cannot see; None if there is no service, or no such path.

    Args:
        settings: Valid settings, of the installed service or of a further camera (appliance@NAME).
    """
    if settings.path is None or settings.path.absolute().parent != SYSTEM_SETTINGS or not is_service_installed():
        return None
    name = settings.path.stem
    return find_hidden_path(settings, _read_protections("appliance" if name == "appliance" else f"appliance@{name}"))


def _read_protections(unit: str) -> Protections:
    """Return the protections of a unit, with its drop-ins; none if systemd does not answer."""
    command = ["systemctl", "show", "--property=ProtectHome,PrivateTmp", f"{unit}.service"]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return Protections()
    lines = shown.splitlines()
    return Protections(home="ProtectHome=yes" in lines, tmp="PrivateTmp=yes" in lines)
