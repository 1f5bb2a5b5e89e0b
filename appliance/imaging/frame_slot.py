"""Hand the newest frame from the capture thread to the labeling thread."""

import threading

from appliance.imaging.frame import Frame


class FrameSlot:
    """Holds at most one frame between two threads; a newer frame replaces an unread one.

    Attributes:
        dropped: Frames that were replaced before they were read.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self.dropped = 0

    def put(self, frame: Frame) -> None:
        """Store a frame and wake the reader."""
        with self._changed:
            if self._frame is not None:
                self.dropped += 1
            self._frame = frame
            self._changed.notify()

    def get(self, timeout_s: float) -> Frame | None:
        """Remove and return the frame; wait up to `timeout_s` seconds, and return None if none arrives."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None, timeout_s)
            frame, self._frame = self._frame, None
            return frame
