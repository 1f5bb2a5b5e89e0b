"""One look at an update source by a command that is not the daemon: it keeps nothing, and takes nothing."""

import contextlib
import shutil
import tempfile
from pathlib import Path

from appliance.settings.schema import UpdateSettings
from appliance.updates.sources.open import open_source
from appliance.updates.sources.source import FIREBASE_FOLDER, Offer


def glance(settings: UpdateSettings, device: str, state: Path) -> tuple[str, Offer | None]:
    """What the source offers now.

    Args:
        settings: The section update.
        device: The device's id.
        state: The state folder; it is read only.

    Returns:
        What to call the source, and its offer.

    Raises:
        SourceError, SourceSettingsError: It cannot be told.
    """
    with tempfile.TemporaryDirectory(prefix="appliance-check-") as folder:
        with contextlib.suppress(OSError):  # or this would be another installation to Firebase each time
            shutil.copytree(state / FIREBASE_FOLDER, Path(folder, FIREBASE_FOLDER))
        source = open_source(settings, device, Path(folder))
        try:
            offer = source.check(asked=True)
            return source.origin, offer  # in this order: Remote Config may have chosen the source
        finally:
            source.close()
