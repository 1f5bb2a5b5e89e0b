"""Notice that a live camera sends the same picture again and again, as some do after a fault of their own.

A sensor's noise changes some pixels of each picture, so identical pictures for a minute are not a still scene.
"""

import logging

import numpy as np

log = logging.getLogger("appliance.camera")

FROZEN_AFTER_S = 60.0
_SAMPLE_STEP_PX = 16


class FrozenPictureMonitor:
    """Measures for how long a camera's pictures are identical, and logs once when they are frozen."""

    def __init__(self) -> None:
        self._picture: np.ndarray | None = None
        self._since_s = 0.0
        self._is_frozen = False

    def observe(self, pixels: np.ndarray, now_s: float) -> float:
        """Return for how many seconds the picture has not changed.

        Args:
            pixels: (height, width, 3) uint8 RGB; kept until the next call, and never written to.
            now_s: The time on a clock that is never adjusted.
        """
        if self._picture is None or not _is_identical(pixels, self._picture):
            if self._is_frozen:
                log.info("camera: the picture changes again")
            self._since_s, self._is_frozen = now_s, False
        elif not self._is_frozen and now_s - self._since_s >= FROZEN_AFTER_S:
            self._is_frozen = True
            log.warning(
                "camera: the picture has not changed for %.0f s, although the camera is live; restart the camera if it"
                " is frozen",
                now_s - self._since_s,
            )
        self._picture = pixels
        return now_s - self._since_s

    def reset(self) -> None:
        """Forget the last picture."""
        self._picture, self._is_frozen = None, False


def _is_identical(one: np.ndarray, other: np.ndarray) -> bool:
    """Compare a sample first, because it nearly always differs and costs little."""
    step = _SAMPLE_STEP_PX
    return (
        one.shape == other.shape
        and np.array_equal(one[::step, ::step], other[::step, ::step])
        and np.array_equal(one, other)
    )
