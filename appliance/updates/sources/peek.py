"""One check of an update source by a command other than the daemon: it keeps nothing, and installs nothing."""

import contextlib
import shutil
import tempfile
from pathlib import Path

from appliance.settings.schema import UpdateSettings
from appliance.updates.sources.open import open_source
from appliance.updates.sources.source import FIREBASE_FOLDER, Offer


def peek(settings: UpdateSettings, device: str, state: Path) -> tuple[str, Offer | None]:
    """Return how to call the source, and its present offer.

    Args:
        settings: The section update.
        device: The device's id.
        state: The state folder, which is only read.

    Raises:
        SourceError, SourceSettingsError: The check failed.
    """
    with tempfile.TemporaryDirectory(prefix="appliance-check-") as folder:
        with contextlib.suppress(OSError):  # without it Firebase would count each check as a new installation
            shutil.copytree(state / FIREBASE_FOLDER, Path(folder, FIREBASE_FOLDER))
        source = open_source(settings, device, Path(folder))
        try:
            offer = source.check(requested=True)
            return source.origin, offer  # in this order: Remote Config may have chosen the source
        finally:
            source.close()
