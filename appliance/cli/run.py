"""Run the daemon in the foreground until SIGTERM, Ctrl-C, or the end of the terminal.

systemd runs it the same way.
"""

import argparse
import faulthandler
import logging
import os

from appliance.cli.arguments import add_config_argument

EXAMPLE = "example: appliance run --config my.toml"

log = logging.getLogger("appliance")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `appliance run`."""
    add_config_argument(parser)
    parser.add_argument(
        "--reload-on-hup",
        action="store_true",
        help="reload the settings on SIGHUP, for service managers; otherwise SIGHUP stops the program like SIGTERM",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the daemon; return the exit status."""
    from appliance.daemon.process import run_until_stopped
    from appliance.settings.load import load_settings, read_log_format
    from appliance.settings.path_access import check_paths
    from appliance.system.logs import configure_logging

    # Until the daemon has a file for the stack of a crash (daemon/process_deaths.py). It has a descriptor of its own,
    # because descriptor 2 is redirected while a model is loaded.
    faulthandler.enable(os.dup(2))
    configure_logging("debug" if arguments.verbose else "info", read_log_format(arguments.config))
    settings = load_settings(arguments.config)
    check_paths(settings)
    configure_logging("debug" if arguments.verbose else settings.log.level, settings.log.format)
    if settings.path is None:
        log.info("no settings file: /etc/appliance/appliance.toml does not exist; using the defaults")
    else:
        log.info("settings: %s", settings.path)
    return run_until_stopped(settings, reload_on_hangup=arguments.reload_on_hup)
