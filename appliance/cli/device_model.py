"""The model and the runtime that the device's settings name, for commands that label outside the daemon."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.bundle.bundle import Bundle
    from appliance.settings.schema import LabelerSettings


def obey_runtime_setting() -> "LabelerSettings":
    """Make this process label with labeler.runtime, as the daemon does; return the labeler section.

    Raises:
        SettingsError: The settings are invalid.
    """
    from appliance.labeling.interpreter import choose_runtime
    from appliance.settings.load import load_settings

    settings = load_settings().labeler
    choose_runtime(settings.runtime)
    return settings


def read_chosen_bundle(model: Path | None, settings: "LabelerSettings") -> "Bundle":
    """Return the bundle of --model, else the one that labeler.model names, else the device's current one.

    Args:
        model: The option --model.
        settings: The labeler section.

    Raises:
        BundleError: The bundle cannot be used.
        StatePathError: This account may not read the state folder.
        StoreError: The store cannot be read.
    """
    from appliance.bundle.bundle import read_bundle
    from appliance.daemon.active_model import read_bundle_in_force

    return read_bundle(model) if model else read_bundle_in_force(settings.model)
