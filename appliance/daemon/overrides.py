"""Values set over MQTT that survive a restart: the threshold, and what is turned on or off."""

import logging
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from appliance.system.state_file import StateFile

log = logging.getLogger("appliance.daemon")

FILE_NAME = "remembered.json"


@dataclass(frozen=True, slots=True)
class Overrides:
    """Values set over MQTT.

    Attributes:
        threshold: The common threshold, 0–1; None if none was set.
        running: Whether labeling is on.
        bundle_threshold: The confidenceThreshold of the model for which the threshold was set; None if it had none.
        snapshots: Whether snapshots are published; None if the settings decide.
        collect: Whether frames are collected; None if the settings decide.
    """

    threshold: float | None = None
    running: bool = True
    bundle_threshold: float | None = None
    snapshots: bool | None = None
    collect: bool | None = None


class OverrideFile:
    """Hold the overrides in memory and on disk. Safe to use from any thread."""

    def __init__(self, folder: Path):
        """Read the file in the state folder; log an unusable file and treat it as having no overrides."""
        self._file = StateFile(
            folder / FILE_NAME,
            _decode,
            _encode,
            Overrides(),
            mode=0o640,
            if_unreadable="the threshold of the settings or the model is used again, and running is ON",
            log=log,
        )
        self._lock = threading.Lock()
        self._values = self._file.read()

    @property
    def values(self) -> Overrides:
        """The current overrides."""
        return self._values

    def set_running(self, running: bool) -> None:
        """Store whether labeling is on."""
        with self._lock:
            self._write(replace(self._values, running=running))

    def set_snapshots(self, snapshots: bool | None) -> None:
        """Store whether snapshots are published; None lets the settings decide."""
        with self._lock:
            self._write(replace(self._values, snapshots=snapshots))

    def set_collect(self, collect: bool | None) -> None:
        """Store whether frames are collected; None lets the settings decide."""
        with self._lock:
            self._write(replace(self._values, collect=collect))

    def set_threshold(self, threshold: float | None, bundle_threshold: float | None) -> None:
        """Store the threshold.

        Args:
            threshold: The common threshold; None removes it.
            bundle_threshold: The confidenceThreshold of the model for which it is set.
        """
        with self._lock:
            self._write(replace(self._values, threshold=threshold, bundle_threshold=bundle_threshold))

    def _write(self, values: Overrides) -> None:
        self._values = values
        self._file.write_or_warn(values, "the values set over MQTT end with a restart")


def _encode(overrides: Overrides) -> dict[str, Any]:
    switches = {"snapshots": overrides.snapshots, "collect": overrides.collect}
    return {
        "threshold": overrides.threshold,
        "running": overrides.running,
        "bundle_threshold": overrides.bundle_threshold,
        **{name: switch for name, switch in switches.items() if switch is not None},
    }


def _decode(data: Any) -> Overrides:
    threshold, running, bundle_threshold = data["threshold"], data["running"], data.get("bundle_threshold")
    if not isinstance(running, bool):
        raise ValueError("running must be true or false")
    for value in (threshold, bundle_threshold):
        if isinstance(value, bool) or (value is not None and not 0 <= value <= 1):
            raise ValueError(f"a threshold must be from 0 to 1, not {value}")
    snapshots, collect = data.get("snapshots"), data.get("collect")
    for switch in (snapshots, collect):
        if switch is not None and not isinstance(switch, bool):
            raise ValueError("snapshots and collect must be true, false or null")
    return Overrides(threshold, running, bundle_threshold, snapshots, collect)
