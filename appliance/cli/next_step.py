"""The commands that a finished command suggests next, with the names of this device."""

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from appliance.errors import ApplianceError
from appliance.system.text_layout import CommandLine


def name_program() -> str:
    """Return how to start this program in the current shell: its name if it is in PATH, else its path."""
    if shutil.which("appliance"):
        return "appliance"
    program = Path(sys.executable).parent / "appliance"
    try:
        return shlex.quote(str(program.relative_to(Path.cwd())))
    except ValueError:
        return shlex.quote(str(program))


def suggest_subscription() -> str | None:
    """Return the command that shows this device's topics; None if its settings or its id cannot be read."""
    from appliance.settings.load import load_settings
    from appliance.system.device_id import resolve_device_id
    from appliance.system.paths import find_state_dir

    try:
        settings = load_settings()
        device = resolve_device_id(settings.device.id, find_state_dir())
    except ApplianceError:
        return None
    mqtt = settings.mqtt
    port = f" -p {mqtt.port}" if mqtt.port not in (None, 1883) else ""
    topic = shlex.quote(f"{mqtt.base_topic}/{device}/#")
    return f"mosquitto_sub -h {shlex.quote(mqtt.host)}{port} -v -t {topic}"


def suggest_after_demo() -> list[CommandLine]:
    """Return the lines that end the demo: label with the real camera, as this device."""
    from appliance.system.paths import is_service_installed

    command = "watch" if is_service_installed() else "run"
    lines = [CommandLine("Next, with your own camera:", f"{name_program()} {command}")]
    if subscription := suggest_subscription():
        lines.append(CommandLine("Its events, from your broker:", subscription))
    return lines


def suggest_after_check(dataset: Path, gs_options: Sequence[str] = ()) -> CommandLine:
    """Return the line that ends the check of a dataset without errors: train on it.

    Args:
        dataset: The argument DATASET.
        gs_options: The options --gs of the check.
    """
    stem = dataset.stem if dataset.suffix else dataset.name
    out = f"{stem or 'my'}-model"
    options = "".join(f" --gs {shlex.quote(option)}" for option in gs_options)
    command = f"train {shlex.quote(str(dataset))} --base bundled:general --out {shlex.quote(out)}{options}"
    return CommandLine("train on it:", f"{name_program()} {command}")


def suggest_after_packing(out: Path, index: str | None) -> CommandLine:
    """Return the line that ends packing: check the result.

    Args:
        out: The zip or the folder.
        index: The name of the index in the folder; None if there is none.
    """
    path = out / index if index else out
    return CommandLine("check it:", f"{name_program()} dataset check {shlex.quote(str(path))}")


def suggest_after_training(bundle: Path) -> list[CommandLine]:
    """Return the lines that end a training: label a picture with the new bundle, then install it on this device.

    Args:
        bundle: The new bundle.
    """
    from appliance.system.paths import is_service_installed

    program, name = name_program(), shlex.quote(str(bundle))
    sudo = "sudo " if is_service_installed() else ""
    lines = [
        CommandLine(f"written to {bundle}; try it:", f"{program} label PICTURE --model {name}"),
        CommandLine("install it on this device:", f"{sudo}{program} model install {name}"),
    ]
    if subscription := suggest_subscription():
        lines.append(CommandLine("its events then arrive with:", subscription))
    return lines
