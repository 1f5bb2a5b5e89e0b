"""Choose what `appliance watch`, `snapshot`, and `collect` show: the running daemon, or a camera that they open."""

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.cli.arguments import add_config_argument
from appliance.errors import ControlError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.control.protocol import ControlCommand
    from appliance.settings.schema import Settings

_ASK_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class LiveSource:
    """What to show.

    Attributes:
        settings: The settings for a camera that the command opens.
        is_daemon: Whether a running daemon is shown.
    """

    settings: "Settings"
    is_daemon: bool


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and --local."""
    add_config_argument(parser)
    parser.add_argument("--local", action="store_true", help="open the camera here instead of asking the daemon")


def choose_source(arguments: argparse.Namespace) -> LiveSource:
    """Return the daemon if one is running, unless the options ask for something else.

    Raises:
        ControlError: The installed service is stopped, or this account may not contact it.
        SettingsError: The settings are invalid.
    """
    from appliance.diagnostics.running_daemon import ask_running_daemon, list_keys
    from appliance.settings.credentials import apply_credentials
    from appliance.settings.load import load_settings
    from appliance.system.paths import SYSTEM_SETTINGS, find_unit, is_service_installed

    settings = apply_credentials(load_settings(arguments.config))
    if arguments.local:
        return LiveSource(settings, is_daemon=False)
    daemon = ask_running_daemon(settings)
    if daemon is None:
        unit = find_unit() or ("appliance" if is_service_installed() else None)
        if unit and (arguments.config is None or arguments.config.absolute().parent == SYSTEM_SETTINGS):
            raise ControlError(
                f"the installed service is not running; start it with: sudo systemctl start {unit}, "
                "or open the camera here with --local"
            )
        return LiveSource(settings, is_daemon=False)
    if arguments.config is not None and daemon.differs_in("camera.", "labeler.", "events."):
        keys = list_keys(daemon.differences)
        raise ControlError(
            f"the running daemon has other values of {keys} than {arguments.config}; omit --config to see the daemon, "
            "or add --local to open the camera of this file"
        )
    return LiveSource(settings, is_daemon=True)


def ask_daemon(command: "ControlCommand", argument: "Mapping[str, Any] | None" = None) -> dict[str, Any]:
    """Ask the running daemon.

    Args:
        command: The command.
        argument: Its argument; None for a command without one.

    Raises:
        ControlError: The daemon does not answer, or refuses.
    """
    from appliance.control.client import ask
    from appliance.control.protocol import make_request
    from appliance.system.paths import find_control_socket

    return ask(find_control_socket(), make_request(command, argument), _ASK_LIMIT_S)
