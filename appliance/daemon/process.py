"""The daemon as a process: memory, signals, exit status, restart."""

import logging
import os
import signal
import sys

from appliance.daemon.active_model import record_clean_exit
from appliance.daemon.service import Service
from appliance.errors import ControlError, ModelError, SettingsError
from appliance.settings.schema import Settings
from appliance.system.memory import configure_malloc
from appliance.system.owner import become_owner
from appliance.system.paths import ensure_runtime_dir, ensure_state_dir
from appliance.system.systemd import Notifier, is_managed

log = logging.getLogger("appliance.daemon")


def run_until_stopped(settings: Settings) -> int:
    """Run the daemon until SIGTERM, SIGINT or a restart command; return the exit status.

    A restart without systemd replaces the process image and does not return.

    Raises:
        ApplianceError: The daemon could not start, or had to stop because of an error.
    """
    configure_malloc()
    state = ensure_state_dir()
    become_owner(state)
    try:
        service = Service(settings, state, ensure_runtime_dir(), Notifier())
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, lambda *_: service.request_stop())
        if is_managed():  # without systemd, SIGHUP means that the terminal was closed, and must end the process
            signal.signal(signal.SIGHUP, lambda *_: service.request_reload())
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
    if service.restart_requested and not is_managed():
        log.info("restarting")
        os.execv(sys.executable, [sys.executable, "-m", "appliance", *sys.argv[1:]])  # noqa: S606 - replaces this process by design
    return 0
