"""`appliance publish check`: read a site as a device would."""

import argparse

from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import print_json
from appliance.cli.publish.arguments import make_json_parser, make_site_parser
from appliance.cli.publish.site import open_keys

PURPOSE = "read a site as a device would, and check every file"
EXAMPLE = "check --site site --keys keys"


def make_parents() -> list[argparse.ArgumentParser]:
    """Return the shared arguments of the action."""
    help_text = "the folder that is uploaded, or the address that serves it"
    return [make_site_parser(help_text, keys_required=False), make_json_parser()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's own arguments: none."""


def run(arguments: argparse.Namespace) -> int:
    """Print one line per finding; return 1 if one of them is not ok."""
    from appliance.workshop.publishing.inspection import check_site

    findings = []
    root = open_keys(arguments).device_root if arguments.keys else None
    for finding in check_site(arguments.site, root, arguments.keys):
        findings.append(finding)
        if not arguments.json:
            print(f"{'ok' if finding.is_ok else 'NOT OK':<7} {finding.message}", flush=True)
    if arguments.json:
        print_json([{"ok": finding.is_ok, "what": finding.message} for finding in findings])
    return ExitStatus.DONE if all(finding.is_ok for finding in findings) else ExitStatus.FAILED
