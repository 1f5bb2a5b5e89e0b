"""Clear everything that this device has retained on the broker, including its last picture.

Use it before you give a device away, or after you have stopped it for good; `uninstall.sh --purge` does it too. Home
Assistant then removes the device. A daemon that is running would publish its topics again, so stop it first.
"""

import argparse

from appliance.cli.arguments import add_config_argument
from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import print_message

EXAMPLE = "example: sudo systemctl stop appliance && sudo appliance clear-topics"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `appliance clear-topics`."""
    add_config_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Clear the topics; return 1 if some of them are left."""
    from appliance.diagnostics.topics import clear_device_topics
    from appliance.settings.load import load_settings

    result = clear_device_topics(load_settings(arguments.config))
    if result.reason:
        left = ", ".join(result.left[:5]) + (", …" if len(result.left) > 5 else "")
        print_message(f"{len(result.left)} topics are left on the broker, because {result.reason}: {left}")
        return ExitStatus.FAILED
    print_message(f"cleared {result.cleared} topics on the broker")
    return ExitStatus.DONE
