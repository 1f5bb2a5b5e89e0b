"""Says what works and what to do about the rest: settings, camera, model, broker, update source, disk, clock.

A running daemon keeps the camera: then its last frame is reported.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from appliance.cli import DONE, FAILED

EXAMPLE = "example: appliance check --config my.toml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommand's own arguments."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the settings (default: /etc/appliance/appliance.toml)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON list")


def run(arguments: argparse.Namespace) -> int:
    """Prints a line for each part; status 1 where one does not work."""
    from appliance.diagnostics.check import check
    from appliance.settings.load import load

    settings = load(arguments.config)
    findings = []
    for finding in check(settings):
        findings.append(finding)
        if not arguments.json:
            print(f"{'ok' if finding.ok else 'NOT OK':<7} {finding.part:<13} {finding.says}", flush=True)
    if arguments.json:
        json.dump([asdict(finding) for finding in findings], sys.stdout, ensure_ascii=False, indent=2)
        print()
    return DONE if all(finding.ok for finding in findings) else FAILED
