"""Show and change the models on this device; a running daemon applies a change at once.

`install` installs a bundle from disk after testing it in a separate process. `check` checks the configured update
source: a running daemon does this and installs a newer model; without a daemon, the command only reports the offer.
"""

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.bundle.provenance import Provenance, describe_provenance
from appliance.cli.arguments import add_config_argument, add_json_argument, add_model_argument
from appliance.cli.device_model import obey_runtime_setting
from appliance.cli.exit_status import ExitStatus
from appliance.cli.input_options import add_input_arguments, read_bundle_as_declared, warn_of_assumption
from appliance.cli.model_try import format_table, try_ranges
from appliance.cli.output import print_json, print_lines, print_message
from appliance.errors import BundleError, ControlError, DaemonAbsentError, ProbeError
from appliance.system.shipped import is_shipped_name

if TYPE_CHECKING:
    from appliance.bundle.bundle import Bundle
    from appliance.control.protocol import ControlCommand
    from appliance.updates.store.state import ModelChoice
    from appliance.updates.store.store import Store

EXAMPLE = "example: appliance model install my-model.zip"

# A swap loads a model, which can take seconds on a small device.
_SWAP_LIMIT_S = 60.0
# Longer than the daemon waits for the update source.
_CHECK_LIMIT_S = 150.0
_SHOWN_LABELS = 8


@dataclass(frozen=True, slots=True)
class _Output:
    """The result of an action, for --json and for people."""

    value: Any
    lines: list[str] = field(default_factory=list)
    status: ExitStatus = ExitStatus.DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `appliance model`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, purpose, example in (
        ("show", "show the active model", "show"),
        ("list", "list every model on this device", "list"),
        ("install", "install a bundle from disk", "install my-model.zip"),
        ("rollback", "go back to the previous model", "rollback"),
        ("check", "check the update source for a newer model", "check"),
        ("try", "label pictures under each input range, side by side", "try cat.jpg --model my-model.zip"),
    ):
        description = f"{purpose[0].upper()}{purpose[1:]}."
        action = actions.add_parser(
            name, help=purpose, description=description, epilog=f"example: appliance model {example}"
        )
        if name == "install":
            action.add_argument(
                "bundle",
                type=Path,
                metavar="BUNDLE",
                help="a folder, .zip or .tflite; or bundled:general, bundled:flowers",
            )
        if name == "try":
            action.add_argument("pictures", nargs="+", type=Path, metavar="PICTURE")
            add_model_argument(action)
        if name in ("install", "try"):
            add_input_arguments(action)
        if name == "check":
            add_config_argument(action)
        add_json_argument(action)


def run(arguments: argparse.Namespace) -> int:
    """Run the action and print its result."""
    actions = {
        "show": _show,
        "list": _list,
        "install": _install,
        "rollback": _roll_back,
        "check": _check,
        "try": _try,
    }
    if arguments.action in ("install", "try"):
        obey_runtime_setting()
    output = actions[arguments.action](arguments)
    if arguments.json:
        print_json(output.value)
    else:
        print_lines(output.lines)
    return output.status


def _open_store(*, for_change: bool = False) -> "Store":
    from appliance.daemon.active_model import open_store
    from appliance.system.paths import ensure_state_dir, find_state_dir

    return open_store(ensure_state_dir() if for_change else find_state_dir())


def _ask_daemon(command: "ControlCommand", limit_s: float, *keys: str) -> dict[str, Any]:
    """Return the daemon's answer, which has the given keys unless the daemon is of another version."""
    from appliance.control.client import ask
    from appliance.control.protocol import make_request
    from appliance.system.paths import find_control_socket

    answer = ask(find_control_socket(), make_request(command), limit_s)
    if not set(keys) <= set(answer):
        raise ControlError(
            "the daemon's answer cannot be understood; check that the command and the daemon have the same version"
        )
    return answer


