"""Publishes models from anywhere: a folder of signed files that any static host can serve.

The folder (SITE) is changed here and uploaded by you, for example with `firebase deploy --only hosting`. With
--firebase-ml a push goes to Firebase ML instead, for as long as that exists.
"""

import argparse
import getpass
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from appliance.cli import DONE, FAILED
from appliance.cli.publish import firebase as publish_firebase
from appliance.errors import PublishError, UsageError

EXAMPLE = "example: appliance publish push my-model.zip --channel stable --percent 20 --site site --keys keys"

_ACTIONS = {
    "init": "make keys and a first, empty repository",
    "push": "try a bundle and put it on a channel",
    "promote": "give what is on a channel to more devices",
    "rollback": "put a channel back to what it held before",
    "refresh": "sign again, so that nothing expires",
    "rotate": "give roles new keys and revoke the old ones",
    "status": "what is published, and when what expires (exit status 1: within 14 days)",
    "check": "go through a site as a device would",
}
_EXAMPLES = {
    "push": "my-model.zip --percent 20 --variant b",
    "promote": "--percent 50",
    "rollback": "--version 1.0",
    "rotate": "timestamp",
}
_LOOKS = ("status", "check")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommand's own arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, purpose in _ACTIONS.items():
        example = " ".join(
            filter(None, ("example: appliance publish", name, _EXAMPLES.get(name), "--site site --keys keys"))
        )
        action = actions.add_parser(name, help=purpose, description=purpose.capitalize() + ".", epilog=example)
        if name == "push":
            action.add_argument("bundle", type=Path, metavar="BUNDLE", help="a folder, .zip or .tflite")
        if name == "rotate":
            action.add_argument("roles", nargs="+", metavar="ROLE", help="root, targets, snapshot, timestamp")
        _add_channel_arguments(action, name)
        if name == "push":
            publish_firebase.add_arguments(action)
        site = "the folder that is uploaded" + (", or the address where it is served" if name == "check" else "")
        # A push says itself what it needs: one to Firebase ML has no site.
        action.add_argument("--site", required=name != "push", metavar="SITE", help=site)
        needed = name not in (*_LOOKS, "push")
        action.add_argument("--keys", type=Path, required=needed, metavar="DIR", help="the folder of this site's keys")
        action.add_argument(
            "--root-keys", type=Path, metavar="DIR", help="the folder of the root key (default: root in --keys)"
        )
        if name not in _LOOKS:
            action.add_argument(
                "--passphrase-file", type=Path, metavar="FILE", help="holds the keys' passphrase (default: ask)"
            )
            action.add_argument(
                "--days", type=int, default=90, metavar="N", help="how long the signatures hold (default: 90)"
            )
        if name == "init":
            action.add_argument("--encrypt", action="store_true", help="encrypt the keys with a passphrase")
        if name not in ("init", "refresh", "rotate"):
            action.add_argument("--json", action="store_true", help="print one JSON value")


def _add_channel_arguments(action: argparse.ArgumentParser, name: str) -> None:
    if name in ("push", "promote", "rollback"):
        action.add_argument("--channel", default="stable", metavar="NAME", help="the channel (default: stable)")
    if name in ("push", "promote"):
        action.add_argument("--percent", type=float, metavar="P", help="for this slice of the devices (default: all)")
    if name == "push":
        action.add_argument("--variant", metavar="NAME", help="what these devices say in their events, to be compared")
        action.add_argument("--group", metavar="NAME", help="only for devices of this group")
        action.add_argument("--version", metavar="V", help="instead of the bundle's own")
    if name == "promote":
        action.add_argument("--from", dest="source", metavar="NAME", help="take it from this channel")
        action.add_argument("--version", metavar="V", help="which one, where there are several")
        action.add_argument("--variant", metavar="NAME", help="which one, where there are several")
    if name == "rollback":
        action.add_argument("--version", metavar="V", help="put everyone to this version instead")


