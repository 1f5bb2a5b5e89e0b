"""`appliance publish push --firebase-ml`: a push without a site, to Firebase ML, for as long as that exists."""

import argparse
import json
import sys
from pathlib import Path

from appliance.cli import DONE
from appliance.errors import UsageError

_OWN = ("tags", "name", "credentials", "bucket")
_OF_SITES = ("site", "keys", "root_keys", "passphrase_file", "percent", "variant", "group", "version")


def add_arguments(action: argparse.ArgumentParser) -> None:
    """What a push to Firebase ML takes."""
    group = action.add_argument_group("to Firebase ML (until 2027-06-15), without a site")
    group.add_argument(
        "--firebase-ml", action="store_true", help="publish through Google's Admin SDK: no --site, no --keys"
    )
    group.add_argument(
        "--tag", action="append", default=[], dest="tags", metavar="T", help="to find it by; may be repeated"
    )
    group.add_argument("--name", metavar="NAME", help="under which devices ask for it (default: the bundle's)")
    group.add_argument(
        "--credentials",
        type=Path,
        metavar="FILE",
        help="a service account's key (default: GOOGLE_APPLICATION_CREDENTIALS)",
    )
    group.add_argument(
        "--bucket", metavar="NAME", help="a bucket of the project (default: PROJECT.firebasestorage.app)"
    )


def refuse_arguments(arguments: argparse.Namespace) -> None:
    """Raises UsageError where an argument for Firebase ML was given to a push to a site."""
    if any(getattr(arguments, name) for name in _OWN):
        raise UsageError("--tag, --name, --credentials and --bucket belong to --firebase-ml")


def push(arguments: argparse.Namespace) -> int:
    """Publishes, and says what became of it."""
    given = [name for name in _OF_SITES if getattr(arguments, name) is not None]
    given += ["channel"] if arguments.channel != "stable" else []
    if given:
        option = given[0].replace("_", "-")
        raise UsageError(f"--{option} does not go with --firebase-ml: Firebase ML has names and tags (--name, --tag)")
    from appliance.workshop.publishing import firebase_ml

    pushed = firebase_ml.push(
        arguments.bundle, name=arguments.name, tags=arguments.tags, bucket=arguments.bucket, credentials=arguments.credentials,
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )  # fmt: skip
    if pushed.left_behind:
        left = ", ".join(pushed.left_behind)
        print(f"Firebase ML carries the model and its labels alone; left behind: {left}", file=sys.stderr)
    print("Firebase ML is shut down on 2027-06-15; a signed site (--site) has no such end.", file=sys.stderr)
    if arguments.json:
        model = {"name": pushed.name, "sha256": pushed.identity.sha256, "size_bytes": pushed.size_bytes}
        where = {
            "project_id": pushed.project_id,
            "model_id": pushed.model_id,
            "tags": pushed.tags,
            "created": pushed.created,
        }
        json.dump(
            {"model": model, **where, "left_behind": pushed.left_behind}, sys.stdout, ensure_ascii=False, indent=2
        )
        print()
        return DONE
    done = "published" if pushed.created else "published in the place of the one before"
    print(f"{pushed.name} ({pushed.size_bytes / 1e6:.1f} MB) labels a picture in {pushed.invoke_ms:.1f} ms here.")
    print(
        f"{done}: Firebase project {pushed.project_id}, model {pushed.model_id}, tags {', '.join(pushed.tags) or 'none'}"
    )
    return DONE
