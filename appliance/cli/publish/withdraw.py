"""`appliance publish withdraw`: take a bundle out of all channels."""

import argparse

from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import print_json
from appliance.cli.publish.arguments import make_json_parser, make_signing_parser, make_site_parser
from appliance.cli.publish.output import channel_as_dict, print_channel_lines, print_upload_hint
from appliance.cli.publish.site import open_publisher

PURPOSE = "take a bundle out of all channels, and stop signing it"
EXAMPLE = "withdraw 'flowers 1.1' --site site --keys keys"


def make_parents() -> list[argparse.ArgumentParser]:
    """Return the shared arguments of the action."""
    return [make_site_parser(), make_signing_parser(), make_json_parser()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's own arguments."""
    parser.add_argument("bundle", metavar="BUNDLE", help="its name and version, its version, or its file in the site")


def run(arguments: argparse.Namespace) -> int:
    """Withdraw the bundle and print the channels that changed."""
    result = open_publisher(arguments).withdraw(arguments.bundle)
    if arguments.json:
        print_json({"bundle": result.bundle, "channels": [channel_as_dict(channel) for channel in result.channels]})
        return ExitStatus.DONE
    print(f"{result.bundle} is withdrawn; `publish prune` deletes its file later")
    for channel in result.channels:
        print_channel_lines(channel)
    print_upload_hint(arguments.site)
    return ExitStatus.DONE
