"""What the update machine needs of the rest of the program, and what it tells it: the seam between updates and labeling."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from appliance.bundle.bundle import Bundle
from appliance.updates.store.state import InstalledModel


@dataclass(frozen=True, slots=True)
class UpdateStep:
    """A step of an update, for T/update. `state` is one of the contract's words; `sha256` is the .tflite's."""

    state: str
    version: str | None
    sha256: str | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class UpdateStatus:
    """What people see of updates, for T/model.

    Attributes:
        latest_version: What is offered, None where nothing newer is.
        in_progress: Whether it is being put in.
        percentage: Of the download, None where that is not known.
    """

    latest_version: str | None = None
    in_progress: bool = False
    percentage: int | None = None


@dataclass(frozen=True, slots=True)
class RevertedModel:
    """A delivered model that a start of the program found it could not keep."""

    slot: InstalledModel
    reason: str


class Host(Protocol):
    """The rest of the program. Called on the updater's thread."""

    def running(self) -> Bundle:
        """The bundle that labels now."""

    def held(self) -> str | None:
        """Why no model is delivered now, None where one can be."""

    def warm(self, bundle: Bundle) -> Any:
        """Loads a bundle beside the running one and runs it once; labeling goes on.

        Raises:
            BundleError: It cannot label: the bundle is to be refused.
            LabelOptionError: It does not suit the settings, which may be others later.
            RuntimeMissingError: Nothing is known about the bundle.
        """

    def swap(self, warmed: Any, change: Callable[[], None]) -> None:
        """Carries out `change` of the store and puts what was warmed in between two frames; returns when it labels.

        Raises:
            StoreError: From `change`; nothing was put in.
            LabelOptionError: It does not suit the settings any more; nothing was changed.
        """

    def go_back(self, change: Callable[[], None]) -> None:
        """Carries out `change` of the store and puts in what the store then says is current.

        Raises:
            StoreError, ModelError: It could not be done.
        """

    def roll_back(self, reason: str) -> None:
        """The store goes back for this reason, and what was before labels: loaded first, so that it can.

        Raises:
            StoreError, ModelError: It could not be done; nothing was changed.
        """

    def configured(self, threshold: float | None) -> None:
        """The common threshold that Remote Config chose, in the place of the settings'; None: it chose none."""

    def stuck(self) -> str | None:
        """What labeling hangs in, None while it does not."""

    def told(self, step: UpdateStep) -> None:
        """A step was taken."""

    def shows(self, shown: UpdateStatus) -> None:
        """What people see has changed."""
