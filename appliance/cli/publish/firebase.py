"""`appliance publish push --firebase-ml`: push to Firebase ML instead of a site, until that service is shut down."""

import argparse
import sys
from pathlib import Path

from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import print_json
from appliance.cli.publish.arguments import DEFAULT_CHANNEL
from appliance.errors import UsageError

_FIREBASE_ARGUMENTS = ("tags", "name", "credentials", "bucket")
_SITE_ARGUMENTS = ("site", "keys", "root_keys", "passphrase_file", "percent", "variant", "group", "version", "served")


def add_firebase_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a push to Firebase ML."""
    group = parser.add_argument_group("push to Firebase ML instead of a site (until 2027-06-15)")
    group.add_argument(
        "--firebase-ml", action="store_true", help="publish through Google's Admin SDK, without --site and --keys"
    )
    group.add_argument(
        "--tag", action="append", default=[], dest="tags", metavar="T", help="a tag of the model; repeatable"
    )
    group.add_argument("--name", metavar="NAME", help="the name that devices request (default: the bundle's name)")
    group.add_argument(
        "--credentials",
        type=Path,
        metavar="FILE",
        help="the key of a service account (default: GOOGLE_APPLICATION_CREDENTIALS)",
    )
    group.add_argument(
        "--bucket", metavar="NAME", help="a bucket of the project (default: PROJECT.firebasestorage.app)"
    )


def reject_firebase_arguments(arguments: argparse.Namespace) -> None:
    """Check a push to a site.

    Raises:
        UsageError: An argument of a push to Firebase ML is given.
    """
    if any(getattr(arguments, name) for name in _FIREBASE_ARGUMENTS):
        raise UsageError("--tag, --name, --credentials and --bucket require --firebase-ml")


def run_firebase_push(arguments: argparse.Namespace) -> int:
    """Push to Firebase ML and print the published model."""
    _reject_site_arguments(arguments)
    from appliance.workshop.publishing import firebase_ml

    result = firebase_ml.push_to_firebase(
        arguments.bundle,
        name=arguments.name,
        tags=arguments.tags,
        bucket=arguments.bucket,
        credentials=arguments.credentials,
        report=_print_progress,
    )
    if result.left_behind:
        left = ", ".join(result.left_behind)
        _print_progress(f"Firebase ML stores only the model and its labels; left out: {left}")
    _print_progress("Firebase ML will be shut down on 2027-06-15; publish to a signed site (--site) instead")
    if arguments.json:
        print_json(
            {
                "model": {"name": result.name, "sha256": result.identity.sha256, "size_bytes": result.size_bytes},
                "project_id": result.project_id,
                "model_id": result.model_id,
                "tags": result.tags,
                "created": result.created,
                "left_behind": result.left_behind,
            }
        )
        return ExitStatus.DONE
    done = "published" if result.created else "published, replacing the previous version"
    tags = ", ".join(result.tags) or "none"
    print(f"{result.name} ({result.size_bytes / 1e6:.1f} MB) labels a picture in {result.invoke_ms:.1f} ms here.")
    print(f"{done}: Firebase project {result.project_id}, model {result.model_id}, tags {tags}")
    return ExitStatus.DONE


def _reject_site_arguments(arguments: argparse.Namespace) -> None:
    given = [name for name in _SITE_ARGUMENTS if getattr(arguments, name) is not None]
    given += ["channel"] if arguments.channel != DEFAULT_CHANNEL else []
    if given:
        option = given[0].replace("_", "-")
        raise UsageError(f"--{option} cannot be combined with --firebase-ml; use --name and --tag")


def _print_progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
