"""Check the update source for `appliance check`."""

from datetime import datetime
from urllib.parse import urlsplit

from appliance.control.client import ask
from appliance.control.protocol import ControlCommand, make_request
from appliance.diagnostics.running_daemon import ASK_LIMIT_S
from appliance.errors import UpdateError
from appliance.settings.schema import Settings
from appliance.system.device_id import resolve_device_id
from appliance.system.paths import find_control_socket, find_state_dir
from appliance.system.urls import is_loopback
from appliance.updates.firebase.shutdown import shutdown_notice
from appliance.updates.sources.peek import peek
from appliance.updates.sources.source import display_version
from appliance.updates.window import parse_window


def check_update_source(settings: Settings, daemon_runs: bool) -> str:
    """Return what the update source offers, how it is reached, and when a new model may be swapped in.

    Args:
        settings: All settings.
        daemon_runs: Whether to ask the running daemon instead of the source.

    Raises:
        ApplianceError: The source cannot be used.
    """
    if settings.update.source == "none":
        message = "none; install a model with: appliance model install BUNDLE"
    elif daemon_runs:
        message = _read_update_status(settings.update.source)
    else:
        origin, offer = peek(settings.update, resolve_device_id(settings.device.id), find_state_dir(), settings.camera)
        message = f"{origin} offers {display_version(offer) if offer else 'nothing'}"
    now = datetime.now().astimezone()
    window, url = parse_window(settings.update.window), urlsplit(settings.update.url or "")
    is_plain = settings.update.source == "repository" and url.scheme == "http" and not is_loopback(url.hostname or "")
    remarks = (
        "it is read over plain http (update.allow_http); the signatures protect the models" if is_plain else None,
        window.describe(now) if window and settings.update.source != "none" else None,
        shutdown_notice(settings.update, now.date()),
    )
    return "; ".join((message, *filter(None, remarks)))


def _read_update_status(source: str) -> str:
    status = ask(find_control_socket(), make_request(ControlCommand.UPDATE_STATUS), ASK_LIMIT_S)
    if status["trouble"]:
        raise UpdateError(status["trouble"])
    if not status["asked"]:
        return f"{source}: not yet checked by the daemon"
    if status["latest"]:
        return f"{status['origin']}: {status['latest']} is offered"
    return f"{status['origin']}: nothing newer{': ' + status['passed_over'] if status['passed_over'] else ''}"
