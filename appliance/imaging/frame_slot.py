"""Hand the newest frame from the capture thread to the labeling thread."""

import threading

from appliance.imaging.frame import Frame


class FrameSlot:
    """Room for one frame between two threads: the newest wins, and one that nobody took is counted."""

    def __init__(self) -> None:
        self._filled = threading.Condition()
        self._frame: Frame | None = None
        self.dropped = 0

    def put(self, frame: Frame) -> None:
        """Leaves a frame, in place of one that was not taken."""
        with self._filled:
            if self._frame is not None:
                self.dropped += 1
            self._frame = frame
            self._filled.notify()

    def get(self, timeout_s: float) -> Frame | None:
        """Takes the frame, waiting up to `timeout_s` seconds for one; None when none came."""
        with self._filled:
            self._filled.wait_for(lambda: self._frame is not None, timeout_s)
            frame, self._frame = self._frame, None
            return frame
