"""Measure how sharp a picture is: the variance of its Laplacian.

Motion and a wrong focus remove the fine detail that the Laplacian responds to. The value depends on what is shown, so
it is compared only among pictures of one recording. It is divided by the square of the brightness, so that a shadow or
the exposure of the camera has no effect.
"""

import numpy as np

from appliance.imaging.files import resize_to_fit

# Averaging to this size removes the noise of a sensor, which is fine detail too.
_SIDE_PX = 320
# In darkness, the noise alone would count as detail.
_DARK = 8.0
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def measure_sharpness(pixels: np.ndarray) -> float:
    """Return the variance of the Laplacian of a picture's brightness, relative to its mean brightness.

    Args:
        pixels: (height, width, 3) uint8 RGB.
    """
    # Not the operator @, whose library computes on threads that wait busily and so delay the labeling.
    gray = np.einsum("yxc,c->yx", resize_to_fit(pixels, _SIDE_PX).astype(np.float32), _LUMA)
    if min(gray.shape) < 3:
        return 0.0
    inner = gray[1:-1, 1:-1]
    laplacian = gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:] - 4 * inner
    return float(laplacian.var() / max(float(gray.mean()), _DARK) ** 2)
