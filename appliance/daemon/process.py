"""The service as a process of its own: memory, signals, exit status, and starting again.

What the service does stands in service.py; here is only what whoever started the process may ask of it.
"""

import logging
import os
import signal
import sys

from appliance.daemon.active_model import end_start
from appliance.daemon.service import Service
from appliance.errors import ControlError, ModelError, SettingsError
from appliance.settings.schema import Settings
from appliance.system.memory import give_large_blocks_back
from appliance.system.paths import runtime_dir, state_dir
from appliance.system.systemd import Notifier, is_managed

log = logging.getLogger(__name__)


def run_until_stopped(settings: Settings) -> int:
    """Runs the daemon until SIGTERM, SIGINT or a restart is asked for; returns the exit status."""
    give_large_blocks_back()
    state = state_dir()
    try:
        service = Service(settings, state, runtime_dir(), Notifier())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: service.ask_stop())
        if is_managed():  # in a terminal it is the terminal that hangs up, and the program ends with it
            signal.signal(signal.SIGHUP, lambda *_: service.ask_reload())
        service.start()
    except (SettingsError, ModelError, ControlError):
        # A start that ends with a sentence is no death that a model could be to blame for.
        end_start(state)
        raise
    try:
        service.supervise()
    except BaseException:
        service.stop(failed=True)
        raise
    service.stop()
    if service.restart_wanted and not is_managed():
        log.info("starting again")
        os.execv(sys.executable, [sys.executable, "-m", "appliance", *sys.argv[1:]])
    return 0
