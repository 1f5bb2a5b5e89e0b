"""`appliance publish refresh`: sign the site again, so that nothing expires."""

import argparse

from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import print_message
from appliance.cli.publish.arguments import make_signing_parser, make_site_parser
from appliance.cli.publish.output import print_upload_hint
from appliance.cli.publish.site import open_publisher

PURPOSE = "sign again, so that nothing expires"
EXAMPLE = "refresh --site site --keys keys"


def make_parents() -> list[argparse.ArgumentParser]:
    """Return the shared arguments of the action."""
    return [make_site_parser(), make_signing_parser()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's own arguments: none."""


def run(arguments: argparse.Namespace) -> int:
    """Sign the site and print how long the signatures are valid."""
    from appliance.workshop.publishing.inspection import read_site_status

    publisher = open_publisher(arguments)
    is_root_due = publisher.refresh()
    until = min(role.expires for role in read_site_status(publisher.site).roles)
    print(f"{arguments.site} is signed until {until:%Y-%m-%d}.")
    if is_root_due:
        print_message("the root expires soon, but its key is not here; run refresh again with --root-keys")
    print_upload_hint(arguments.site)
    return ExitStatus.DONE