def _show(_: argparse.Namespace) -> _Output:
    choice: ModelChoice[Bundle] = _open_store().load_current()
    bundle, identity = choice.bundle, choice.bundle.identity
    is_bundled = choice.installed is None
    value = {
        **identity.as_dict(),
        "labels": list(bundle.labels),
        "confidence_threshold": bundle.confidence_threshold,
        "background_label": bundle.background_label,
        "input": _describe_input(bundle),
        "description": bundle.description,
        "training": None if bundle.provenance is None else bundle.provenance.as_dict(),
        "bundled": is_bundled,
        "folder": str(bundle.source),
    }
    labels = ", ".join(bundle.labels[:_SHOWN_LABELS])
    more = f", … ({len(bundle.labels)} in all)" if len(bundle.labels) > _SHOWN_LABELS else ""
    own_threshold = bundle.confidence_threshold
    threshold = "0.5 (the default, because the model has none)" if own_threshold is None else own_threshold
    lines = [
        f"{identity.name} {identity.version}{' (bundled)' if is_bundled else ''}",
        f"  labels     {labels}{more}",
        f"  threshold  {threshold}",
        f"  input      {bundle.input.describe()}",
        f"  sha256     {identity.sha256}",
        f"  folder     {bundle.source}",
        *([f"  about      {bundle.description}"] if bundle.description else []),
        *(f"  {name:<9}  {text}" for name, text in describe_provenance(bundle.provenance or Provenance())),
        *(f"  note       {reason}" for reason in choice.reasons),
    ]
    return _Output(value, lines)


def _list(_: argparse.Namespace) -> _Output:
    models = _open_store().list()
    keys = ("roles", "name", "version", "sha256", "origin", "delivered")
    value = [{key: getattr(model, key) for key in keys} for model in models]
    lines = [f"{', '.join(model.roles):<20} {model.name} {model.version}  ({model.origin})" for model in models]
    return _Output(value, lines)


def _install(arguments: argparse.Namespace) -> _Output:
    bundle = read_bundle_as_declared(arguments.bundle, arguments)
    _probe(bundle)
    store = _open_store(for_change=True)
    origin = arguments.bundle if is_shipped_name(arguments.bundle) else arguments.bundle.absolute()
    model = store.install(bundle, str(origin))
    value = {"name": model.name, "version": model.version, "sha256": model.sha256, "input": _describe_input(bundle)}
    _print_remarks(bundle, str(arguments.bundle))
    try:
        return _notify_daemon(value, f"{model.name} {model.version} is installed; input {bundle.input.describe()}")
    except ControlError as error:
        store.rollback("the running daemon could not use it", refuse=False)
        raise ControlError(f"the running daemon cannot use this model, so it was removed again: {error}") from error


def _probe(bundle: "Bundle") -> None:
    """Test a bundle as it will be installed, in a child process."""
    import tempfile

    from appliance.bundle.bundle import write_bundle
    from appliance.labeling.probe import probe

    with tempfile.TemporaryDirectory(prefix="appliance-install-") as folder:
        write_bundle(bundle, Path(folder) / "bundle")
        try:
            probe(Path(folder) / "bundle")
        except (BundleError, ProbeError) as error:
            # The sentence names the bundle that the user gave, not the copy.
            raise type(error)(str(error).replace(f"{folder}/bundle", str(bundle.source))) from error


def _print_remarks(bundle: "Bundle", source: str) -> None:
    """Print what the user should know of a bundle that was installed: choices made, and an assumed input range."""
    from appliance.labeling.input_check import find_input_doubt
    from appliance.labeling.labeler import Labeler

    for note in bundle.notes:
        print_message(note)
    if bundle.input.is_assumed:
        warn_of_assumption(bundle, source, find_input_doubt(Labeler(bundle)))


def _describe_input(bundle: "Bundle") -> dict[str, Any]:
    spec = bundle.input
    return {
        "range": spec.describe_values(),
        "mean": spec.mean,
        "std": spec.std,
        "channel_order": spec.channel_order,
        "resize": spec.resize,
        "source": spec.source,
    }


def _try(arguments: argparse.Namespace) -> _Output:
    tried, notes = try_ranges(arguments)
    status = ExitStatus.FAILED if any(item.error for item in tried) else ExitStatus.DONE
    return _Output([item.as_dict() for item in tried], [*format_table(tried), *notes], status)


