"""The states of an update, and how they are reported."""

from dataclasses import dataclass
from enum import StrEnum


class UpdateState(StrEnum):
    """The states of an update. All are published on T/update, except the last two, which only the journal uses."""

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
        version: The model's version; None if unknown.
        sha256: SHA-256 of the .tflite file in hex; None if unknown.
        reason: The reason, for people; None if the state explains itself.
    """

    state: UpdateState
    version: str | None
    sha256: str | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class UpdateStatus:
    """The update status, for T/model.

    Attributes:
        latest_version: The newer version that is offered; None if there is none.
        in_progress: Whether that version is being installed.
        percentage: The progress of the download; None if unknown.
    """

    latest_version: str | None = None
    in_progress: bool = False
    percentage: int | None = None
