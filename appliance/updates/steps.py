"""The states of an update, and what is reported about them."""

from dataclasses import dataclass
from enum import StrEnum


class UpdateState(StrEnum):
    """The states of an update. T/update publishes all but the last two, which only the journal has."""

    AVAILABLE = "available"
    DOWNLOADING = "downloading"
    VERIFYING = "verifying"
    PROBING = "probing"
    SWAPPED = "swapped"
    PROBATION = "probation"
    COMMITTED = "committed"
    ROLLED_BACK = "rolled_back"
    REFUSED = "refused"
    FAILED = "failed"
    WARMING = "warming"
    SWAPPING = "swapping"


@dataclass(frozen=True, slots=True)
class UpdateStep:
    """One step of an update, for T/update.

    Attributes:
        state: The state that the update reached.
        version: The model's version, None if it is not known.
        sha256: SHA-256 of the .tflite file in hex, None if it is not known.
        reason: Why, for people; None if the state is enough.
    """

    state: UpdateState
    version: str | None
    sha256: str | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class UpdateStatus:
    """The status of updates, for T/model.

    Attributes:
        latest_version: The version that is offered, None if nothing newer is.
        in_progress: Whether it is being installed.
        percentage: The progress of the download, None if it is not known.
    """

    latest_version: str | None = None
    in_progress: bool = False
    percentage: int | None = None
