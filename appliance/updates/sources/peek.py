"""Check an update source once from a command, without storing or installing anything."""

import contextlib
import tempfile
from pathlib import Path

from appliance.settings.schema import CameraSettings, UpdateSettings
from appliance.system.owner import act_as_owner
from appliance.system.regular_files import read_regular_file
from appliance.updates.sources.open import open_source
from appliance.updates.sources.source import FIREBASE_FOLDER, Offer
from appliance.updates.sources.traits import compute_frame_size


def peek(
    settings: UpdateSettings, device: str, state: Path, camera: CameraSettings | None = None
) -> tuple[str, Offer | None]:
    """Return the display name of the source, and its current offer.

    Args:
        settings: The update section.
        device: The device id.
        state: The state folder, which is only read.
        camera: The camera section; a channel may require frames of some size; None if it is not known.

    Raises:
        SourceError, SourceSettingsError: The check failed.
    """
    with tempfile.TemporaryDirectory(prefix="appliance-check-") as folder:
        with contextlib.suppress(OSError):  # without the copy, Firebase would count each check as a new installation
            _copy_files(state / FIREBASE_FOLDER, Path(folder, FIREBASE_FOLDER))
        source = open_source(settings, device, Path(folder), frame_size=compute_frame_size(camera) if camera else None)
        try:
            offer = source.check(requested=True)
            return source.origin, offer  # read after the check, because Remote Config may have chosen the source
        finally:
            source.close()


def _copy_files(source: Path, target: Path) -> None:
    """Copy the files of a folder that another account may own, reading only what that account may read."""
    with act_as_owner(source.parent):
        contents = {path.name: read_regular_file(path) for path in source.iterdir()}
    target.mkdir()
    for name, content in contents.items():
        (target / name).write_bytes(content)
