"""What was set over MQTT and outlives a restart: the threshold, and whether the device labels at all."""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from appliance.system.atomic_files import write_durably

log = logging.getLogger(__name__)

FILE_NAME = "remembered.json"


@dataclass(frozen=True, slots=True)
class Overrides:
    """Values set over MQTT.

    Attributes:
        threshold: The common threshold, None where none was set.
        running: Whether the device labels.
        bundle_threshold: What the model of that moment said itself (confidenceThreshold): the threshold is meant for such.
    """

    threshold: float | None = None
    running: bool = True
    bundle_threshold: float | None = None


def read_remembered(folder: Path) -> Overrides:
    """What the state folder remembers; a file that makes no sense counts as none, and that is said."""
    path = folder / FILE_NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        threshold, running, bundle_threshold = values["threshold"], values["running"], values.get("bundle_threshold")
        if not isinstance(running, bool) or not all(
            each is None or 0 <= each <= 1 for each in (threshold, bundle_threshold)
        ):
            raise ValueError("values out of bounds")
        return Overrides(threshold, running, bundle_threshold)
    except FileNotFoundError:
        return Overrides()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning(
            "%s cannot be used (%s); the threshold is the settings' or the model's again, and running is ON",
            path,
            error,
        )
        return Overrides()


def write_remembered(folder: Path, remembered: Overrides) -> None:
    """Keeps the values; where the disk refuses, they hold until the next restart, and that is said."""
    try:
        write_durably(folder / FILE_NAME, json.dumps(asdict(remembered)).encode())
    except OSError as error:
        log.warning(
            "%s cannot be written (%s); what was set over MQTT holds until the next restart", folder / FILE_NAME, error
        )
