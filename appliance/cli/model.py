"""Shows and changes the models on this device; a running daemon follows at once.

`install` takes a bundle that is here on disk; what it needs to be is tried first, in a process of its own. `check` asks
the configured source: the daemon does, and takes what is newer; where none runs, this command only tells.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.cli import DONE
from appliance.errors import ControlError, DaemonAbsentError

EXAMPLE = "example: appliance model install my-model.zip"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommand's own arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, purpose, words in (
        ("show", "the model that runs", ""),
        ("list", "every model on this device", ""),
        ("install", "put a bundle in place", " my-model.zip"),
        ("rollback", "back to the model before this one", ""),
        ("check", "ask the update source for a newer one", ""),
    ):
        action = actions.add_parser(
            name, help=purpose, description=f"{purpose.capitalize()}.", epilog=f"example: appliance model {name}{words}"
        )
        if name == "install":
            action.add_argument("bundle", type=Path, metavar="BUNDLE", help="a folder, .zip or .tflite")
        if name == "check":
            action.add_argument("--config", type=Path, metavar="FILE", help="the settings, where no daemon runs")
        action.add_argument("--json", action="store_true", help="print one JSON value")


def run(arguments: argparse.Namespace) -> int:
    """Carries the action out."""
    actions: dict[str, Callable[[argparse.Namespace], Any]] = {
        "show": _show,
        "list": _list,
        "install": _install,
        "rollback": _rollback,
        "check": _check,
    }
    value, lines = actions[arguments.action](arguments)
    if arguments.json:
        json.dump(value, sys.stdout, ensure_ascii=False, indent=2)
        print()
    else:
        print("\n".join(lines))
    return DONE


def _store() -> Any:
    from appliance.daemon.active_model import BUNDLED
    from appliance.system.paths import state_dir
    from appliance.updates.store.store import Store

    return Store(state_dir(), BUNDLED)


def _show(_: argparse.Namespace) -> tuple[Any, list[str]]:
    choice = _store().current()
    bundle, identity = choice.bundle, choice.bundle.identity
    value = {
        **identity.as_dict(),
        "labels": list(bundle.labels),
        "confidence_threshold": bundle.confidence_threshold,
        "background_label": bundle.background_label,
        "bundled": choice.slot is None,
        "folder": str(bundle.source),
    }
    shown = ", ".join(bundle.labels[:8]) + (f", … ({len(bundle.labels)} in all)" if len(bundle.labels) > 8 else "")
    lines = [
        f"{identity.name} {identity.version}{' (bundled)' if choice.slot is None else ''}",
        f"  labels     {shown}",
        f"  threshold  {'0.5 (the model names none)' if bundle.confidence_threshold is None else bundle.confidence_threshold}",
        f"  sha256     {identity.sha256}",
        f"  folder     {bundle.source}",
    ]
    return value, lines + [f"  note       {reason}" for reason in choice.reasons]


def _list(_: argparse.Namespace) -> tuple[Any, list[str]]:
    listed = _store().list()
    keys = ("roles", "name", "version", "sha256", "origin", "delivered")
    value = [{key: getattr(item, key) for key in keys} for item in listed]
    lines = [f"{', '.join(item.roles):<20} {item.name} {item.version}  ({item.origin})" for item in listed]
    return value, lines


def _install(arguments: argparse.Namespace) -> tuple[Any, list[str]]:
    from appliance.bundle.bundle import read_bundle
    from appliance.labeling.probe import probe

    probe(arguments.bundle)
    store = _store()
    slot = store.install(read_bundle(arguments.bundle), str(arguments.bundle.absolute()))
    value = {"name": slot.name, "version": slot.version, "sha256": slot.sha256}
    try:
        return _followed(value, f"{slot.name} {slot.version} is in place")
    except ControlError as error:
        store.rollback("the running daemon could not use it", refuse=False)
        raise ControlError(f"the running daemon cannot use this model, so it was taken back: {error}") from error


def _rollback(_: argparse.Namespace) -> tuple[Any, list[str]]:
    from appliance.control.client import ask
    from appliance.system.paths import control_socket

    try:
        runs = ask(control_socket(), {"command": "model-rollback"}, 60)
        return runs | {"daemon": "follows"}, [
            f"back to {runs['name']} {runs['version']}, and the running daemon labels with it"
        ]
    except DaemonAbsentError:
        pass
    store = _store()
    store.rollback("its owner went back to the one before it")
    identity = store.current().bundle.identity
    value = identity.as_dict()
    return _followed(value, f"back to {identity.name} {identity.version}")


def _check(arguments: argparse.Namespace) -> tuple[Any, list[str]]:
    from appliance.control.client import ask
    from appliance.system.paths import control_socket

    try:
        found = ask(control_socket(), {"command": "model-check"}, 150)
    except DaemonAbsentError:
        return _checked_here(arguments.config)
    if found["taken"]:
        log = "its log says each step, and what came of it: appliance model list"
        return found, [f"{found['offered']} is newer: the running daemon takes it; {log}"]
    if found["offered"] is None or found.get("reason"):
        return found, [f"no newer model: {found['reason']}"]
    if found["current"]:
        return found, [f"no newer model: {found['offered']} is what runs"]
    how = "send latest to the device's topic model/install, or press Home Assistant's button"
    return found, [f"{found['offered']} is newer and waits to be installed (update.install is ask): {how}"]


def _checked_here(config: Path | None) -> tuple[Any, list[str]]:
    """Asks the source from this process, which keeps nothing of it."""
    from appliance.settings.load import load
    from appliance.system.device_id import device_id
    from appliance.system.paths import state_dir
    from appliance.updates.sources.peek import glance
    from appliance.updates.sources.source import shown_version

    settings = load(config)
    current = _store().state().current
    origin, offer = glance(settings.update, device_id(settings.device.id), state_dir())
    known = bool(offer and current and current.offer == offer.hash)
    offered = shown_version(offer) if offer else None
    value = {"offered": offered, "current": known, "taken": False, "reason": None, "daemon": "absent"}
    if offer is None:
        return value, [f"{origin} offers nothing"]
    return value, [
        f"{origin} offers {offered}{', which is here already' if known else '; no daemon runs that could take it'}"
    ]


def _followed(value: dict[str, Any], says: str) -> tuple[Any, list[str]]:
    """Tells a running daemon, and what became of it."""
    from appliance.control.client import ask
    from appliance.system.paths import control_socket

    try:
        runs = ask(control_socket(), {"command": "models-changed"}, 60)
    except DaemonAbsentError:
        return value | {"daemon": "absent"}, [f"{says}; no daemon is running here, it is used from the next start on"]
    if runs["sha256"] != value["sha256"]:
        other = f"{runs['name']} {runs['version']}"
        return value | {"daemon": other}, [
            f"{says}, but the daemon goes on with {other}: its settings name that (labeler.model)"
        ]
    return value | {"daemon": "follows"}, [f"{says}, and the running daemon labels with it"]
