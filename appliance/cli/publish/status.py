"""`appliance publish status`: show what is published, and when signatures expire."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import print_json, print_lines, print_message
from appliance.cli.publish.arguments import make_json_parser, make_site_parser
from appliance.cli.publish.output import entry_as_dict
from appliance.cli.publish.site import open_keys

if TYPE_CHECKING:
    from appliance.workshop.publishing.inspection import SiteStatus

PURPOSE = "show what is published, and when signatures expire (exit status 1 if within 14 days)"
EXAMPLE = "status --site site --keys keys"


def make_parents() -> list[argparse.ArgumentParser]:
    """Return the shared arguments of the action."""
    return [make_site_parser(keys_required=False), make_json_parser()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's own arguments: none."""


def run(arguments: argparse.Namespace) -> int:
    """Print the status; return 1 if a signature expires within 14 days."""
    from appliance.workshop.publishing.inspection import read_site_status

    status = read_site_status(Path(arguments.site), open_keys(arguments) if arguments.keys else None)
    if arguments.json:
        print_json(_as_dict(status))
    else:
        print_lines(_format_status(status))
    if status.expires_soon:
        print_message("a signature expires within 14 days; run publish refresh, then upload the site")
    return ExitStatus.FAILED if status.expires_soon else ExitStatus.DONE


def _as_dict(status: "SiteStatus") -> dict[str, Any]:
    roles = [
        {
            "role": role.role,
            "version": role.version,
            "expires": f"{role.expires:%Y-%m-%dT%H:%M:%SZ}",
            "keys_here": role.have_keys,
        }
        for role in status.roles
    ]
    channels = {name: [entry_as_dict(entry) for entry in channel.entries] for name, channel in status.channels.items()}
    return {"soon": status.expires_soon, "roles": roles, "channels": channels}


def _format_status(status: "SiteStatus") -> Iterator[str]:
    from appliance.workshop.publishing.channels import describe_entries

    for role in status.roles:
        days_left = (role.expires - status.now).days
        when = f"in {days_left} days" if days_left >= 0 else "EXPIRED"
        key = {None: "", True: "key here", False: "key not here"}[role.have_keys]
        line = f"{role.role:<10} version {role.version:<4} expires {role.expires:%Y-%m-%d}, {when:<12} {key}"
        yield line.rstrip()
    for name, channel in status.channels.items():
        yield f"channel {name}: {describe_entries(channel.entries)}"