def _roll_back(_: argparse.Namespace) -> _Output:
    from appliance.control.protocol import ControlCommand
    from appliance.daemon.active_model import OWNER_ROLLBACK

    try:
        active = _ask_daemon(ControlCommand.MODEL_ROLLBACK, _SWAP_LIMIT_S, "name", "version")
    except DaemonAbsentError:
        store = _open_store(for_change=True)
        store.rollback(OWNER_ROLLBACK)
        identity = store.load_current().bundle.identity
        return _notify_daemon(identity.as_dict(), f"back to {identity.name} {identity.version}")
    line = f"back to {active['name']} {active['version']}; the running daemon labels with it"
    return _Output(active | {"daemon": "follows"}, [line])


def _check(arguments: argparse.Namespace) -> _Output:
    from appliance.control.protocol import ControlCommand

    if arguments.config and _has_other_update_source(arguments.config):
        return _check_without_daemon(arguments.config, "the running daemon has another update source")
    try:
        answer = _ask_daemon(ControlCommand.MODEL_CHECK, _CHECK_LIMIT_S, "offered", "taken", "current", "reason")
    except DaemonAbsentError:
        return _check_without_daemon(arguments.config, "no daemon is running that could install it")
    offered = answer["offered"]
    if answer["taken"]:
        line = (
            f"{offered} is newer; the running daemon is installing it; see its log for each step, and for the result "
            "run: appliance model list"
        )
    elif answer.get("waiting"):
        line = f"{answer['reason']}; the running daemon swaps it in then"
    elif offered is None or answer.get("reason"):
        line = f"no newer model: {answer['reason']}"
    elif answer["current"]:
        line = f"no newer model: {offered} is already active"
    else:
        line = (
            f"{offered} is newer and waits to be installed (update.install is ask); send latest to the device's topic "
            "model/install, or press the button in Home Assistant"
        )
    if taken_back := answer.get("taken_back"):
        line = f"{taken_back} was taken back during its probation, because the source no longer offers it; {line}"
    return _Output(answer, [line])


def _has_other_update_source(config: Path) -> bool:
    """Return whether a daemon runs whose update section differs from that of a settings file."""
    from appliance.diagnostics.running_daemon import ask_running_daemon
    from appliance.settings.load import load_settings

    daemon = ask_running_daemon(load_settings(config))
    return daemon is not None and daemon.differs_in("update.")


def _check_without_daemon(config: Path | None, reason: str) -> _Output:
    """Check the update source from this process, which changes nothing.

    Args:
        config: The settings file.
        reason: Why the daemon does not install what is offered.
    """
    from appliance.settings.load import load_settings
    from appliance.system.device_id import resolve_device_id
    from appliance.system.paths import find_state_dir
    from appliance.updates.sources.peek import peek
    from appliance.updates.sources.source import display_version

    settings = load_settings(config)
    current = _open_store().read_state().current
    origin, offer = peek(settings.update, resolve_device_id(settings.device.id), find_state_dir(), settings.camera)
    is_installed = bool(offer and current and current.offer == offer.hash)
    offered = display_version(offer) if offer else None
    value = {"offered": offered, "current": is_installed, "taken": False, "reason": None, "daemon": "absent"}
    if offer is None:
        return _Output(value, [f"{origin} offers nothing"])
    remark = ", which is already installed" if is_installed else f"; {reason}"
    return _Output(value, [f"{origin} offers {offered}{remark}"])


def _notify_daemon(value: dict[str, Any], done: str) -> _Output:
    """Make a running daemon use the store's current model.

    Args:
        value: The identity of the store's current model.
        done: What was done to the store, for people.

    Raises:
        ControlError: The daemon cannot use the model.
    """
    from appliance.control.protocol import ControlCommand

    try:
        active = _ask_daemon(ControlCommand.MODELS_CHANGED, _SWAP_LIMIT_S, "name", "version", "sha256")
    except DaemonAbsentError:
        return _Output(
            value | {"daemon": "absent"}, [f"{done}; no daemon is running, so it takes effect at the next start"]
        )
    if active["sha256"] == value["sha256"]:
        return _Output(value | {"daemon": "follows"}, [f"{done}; the running daemon labels with it"])
    other = f"{active['name']} {active['version']}"
    line = f"{done}, but the daemon keeps labeling with {other}, which its settings name (labeler.model)"
    return _Output(value | {"daemon": other}, [line])
