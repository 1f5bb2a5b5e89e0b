"""Decide which pictures of a recording are worth keeping: neither blurred nor nearly the same as one before.

A picture is blurred if its sharpness is far below that of the sharp ones of the same recording. The first pictures have
nothing to be compared with, so those that prove to be blurred are named at the end.
"""

import secrets
from collections.abc import Iterable
from enum import StrEnum

import numpy as np

from appliance.imaging.files import resize_to_square
from appliance.imaging.fingerprint import NEAR, THUMBNAIL_PX, compute_signatures
from appliance.teaching.sharpness import measure_sharpness

# Measured on 9 photographs: moved by 8 of 320 pixels, they have .14 to .23 of their sharpness, by 4 pixels .27 to .50;
# sharp parts of them, down to 60% of each side, have .51 or more.
BLURRED_SHARE = 0.35
# The sharpness of the recording is this quantile of its pictures, so that a few blurred ones do not lower it.
_SHARP_QUANTILE = 0.7
_LEAST_COMPARED = 3
MAX_COMPARED = 512


class PictureVerdict(StrEnum):
    """What became of a picture of a recording."""

    KEPT = "kept"
    BLURRED = "blurred"
    SIMILAR = "similar"


class RecentSignatures:
    """The signatures of the last MAX_COMPARED pictures, in one array, so that comparing copies nothing."""

    def __init__(self) -> None:
        """Start without pictures."""
        self._rows: np.ndarray | None = None
        self._count = 0

    def add(self, signature: np.ndarray) -> None:
        """Add a signature, in place of the oldest one if there is no room.

        Args:
            signature: (1444,) float32.
        """
        if self._rows is None:
            self._rows = np.zeros((MAX_COMPARED, len(signature)), np.float32)
        self._rows[self._count % MAX_COMPARED] = signature
        self._count += 1

    def compare(self, signature: np.ndarray) -> float:
        """Return the similarity to the most similar picture; −1 without one."""
        if self._rows is None:
            return -1.0
        # Not the operator @, whose library computes on threads that wait busily and so delay the labeling.
        return float(np.einsum("ij,j->i", self._rows[: min(self._count, MAX_COMPARED)], signature).max())


class Burst:
    """The pictures of one recording. Not thread-safe.

    Attributes:
        recording: The id of the recording.
        kept: How many pictures were kept.
        dropped: How many were not.
        last: What became of the last one; None before the first.
    """

    def __init__(self, known: Iterable[np.ndarray] = (), drops_blurred: bool = True):
        """Start a recording.

        Args:
            known: The signatures of earlier pictures of the same thing, (1444,) float32 each.
            drops_blurred: Whether blurred pictures are dropped; not for background, where plain walls are welcome.
        """
        self.recording = secrets.token_hex(4)
        self.kept = self.dropped = 0
        self.last: PictureVerdict | None = None
        self._signatures = RecentSignatures()
        for signature in known:
            self._signatures.add(signature)
        self._sharpness: list[float] = []
        self._kept_sharpness: dict[str, float] = {}
        self._drops_blurred = drops_blurred

    def judge(self, pixels: np.ndarray) -> PictureVerdict:
        """Return whether a picture is to be kept; report a written one with `note_kept`.

        Args:
            pixels: (height, width, 3) uint8 RGB.
        """
        sharpness = measure_sharpness(pixels)
        self._sharpness.append(sharpness)
        if sharpness < self._limit():
            return self._drop(PictureVerdict.BLURRED)
        signature = compute_signature(pixels)
        if self._signatures.compare(signature) >= NEAR:
            return self._drop(PictureVerdict.SIMILAR)
        self._signatures.add(signature)
        return PictureVerdict.KEPT

    def note_kept(self, picture_id: str) -> None:
        """Note that the picture judged last was written."""
        self.kept += 1
        self.last = PictureVerdict.KEPT
        self._kept_sharpness[picture_id] = self._sharpness[-1]

    def take_blurred(self) -> list[str]:
        """Return the kept pictures that are blurred compared with the whole recording; they count as dropped now."""
        limit = self._limit()
        found = [picture_id for picture_id, sharpness in self._kept_sharpness.items() if sharpness < limit]
        for picture_id in found:
            del self._kept_sharpness[picture_id]
        self.kept -= len(found)
        self.dropped += len(found)
        return found

    def _limit(self) -> float:
        if not self._drops_blurred or len(self._sharpness) < _LEAST_COMPARED:
            return 0.0
        return BLURRED_SHARE * float(np.quantile(self._sharpness, _SHARP_QUANTILE))

    def _drop(self, verdict: PictureVerdict) -> PictureVerdict:
        self.dropped += 1
        self.last = verdict
        return verdict


def compute_signature(pixels: np.ndarray) -> np.ndarray:
    """Return the signature of one picture, (1444,) float32; see imaging/fingerprint.

    Args:
        pixels: (height, width, 3) uint8 RGB.
    """
    thumbnail = resize_to_square(pixels, THUMBNAIL_PX)
    signature: np.ndarray = compute_signatures(thumbnail[np.newaxis])[0]
    return signature
