"""What the page needs of the daemon, which implements `PageDevice`; the page imports nothing of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from appliance.bundle.bundle import Bundle
from appliance.bundle.input_spec import DeclaredInput
from appliance.history.history import History
from appliance.web.teaching_device import DatasetDevice, TrainingDevice


@dataclass(frozen=True, slots=True)
class LiveFrame:
    """The newest labeled frame.

    Attributes:
        number: Its number since the start.
        read: Returns the upright picture, (height, width, 3) uint8 RGB; takes milliseconds.
    """

    number: int
    read: Callable[[], np.ndarray]


Notify = Callable[[str, Mapping[str, Any] | None], None]
"""Receives ("frame", None), ("event", record), ("stats", point), ("log", line), ("dataset", labels),
("recording", state) or ("training", state); any thread calls it; never blocks."""


class PageDevice(Protocol):
    """The running device. Every method may be called from any thread, and those that take seconds say so."""

    @property
    def device_id(self) -> str:
        """The device id."""
        ...

    @property
    def name(self) -> str:
        """The display name."""
        ...

    @property
    def upload_blocked_reason(self) -> str | None:
        """Why no model can be uploaded; None if one can be."""
        ...

    @property
    def history(self) -> History | None:
        """The history of events; None if none is kept."""
        ...

    @property
    def dataset(self) -> DatasetDevice:
        """The dataset on the device."""
        ...

    @property
    def training(self) -> TrainingDevice:
        """Training on the device."""
        ...

    def describe_status(self) -> dict[str, Any]:
        """Return the object of GET /api/status, without `viewers`."""
        ...

    def describe_labels(self) -> dict[str, Any] | None:
        """Return the newest labels for the stream; None before the first frame."""
        ...

    def latest_frame(self) -> LiveFrame | None:
        """Return the newest frame; None if there is none or the camera is off."""
        ...

    def execute(self, command: str, argument: Any = None) -> Any:
        """Run a command of the daemon's table and wait for its answer.

        Raises:
            ApplianceError: It cannot be carried out.
        """
        ...

    def active_bundle(self) -> Bundle:
        """Return the bundle of the active model."""
        ...

    def open_labeler(self, bundle: Bundle) -> Any:
        """Return a new labeler for whole pictures, with the runtime of the settings; takes a second."""
        ...

    def describe_model(self) -> dict[str, Any]:
        """Return the object of GET /api/model, with the text of the card as Markdown."""
        ...

    def read_report(self) -> bytes | None:
        """Return the HTML of the model's evaluation report; None if it has none."""
        ...

    def install_model(self, path: Path, options: DeclaredInput, origin: str) -> dict[str, Any]:
        """Check, probe and install a bundle, and swap it in; takes seconds.

        Raises:
            ApplianceError: The bundle cannot be used; the active model is unchanged.
        """
        ...

    def check(self) -> list[dict[str, Any]]:
        """Return the lines of `appliance check`; takes seconds."""
        ...

    def stats(self) -> list[dict[str, Any]]:
        """Return the statistics of the last 24 hours, oldest first, one point a minute."""
        ...

    def log_lines(self) -> list[dict[str, Any]]:
        """Return the last lines of the log, oldest first."""
        ...

    def describe_settings(self) -> list[dict[str, Any]]:
        """Return the settings in force."""
        ...

    def mark_wrong(self, event_id: str, label: str) -> str:
        """File the picture of an event for teaching under another label, which may be a new one; return its name.

        Raises:
            ApplianceError: It cannot be filed.
        """
        ...

    def delete_event(self, event_id: str) -> bool:
        """Delete an event with its picture; return whether that happened in time."""
        ...

    def delete_pictures(self) -> bool:
        """Delete all pictures of the history; return whether that happened in time."""
        ...
