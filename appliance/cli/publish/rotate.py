"""`appliance publish rotate`: create new keys for roles and revoke the old ones."""

import argparse

from appliance.cli.exit_status import ExitStatus
from appliance.cli.publish.arguments import make_signing_parser, make_site_parser
from appliance.cli.publish.output import print_upload_hint
from appliance.cli.publish.site import open_publisher

PURPOSE = "create new keys for roles and revoke the old ones"
EXAMPLE = "rotate timestamp --site site --keys keys"


def make_parents() -> list[argparse.ArgumentParser]:
    """Return the shared arguments of the action."""
    return [make_site_parser(), make_signing_parser()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's own arguments."""
    parser.add_argument("roles", nargs="+", metavar="ROLE", help="root, targets, snapshot, timestamp")


def run(arguments: argparse.Namespace) -> int:
    """Rotate the keys and print which files to delete."""
    retired = open_publisher(arguments).rotate(arguments.roles)
    print(f"{', '.join(arguments.roles)}: new keys are in use; devices adopt them automatically.")
    for file in retired:
        print(f"  delete {file} after uploading the site")
    print_upload_hint(arguments.site)
    return ExitStatus.DONE