def run(arguments: argparse.Namespace) -> int:
    """Carries the action out."""
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "init": _init,
        "push": _push,
        "promote": _promote,
        "rollback": _rollback,
        "refresh": _refresh,
        "rotate": _rotate,
        "status": _status,
        "check": _check,
    }
    return actions[arguments.action](arguments)


def _init(arguments: argparse.Namespace) -> int:
    publisher = _publisher(arguments)
    publisher.init()
    keys = publisher.keys
    print(f"{arguments.site} holds an empty repository.")
    print(f"  {keys.device_root}  goes onto each device (update.root); it is no secret")
    print(
        f"  {keys.root_folder}  holds the root key: take it to a safe place, it is needed only to rotate keys and once a year"
    )
    print(f"  {keys.folder}  holds the keys for each push: keep them, and never put them into the site")
    return DONE


def _push(arguments: argparse.Namespace) -> int:
    if arguments.firebase_ml:
        return publish_firebase.push(arguments)
    publish_firebase.refuse_arguments(arguments)
    if not arguments.site or not arguments.keys:
        raise UsageError("push needs --site SITE and --keys DIR, or --firebase-ml")
    pushed = _publisher(arguments).push(
        arguments.bundle,
        arguments.channel,
        version=arguments.version,
        percent=_percent(arguments),
        variant=arguments.variant,
        group=arguments.group,
    )
    identity = pushed.identity
    model = identity.as_dict()
    if arguments.json:
        return _print_json(
            {"model": model, "size_bytes": pushed.size_bytes, "known": pushed.was_published, **_as_values(pushed)}
        )
    there = "was there already" if pushed.was_published else f"{pushed.size_bytes / 1e6:.1f} MB"
    print(f"{identity.name} {identity.version} ({there}) labels a picture in {pushed.invoke_ms:.1f} ms here.")
    return _print_published(pushed, arguments)


def _promote(arguments: argparse.Namespace) -> int:
    promoted = _publisher(arguments).promote(
        arguments.channel,
        source=arguments.source,
        version=arguments.version,
        variant=arguments.variant,
        percent=_percent(arguments),
    )
    return _print_published(promoted, arguments)


def _rollback(arguments: argparse.Namespace) -> int:
    gone_back = _publisher(arguments).rollback(arguments.channel, version=arguments.version)
    if arguments.json:
        return _print_json({"bundles": list(gone_back.bundles), **_as_values(gone_back)})
    print(f"back to {', '.join(gone_back.bundles) or 'nothing'}")
    return _print_published(gone_back, arguments)


def _refresh(arguments: argparse.Namespace) -> int:
    from appliance.workshop.publishing.inspection import read_site_status

    publisher = _publisher(arguments)
    root_due = publisher.refresh()
    until = min(role.expires for role in read_site_status(publisher.site).roles)
    print(f"{arguments.site} is signed until {until:%Y-%m-%d}.")
    if root_due:
        print(
            "appliance: the root expires soon and its key is not here: refresh again with --root-keys", file=sys.stderr
        )
    _print_upload(arguments)
    return DONE


def _rotate(arguments: argparse.Namespace) -> int:
    retired = _publisher(arguments).rotate(arguments.roles)
    print(f"{', '.join(arguments.roles)}: new keys are in force; devices follow by themselves.")
    for file in retired:
        print(f"  delete {file} once the site is uploaded")
    _print_upload(arguments)
    return DONE


def _status(arguments: argparse.Namespace) -> int:
    from appliance.workshop.publishing.channels import describe_entries
    from appliance.workshop.publishing.inspection import read_site_status

    status = read_site_status(Path(arguments.site), _keys(arguments) if arguments.keys else None)
    if arguments.json:
        roles = [
            {
                "role": role.role,
                "version": role.version,
                "expires": f"{role.expires:%Y-%m-%dT%H:%M:%SZ}",
                "keys_here": role.have_keys,
            }
            for role in status.roles
        ]
        channels = {
            name: [_entry_values(entry) for entry in channel.entries] for name, channel in status.channels.items()
        }
        _print_json({"soon": status.expires_soon, "roles": roles, "channels": channels})
    else:
        for role in status.roles:
            left = (role.expires - status.now).days
            when = f"in {left} days" if left >= 0 else "EXPIRED"
            here = {None: "", True: "key here", False: "key not here"}[role.have_keys]
            print(
                f"{role.role:<10} version {role.version:<4} expires {role.expires:%Y-%m-%d}, {when:<12} {here}".rstrip()
            )
        for name, channel in status.channels.items():
            print(f"channel {name}: {described(channel.entries)}")
    if status.expires_soon:
        print("appliance: something expires within 14 days: `publish refresh`, then upload the site", file=sys.stderr)
    return FAILED if status.expires_soon else DONE


