"""`appliance publish sync`: upload the site in the right order."""

import argparse
from pathlib import Path

from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import print_json, print_message
from appliance.cli.publish.arguments import make_json_parser, make_site_parser
from appliance.cli.publish.site import require_folder
from appliance.errors import UsageError

PURPOSE = "upload the site in the order that never breaks a device"
EXAMPLE = "sync /srv/www/models --site site"


def make_parents() -> list[argparse.ArgumentParser]:
    """Return the shared arguments of the action."""
    return [make_site_parser(keys_required=False), make_json_parser()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's own arguments."""
    parser.add_argument(
        "dest", nargs="?", metavar="DEST", help="the folder that is served, or the command's destination"
    )
    parser.add_argument(
        "--command",
        dest="upload_command",
        metavar="COMMAND",
        help="upload with this command, such as 'rsync -rt'; {files} is a list of files, {file} one file, {site} the "
        "folder of the site, {dest} the destination",
    )


def run(arguments: argparse.Namespace) -> int:
    """Upload the site; return 1 if something else is served afterwards."""
    from appliance.workshop.publishing.syncing import sync_to_folder, sync_with_command

    site = require_folder(arguments)
    if arguments.upload_command is not None:
        result = sync_with_command(site, arguments.upload_command, arguments.dest, arguments.keys)
    elif arguments.dest is None:
        raise UsageError("sync requires the folder DEST, or --command, such as --command 'rsync -rt' HOST:FOLDER")
    elif _is_remote(arguments.dest):
        raise UsageError(f"{arguments.dest} is not a folder on this machine; add --command 'rsync -rt'")
    else:
        result = sync_to_folder(site, Path(arguments.dest), arguments.keys)
    if arguments.json:
        print_json({"uploaded": result.uploaded, "deleted": result.deleted, "served": result.is_served})
    else:
        deleted = f", {result.deleted} deleted" if result.deleted else ""
        print(f"{result.uploaded} files uploaded{deleted}.")
    if result.message:
        print_message(result.message)
    return ExitStatus.FAILED if result.is_served is False else ExitStatus.DONE


def _is_remote(dest: str) -> bool:
    """Return whether a destination is an address, or a host and a folder as for rsync and scp."""
    return "://" in dest or (":" in dest and not Path(dest).exists() and "/" not in dest.split(":", 1)[0])
