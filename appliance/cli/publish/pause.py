"""`appliance publish pause`: empty a channel, so that devices keep what they have."""

import argparse

from appliance.cli.publish.arguments import make_json_parser, make_signing_parser, make_site_parser
from appliance.cli.publish.output import print_channel
from appliance.cli.publish.site import open_publisher

PURPOSE = "empty a channel: devices keep what they have"
EXAMPLE = "pause stable --site site --keys keys"


def make_parents() -> list[argparse.ArgumentParser]:
    """Return the shared arguments of the action."""
    return [make_site_parser(), make_signing_parser(), make_json_parser()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's own arguments."""
    parser.add_argument("channel", metavar="CHANNEL", help="the channel; `publish rollback` continues it")


def run(arguments: argparse.Namespace) -> int:
    """Pause the channel and print it."""
    return print_channel(open_publisher(arguments).pause(arguments.channel), arguments)
