"""Decide when a lack of usable frames ends the open events.

A camera that is gone for a moment, or a model that fails on a few frames, says nothing about the labels in front of the
camera, so events stay open. Only after `GONE_LIMIT_S` are the labels unknown. A camera that was turned off, or a
recording that has ended, delivers nothing more, so the labels are unknown at once. Callers pass the time (monotonic).
"""

from dataclasses import dataclass

from appliance.camera.source import CameraState

GONE_LIMIT_S = 10.0
"""How long a camera may be gone, or labeling may fail, before the labels are unknown."""

RUNNING_OFF = "running"
NO_CAMERA = "camera"
NO_LABELS = "labeling"


@dataclass(frozen=True, slots=True)
class _Lack:
    """A lack of usable frames.

    Attributes:
        reason: RUNNING_OFF, NO_CAMERA or NO_LABELS.
        due_s: When it ends the open events (monotonic).
    """

    reason: str
    due_s: float


class FrameSupply:
    """Whether usable frames arrive; used by the labeling thread only."""

    def __init__(self) -> None:
        """Start without frames; this is what is reported before the first one."""
        self._lack: _Lack | None = None
        self._reported: str | None = NO_CAMERA

    @property
    def is_lacking(self) -> bool:
        """Whether something was wrong since the last usable frame."""
        return self._lack is not None

    def note_camera(self, state: CameraState, now_s: float) -> None:
        """Take a new state of the camera into account."""
        if state is CameraState.STREAMING:
            if self._lack and self._lack.reason == NO_CAMERA:
                self._lack = None
        elif state is CameraState.OFF:
            self._lack = _Lack(RUNNING_OFF, now_s)
        elif state is CameraState.ENDED:
            self._lack = _Lack(NO_CAMERA, now_s)
        elif self._lack is None or self._lack.reason != NO_CAMERA:
            self._lack = _Lack(NO_CAMERA, now_s + GONE_LIMIT_S)

    def note_failure(self, now_s: float) -> None:
        """Take a frame into account that could not be labeled."""
        if self._reported:
            self._reported = NO_LABELS  # the camera has returned, and the labels are as unknown as before
        if self._lack is None or self._lack.reason != NO_LABELS:
            self._lack = _Lack(NO_LABELS, now_s + GONE_LIMIT_S)

    def note_frame(self) -> None:
        """Take a labeled frame into account: the labels are known."""
        self._lack = self._reported = None

    def poll(self, now_s: float) -> str | None:
        """Return the reason, once, when the lack of frames is due to end the open events; None otherwise."""
        if self._lack is None or self._lack.reason == self._reported or now_s < self._lack.due_s:
            return None
        self._reported = self._lack.reason
        return self._reported
