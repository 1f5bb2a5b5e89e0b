"""What a running daemon reports, and in which settings it differs from a settings file that is checked."""

from collections.abc import Iterable
from typing import Any

from appliance.control.client import ask
from appliance.control.protocol import ControlCommand, make_request
from appliance.errors import DaemonAbsentError
from appliance.settings.fingerprint import find_differences
from appliance.settings.schema import Settings
from appliance.system.paths import find_control_socket

ASK_LIMIT_S = 5.0
_MAX_SHOWN_KEYS = 6


class RunningDaemon:
    """The report of a running daemon.

    Attributes:
        report: Its answer to the command `status`.
        differences: The keys in which the checked settings differ from those in force.
    """

    def __init__(self, report: dict[str, Any], settings: Settings):
        """Compare the daemon's settings.

        Args:
            report: The daemon's answer to the command `status`.
            settings: The checked settings.
        """
        self.report = report
        hashes = report.get("setting_hashes")
        if isinstance(hashes, dict):
            self.differences = find_differences(hashes, settings)
        else:  # a daemon of an older version
            is_same = report.get("settings") == (str(settings.path) if settings.path else None)
            self.differences = [] if is_same else ["camera.source", "labeler.model", "mqtt.host", "update.source"]

    def differs_in(self, *keys: str) -> bool:
        """Return whether one of these keys differs; a name that ends with a dot stands for its whole section."""
        return any(
            difference.startswith(key) if key.endswith(".") else difference == key
            for difference in self.differences
            for key in keys
        )


def ask_running_daemon(settings: Settings) -> RunningDaemon | None:
    """Return the report of the running daemon; None if no daemon is running.

    Raises:
        ControlError: This account may not contact the daemon, or it does not answer.
    """
    try:
        return RunningDaemon(ask(find_control_socket(), make_request(ControlCommand.STATUS), ASK_LIMIT_S), settings)
    except DaemonAbsentError:
        return None


def list_keys(keys: Iterable[str]) -> str:
    """Return keys for a sentence, at most six of them."""
    names = list(keys)
    more = len(names) - _MAX_SHOWN_KEYS
    return ", ".join(names[:_MAX_SHOWN_KEYS]) + (f" and {more} more" if more > 0 else "")
