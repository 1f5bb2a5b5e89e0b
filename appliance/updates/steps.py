"""The states of an update, and how they are reported."""

from dataclasses import dataclass, replace
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
    WAITING = "waiting"
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


PASSED_OVER = "passed_over"
"""The state of an offer that is neither installed nor refused: it is older, or does not fit the settings."""

_IN_PROGRESS = frozenset({
    UpdateState.DOWNLOADING, UpdateState.VERIFYING, UpdateState.PROBING, UpdateState.SWAPPED, UpdateState.PROBATION,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class UpdateStatus:
    """The update status, for T/model.

    Attributes:
        latest_version: The version that is offered and does not run; None if there is none.
        in_progress: Whether that version is being installed, or is on probation.
        percentage: The progress of the download; None if unknown.
        state: The last state, or PASSED_OVER; None if nothing is offered and nothing happened.
        reason: The reason for the state, for people; None if the state explains itself.
    """

    latest_version: str | None = None
    in_progress: bool = False
    percentage: int | None = None
    state: str | None = None
    reason: str | None = None

    def follow(self, step: UpdateStep) -> "UpdateStatus":
        """Return the status after a step: a refused or rolled-back version stays offered, a committed one does not."""
        version = step.version or self.latest_version
        is_outcome = step.state in (UpdateState.COMMITTED, UpdateState.ROLLED_BACK)
        if self.state == UpdateState.PROBATION and step.version != self.latest_version and not is_outcome:
            return self  # a check that failed does not end the probation
        if step.state is UpdateState.COMMITTED:
            version = None
        return UpdateStatus(version, step.state in _IN_PROGRESS, None, step.state, step.reason)

    def show_offer(self, version: str | None, state: str | None, reason: str | None = None) -> "UpdateStatus":
        """Return the status after a decision about the offer.

        The outcome of the same version is kept if it is more exact than "refused", and so is "committed" while nothing
        else is offered.
        """
        if version is None and self.state == UpdateState.COMMITTED:
            return replace(self, latest_version=None, in_progress=False, percentage=None)
        if version == self.latest_version and (self.state, state) == (UpdateState.ROLLED_BACK, UpdateState.REFUSED):
            return replace(self, in_progress=False, percentage=None)
        return UpdateStatus(version, False, None, state, reason)
