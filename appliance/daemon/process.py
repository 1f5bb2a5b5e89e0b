"""The daemon as a process: memory, signals, exit status, restart."""

import logging
import os
import signal
import sys

from appliance.daemon.active_model import record_clean_exit
from appliance.daemon.device_claim import claim_device_id
from appliance.daemon.service import Service
from appliance.daemon.state_folder import open_runtime_folder, open_state_folder
from appliance.errors import ControlError, ModelError, SettingsError
from appliance.settings.schema import Settings
from appliance.system.memory import configure_malloc
from appliance.system.owner import become_owner
from appliance.system.systemd import Notifier, is_managed

log = logging.getLogger("appliance.daemon")


def run_until_stopped(settings: Settings, *, reload_on_hangup: bool = False) -> int:
    """Run the daemon until SIGTERM, SIGINT or a restart command; return the exit status.

    A restart without systemd replaces the process image and does not return.

    Args:
        settings: Valid settings.
        reload_on_hangup: Whether SIGHUP reloads the settings, as it does under systemd; otherwise it means that the
            terminal was closed, and stops the daemon.

    Raises:
        ApplianceError: The daemon could not start, or had to stop because of an error.
    """
    configure_malloc()
    folder = open_state_folder()
    state = folder.path
    become_owner(state)
    claim = claim_device_id(settings)
    try:
        service = Service(settings, state, open_runtime_folder(), Notifier(), state_error=folder.error)
        _handle_signals(service, reload_on_hangup or is_managed())
        service.parts.active.watch_crashes()
        service.start()
    except (SettingsError, ModelError, ControlError):
        # A start that ends with an error message must not count against the model.
        record_clean_exit(state)
        raise
    try:
        service.supervise()
    except BaseException:
        service.stop(failed=True)
        raise
    service.stop()
    if claim is not None:
        claim.close()
    if service.restart_requested and not is_managed():
        log.info("restarting")
        os.execv(sys.executable, [sys.executable, "-m", "appliance", *sys.argv[1:]])  # noqa: S606 - replaces this process by design
    return 0


def _handle_signals(service: Service, reload_on_hangup: bool) -> None:
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: service.request_stop())
    if reload_on_hangup:
        signal.signal(signal.SIGHUP, lambda *_: service.request_reload())
    elif signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, lambda *_: service.request_stop())
