"""`appliance publish prune`: delete what no device needs."""

import argparse

from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import print_json
from appliance.cli.publish.arguments import make_json_parser, make_signing_parser, make_site_parser
from appliance.cli.publish.output import print_upload_hint
from appliance.cli.publish.site import open_publisher
from appliance.errors import UsageError

PURPOSE = "stop signing old bundles, and delete files that nothing names any more"
EXAMPLE = "prune --keep 3 --site site --keys keys"


def make_parents() -> list[argparse.ArgumentParser]:
    """Return the shared arguments of the action."""
    return [make_site_parser(), make_signing_parser(), make_json_parser()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's own arguments."""
    parser.add_argument(
        "--keep", type=int, default=5, metavar="N", help="keep the bundles of the last N contents (default: 5)"
    )
    parser.add_argument(
        "--hours",
        type=float,
        default=24.0,
        metavar="H",
        help="delete files that nothing has named for H hours, because devices may still fetch them (default: 24)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Prune the site and print what was deleted."""
    if arguments.keep < 0 or not 0 <= arguments.hours <= 24 * 3650:
        raise UsageError("--keep must be 0 or more, and --hours from 0 to 87600")
    result = open_publisher(arguments).prune(arguments.keep, arguments.hours)
    if arguments.json:
        print_json(
            {
                "removed": list(result.removed),
                "deleted": list(result.deleted),
                "waiting": list(result.waiting),
                "freed_bytes": result.freed_bytes,
            }
        )
        return ExitStatus.DONE
    for path in result.removed:
        print(f"{path} is no longer signed, because no channel needs it")
    for path in result.deleted:
        print(f"deleted {path}")
    print(f"{len(result.deleted)} files deleted, {result.freed_bytes / 1e6:.1f} MB")
    if result.waiting:
        print(f"{len(result.waiting)} files can be deleted {arguments.hours:g} hours after nothing names them")
    if result.removed:
        print_upload_hint(arguments.site)
    return ExitStatus.DONE
