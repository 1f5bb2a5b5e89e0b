"""Runs the daemon in the foreground, until SIGTERM or Ctrl-C.

systemd runs it this way; so does a person who wants to watch it work.
"""

import argparse
import faulthandler
import logging
from pathlib import Path

EXAMPLE = "example: appliance run --config my.toml"

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommand's own arguments."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the settings (default: /etc/appliance/appliance.toml)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs until it is told to stop."""
    from appliance.daemon.process import run_until_stopped
    from appliance.settings.load import load
    from appliance.system import logs

    faulthandler.enable()  # the watchdog ends a hanging process with SIGABRT: then the log says where each thread hangs
    settings = load(arguments.config)
    logs.set_up("debug" if arguments.verbose else settings.log.level, settings.log.format)
    if settings.path is None:
        log.info(
            "no settings file: /etc/appliance/appliance.toml is not there and --config names none; the defaults hold"
        )
    else:
        log.info("settings: %s", settings.path)
    return run_until_stopped(settings)
