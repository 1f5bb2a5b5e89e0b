"""Read the QR code that a command printed on a terminal, as a phone's camera does."""

import re

import cv2
import numpy as np

_MODULE_PX = (8, 5, 12, 3)
_COLORS = re.compile(r"\x1b\[[0-9;]*m")
# Each character of the compact form has two modules, one above the other.
_HALVES = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0), "\xa0": (0, 0)}


def read_qr_code(text: str) -> str:
    """Return what the QR code in a terminal's output encodes; "" if there is none."""
    lines = [_COLORS.sub("", line).rstrip("\r") for line in text.split("\n")]
    drawn = [line for line in lines if set(line) & set("█▀▄") and set(line) <= set(_HALVES)]
    if not drawn:
        return ""
    width = max(map(len, drawn))
    halves = [[_HALVES[character] for character in line.ljust(width)] for line in drawn]
    modules = np.array([[pair[row] for pair in line] for line in halves for row in (0, 1)], np.uint8)
    # Like a phone, which tries again at another distance: OpenCV now and then misses a code in one size.
    for side_px in _MODULE_PX:
        picture = np.kron(np.pad(modules, 4, constant_values=1), np.ones((side_px, side_px), np.uint8)) * 255
        for shown in (picture, 255 - picture):  # terminals are dark or light
            if found := cv2.QRCodeDetector().detectAndDecode(shown)[0]:
                return found
    return ""
