"""`appliance publish init`: create keys and an empty repository."""

import argparse

from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import print_lines
from appliance.cli.publish.arguments import make_signing_parser, make_site_parser
from appliance.cli.publish.site import open_publisher

PURPOSE = "create keys and an empty repository"
EXAMPLE = "init --site site --keys keys"


def make_parents() -> list[argparse.ArgumentParser]:
    """Return the shared arguments of the action."""
    return [make_site_parser(), make_signing_parser()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's own arguments."""
    parser.add_argument("--encrypt", action="store_true", help="encrypt the keys with a passphrase")


def run(arguments: argparse.Namespace) -> int:
    """Create the repository and print where each file belongs."""
    publisher = open_publisher(arguments, encrypt=arguments.encrypt or arguments.passphrase_file is not None)
    publisher.init()
    keys = publisher.keys
    print_lines(
        [
            f"{arguments.site} contains an empty repository.",
            f"  {keys.device_root}  belongs on each device (update.root); it is not secret",
            f"  {keys.root_folder}  contains the root key, for rotate and the yearly refresh; move it to a safe place",
            f"  {keys.folder}  contains the keys for each push; keep them, and never put them into the site",
        ]
    )
    return ExitStatus.DONE
