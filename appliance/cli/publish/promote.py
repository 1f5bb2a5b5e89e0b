"""`appliance publish promote`: roll out a model of a channel to more devices."""

import argparse

from appliance.cli.publish.arguments import (
    check_percent,
    make_channel_parser,
    make_json_parser,
    make_percent_parser,
    make_signing_parser,
    make_site_parser,
)
from appliance.cli.publish.output import print_channel
from appliance.cli.publish.site import open_publisher

PURPOSE = "roll out a model of a channel to more devices"
EXAMPLE = "promote --percent 50 --site site --keys keys"


def make_parents() -> list[argparse.ArgumentParser]:
    """Return the shared arguments of the action."""
    return [
        make_channel_parser(), make_percent_parser(), make_site_parser(), make_signing_parser(), make_json_parser(),
    ]  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's own arguments."""
    parser.add_argument("--from", dest="source", metavar="NAME", help="take the model from this channel")
    parser.add_argument("--version", metavar="V", help="the model's version, if the channel has several models")
    parser.add_argument("--variant", metavar="NAME", help="the model's variant, if the channel has several models")


def run(arguments: argparse.Namespace) -> int:
    """Promote the model and print the channel."""
    result = open_publisher(arguments).promote(
        arguments.channel,
        source=arguments.source,
        version=arguments.version,
        variant=arguments.variant,
        percent=check_percent(arguments),
    )
    return print_channel(result, arguments)
