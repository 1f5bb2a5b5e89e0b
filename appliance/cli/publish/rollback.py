"""`appliance publish rollback`: restore the previous content of a channel."""

import argparse

from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import print_json
from appliance.cli.publish.arguments import (
    make_channel_parser,
    make_json_parser,
    make_signing_parser,
    make_site_parser,
)
from appliance.cli.publish.output import channel_as_dict, print_channel
from appliance.cli.publish.site import open_publisher

PURPOSE = "restore the previous content of a channel"
EXAMPLE = "rollback --version 1.0 --site site --keys keys"


def make_parents() -> list[argparse.ArgumentParser]:
    """Return the shared arguments of the action."""
    return [make_channel_parser(), make_site_parser(), make_signing_parser(), make_json_parser()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's own arguments."""
    parser.add_argument("--version", metavar="V", help="give this version to every device instead")


def run(arguments: argparse.Namespace) -> int:
    """Roll the channel back and print it."""
    result = open_publisher(arguments).rollback(arguments.channel, version=arguments.version)
    if arguments.json:
        print_json({"bundles": list(result.bundles), **channel_as_dict(result)})
        return ExitStatus.DONE
    print(f"back to {', '.join(result.bundles) or 'nothing'}")
    return print_channel(result, arguments)
