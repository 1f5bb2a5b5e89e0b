"""`appliance publish push`: test a bundle and publish it on a channel."""

import argparse
from pathlib import Path

from appliance.cli.device_model import obey_runtime_setting
from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import print_json
from appliance.cli.publish.arguments import (
    check_percent,
    make_channel_parser,
    make_json_parser,
    make_percent_parser,
    make_signing_parser,
    make_site_parser,
)
from appliance.cli.publish.firebase import add_firebase_arguments, reject_firebase_arguments, run_firebase_push
from appliance.cli.publish.output import channel_as_dict, print_channel
from appliance.cli.publish.requirements import add_requirement_arguments, make_requirements
from appliance.cli.publish.site import open_publisher
from appliance.errors import UsageError

PURPOSE = "test a bundle and publish it on a channel"
EXAMPLE = "push my-model.zip --percent 20 --variant b --site site --keys keys"


def make_parents() -> list[argparse.ArgumentParser]:
    """Return the shared arguments of the action; a push to Firebase ML has neither site nor keys."""
    return [
        make_channel_parser(),
        make_percent_parser(),
        make_site_parser(site_required=False, keys_required=False),
        make_signing_parser(),
        make_json_parser(),
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's own arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="a folder, .zip or .tflite")
    parser.add_argument(
        "--variant", metavar="NAME", help="a name that these devices include in their events, to compare models"
    )
    parser.add_argument("--group", metavar="NAME", help="only for devices of this group")
    add_requirement_arguments(parser)
    parser.add_argument("--version", metavar="V", help="the version to publish (default: the bundle's own)")
    add_firebase_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Push to the site, or to Firebase ML."""
    obey_runtime_setting()
    if arguments.firebase_ml:
        return run_firebase_push(arguments)
    reject_firebase_arguments(arguments)
    if not arguments.site or not arguments.keys:
        raise UsageError("push requires --site SITE and --keys DIR, or --firebase-ml")
    result = open_publisher(arguments).push(
        arguments.bundle,
        arguments.channel,
        version=arguments.version,
        percent=check_percent(arguments),
        variant=arguments.variant,
        group=arguments.group,
        requires=make_requirements(arguments),
    )
    identity = result.identity
    if arguments.json:
        model = {"model": identity.as_dict(), "size_bytes": result.size_bytes, "known": result.was_published}
        print_json({**model, **channel_as_dict(result)})
        return ExitStatus.DONE
    size = "already on the site" if result.was_published else f"{result.size_bytes / 1e6:.1f} MB"
    print(f"{identity.name} {identity.version} ({size}) labels a picture in {result.invoke_ms:.1f} ms here.")
    return print_channel(result, arguments)