def _check(arguments: argparse.Namespace) -> int:
    from appliance.workshop.publishing.inspection import check_site

    findings = []
    for finding in check_site(arguments.site, _keys(arguments).device_root if arguments.keys else None):
        findings.append(finding)
        if not arguments.json:
            print(f"{'ok' if finding.good else 'NOT OK':<7} {finding.what}", flush=True)
    if arguments.json:
        _print_json([{"ok": finding.is_ok, "what": finding.message} for finding in findings])
    return DONE if all(finding.is_ok for finding in findings) else FAILED


def _publisher(arguments: argparse.Namespace) -> Any:
    if "://" in arguments.site:
        raise UsageError("--site is a folder here; it is changed on disk and uploaded afterwards")
    if not 1 <= arguments.days <= 3650:
        raise UsageError("--days must be from 1 to 3650")
    from appliance.workshop.publishing.publisher import SitePublisher

    return SitePublisher(Path(arguments.site), _keys(arguments), lifetime=timedelta(days=arguments.days))


def _keys(arguments: argparse.Namespace) -> Any:
    from appliance.workshop.publishing.keys import KeyFolder

    encrypt = getattr(arguments, "encrypt", False)
    file = getattr(arguments, "passphrase_file", None)
    ask: Callable[[], str] | None = None
    if file is not None:

        def ask() -> str:
            return _first_line(file)
    elif sys.stdin.isatty():

        def ask() -> str:
            return _asked(twice=encrypt)

    return KeyFolder(
        arguments.keys, arguments.root_keys, ask, encrypt or (arguments.action == "init" and file is not None)
    )


def _first_line(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").split("\n")[0].strip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise PublishError(f"{file} cannot be read: {error}") from error


def _asked(twice: bool) -> str:
    passphrase = getpass.getpass("Passphrase of the keys: ")
    if twice and getpass.getpass("Once more: ") != passphrase:
        raise PublishError("the two passphrases differ; nothing was done")
    return passphrase


def _percent(arguments: argparse.Namespace) -> float | None:
    if arguments.percent is not None and not 0 <= arguments.percent <= 100:
        raise UsageError(f"--percent must be from 0 to 100, not {arguments.percent:g}")
    return arguments.percent


def _print_published(published: Any, arguments: argparse.Namespace) -> int:
    from appliance.workshop.publishing.channels import describe_entries

    if arguments.json:
        return _print_json(_as_values(published))
    print(f"channel {published.channel}: {described(published.entries)}")
    for change in published.changes:
        whose = f"of the devices of group {change.group}" if change.group else "of the devices"
        print(f"  {change.percent:g} % {whose} change their model")
    _print_upload(arguments)
    return DONE


def _print_upload(arguments: argparse.Namespace) -> None:
    deploy = f"(cd {arguments.site} && firebase deploy --only hosting)"
    print(f"Devices see it once {arguments.site} is uploaded: {deploy}", file=sys.stderr)


def _as_values(published: Any) -> dict[str, Any]:
    return {
        "channel": published.channel,
        "entries": [_entry_values(entry) for entry in published.entries],
        "changes": [{"group": change.group, "percent": change.percent} for change in published.changes],
    }


def _entry_values(entry: Any) -> dict[str, Any]:
    return {
        "bundle": entry.bundle,
        "version": entry.version,
        "variant": entry.variant,
        "groups": sorted(entry.groups),
        "percent": entry.percent,
    }


def _print_json(value: Any) -> int:
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2)
    print()
    return DONE
