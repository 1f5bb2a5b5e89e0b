"""Create varied copies of photographs: cropped, rotated slightly, and in different light."""

import cv2
import numpy as np

# The side of the stored copies; training crops its own square from them.
STORED_PX = 144


def stretch(pixels: np.ndarray, side_px: int = STORED_PX) -> np.ndarray:
    """Stretch the whole picture to a square, as the labeler does: with bilinear interpolation and no antialiasing.

    Args:
        pixels: (height, width, 3) uint8.
        side_px: The side of the square.

    Returns:
        (side_px, side_px, 3) uint8.
    """
    return np.asarray(cv2.resize(pixels, (side_px, side_px), interpolation=cv2.INTER_LINEAR))


def make_copy(pixels: np.ndarray, rng: np.random.Generator, least_area: float = 0.45) -> np.ndarray:
    """Crop a part of a picture, rotate it slightly, and change its light.

    Args:
        pixels: (height, width, 3) uint8 RGB.
        rng: The source of all random choices.
        least_area: The smallest share of the picture's area for the part.

    Returns:
        (STORED_PX, STORED_PX, 3) uint8 RGB.
    """
    height, width = pixels.shape[:2]
    area, aspect = rng.uniform(least_area, 1.0), np.exp(rng.uniform(-0.25, 0.25))
    part_width = min(width, max(16, round(width * np.sqrt(area) * aspect)))
    part_height = min(height, max(16, round(height * np.sqrt(area) / aspect)))
    x, y = int(rng.integers(width - part_width + 1)), int(rng.integers(height - part_height + 1))
    part = pixels[y : y + part_height, x : x + part_width]
    # Frames are also shrunk without antialiasing; because they are larger, they become coarser than these photographs.
    interpolation = (cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_NEAREST)[rng.choice(3, p=(0.5, 0.25, 0.25))]
    small = np.asarray(cv2.resize(part, (STORED_PX, STORED_PX), interpolation=interpolation))
    if rng.random() < 0.4:
        center = (STORED_PX / 2, STORED_PX / 2)
        matrix = cv2.getRotationMatrix2D(center, rng.uniform(-20, 20), rng.uniform(1.0, 1.15))
        small = np.asarray(
            cv2.warpAffine(
                small, matrix, (STORED_PX, STORED_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
            )
        )
    return vary_light(small, rng)


def vary_light(pixels: np.ndarray, rng: np.random.Generator, hue: float = 6.0) -> np.ndarray:
    """Change brightness, contrast, saturation, and slightly the hue; convert some pictures to gray, and blur others.

    Args:
        pixels: (height, width, 3) uint8 RGB.
        rng: The source of the random amounts.
        hue: The largest change of hue, in OpenCV's steps of 2 degrees; 0 keeps the hue.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    values = pixels.astype(np.float32)
    values = (values - 128) * rng.uniform(0.7, 1.3) + 128 + rng.uniform(-28, 28)
    gray = values.mean(axis=2, keepdims=True)
    values = gray + (values - gray) * (rng.uniform(0.4, 1.5) if rng.random() > 0.04 else 0.0)
    values *= rng.uniform(0.92, 1.08, 3).astype(np.float32)
    result = to_bytes(values)
    if hue:
        result = shift_hue(result, round(rng.uniform(-hue, hue)))
    if rng.random() < 0.15:
        result = np.asarray(cv2.GaussianBlur(result, (0, 0), rng.uniform(0.5, 1.4)))
    return result


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Convert pixel values of any dtype to uint8: clip to 0 to 255 and discard the fraction; same shape."""
    pixels: np.ndarray = np.clip(values, 0, 255).astype(np.uint8)
    return pixels


def shift_hue(pixels: np.ndarray, steps: int) -> np.ndarray:
    """Rotate all hues of (height, width, 3) uint8 RGB by a number of OpenCV's steps of 2 degrees."""
    hsv = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV))
    hsv[..., 0] = (hsv[..., 0].astype(np.int16) + steps) % 180
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))
