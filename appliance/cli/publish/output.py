"""Print what `appliance publish` changed."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import print_json

if TYPE_CHECKING:
    from appliance.repository.channel import ChannelEntry
    from appliance.workshop.publishing.results import ChannelResult


def print_channel(result: "ChannelResult", arguments: argparse.Namespace) -> ExitStatus:
    """Print a channel as text or JSON, and how to upload the site."""
    if arguments.json:
        print_json(channel_as_dict(result))
        return ExitStatus.DONE
    print_channel_lines(result)
    print_upload_hint(arguments.site)
    return ExitStatus.DONE


def print_channel_lines(result: "ChannelResult") -> None:
    """Print the content of a channel, and how many devices change their model."""
    from appliance.workshop.publishing.channels import describe_entries

    print(f"channel {result.channel}: {describe_entries(result.entries)}")
    for change in result.changes:
        devices = f"of the devices of group {change.group}" if change.group else "of the devices"
        print(f"  {change.percent:g} % {devices} change their model")


def print_upload_hint(site: str) -> None:
    """Print on standard error how to make the changed site available to devices."""
    command = f"(cd {site} && firebase deploy --only hosting)"
    print(f"Devices see the change after you upload {site}: publish sync, or {command}", file=sys.stderr)


def channel_as_dict(result: "ChannelResult") -> dict[str, Any]:
    """Return the JSON object of a changed channel."""
    return {
        "channel": result.channel,
        "entries": [entry_as_dict(entry) for entry in result.entries],
        "changes": [{"group": change.group, "percent": change.percent} for change in result.changes],
    }


def entry_as_dict(entry: "ChannelEntry") -> dict[str, Any]:
    """Return the JSON object of one entry of a channel."""
    requires = {"requires": entry.requires.as_dict()} if entry.requires else {}
    return {
        "bundle": entry.bundle,
        "version": entry.version,
        "variant": entry.variant,
        "groups": sorted(entry.groups),
        "percent": entry.percent,
        **requires,
    }
