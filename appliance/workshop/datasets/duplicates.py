"""Finds pictures that are in a dataset more than once: the same bytes, or the same to people (appliance.perceptual).

Near duplicates on both sides of a split make a model look better than it is, so splits are dealt out by the groups found
here. Every pair is compared, in blocks: 3,000 pictures are 4.5 million pairs and take a second; reading them takes longer.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from appliance.errors import PictureError
from appliance.imaging.files import picture_format, thumbnail
from appliance.imaging.fingerprint import NEAR, THUMBNAIL_PX, signatures
from appliance.workshop.datasets.dataset import Example

_BLOCK = 512


@dataclass(frozen=True, slots=True)
class PictureScan:
    """What one reading of a picture gave.

    Attributes:
        sha256: Of the file's bytes; None where they could not be read.
        format: JPEG, PNG, …; None where it could not be read.
        thumbnail: (16, 16, 3) uint8; None where it is no picture, or a damaged one.
        fault: Why, in a sentence.
    """

    sha256: bytes | None
    format: str | None
    thumbnail: np.ndarray | None
    fault: str | None = None


def look(
    examples: Sequence[Example], progress: Callable[[int, int], None] = lambda done, total: None
) -> list[PictureScan]:
    """Reads and decodes every picture once, on all processors.

    Args:
        examples: In any order; the answer has the same.
        progress: Told how many of how many are done.
    """
    looks = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, result in enumerate(pool.map(_look, examples), 1):
            looks.append(result)
            progress(done, len(examples))
    return looks


def near_groups(looks: Sequence[PictureScan]) -> np.ndarray:
    """Which pictures are near duplicates of each other, mirrored ones too; near is passed on (a ~ b ~ c is one group).

    Returns:
        (n,) int: the group of each picture, numbered in the order of their first pictures; one that is like no other
        has a group of its own.
    """
    numbers = _Union(len(looks))
    readable = [place for place, seen in enumerate(looks) if seen.thumbnail is not None]
    if readable:
        thumbnails = np.stack([looks[place].thumbnail for place in readable])
        # Equal thumbnails first, so that a thousand copies of one picture are not half a million pairs.
        unique, first, of = np.unique(
            thumbnails.reshape(len(readable), -1), axis=0, return_index=True, return_inverse=True
        )
        for place, group in zip(readable, of.reshape(-1), strict=True):
            numbers.join(place, readable[first[group]])
        for one, other in _near_pairs(unique.reshape(-1, THUMBNAIL_PX, THUMBNAIL_PX, 3)):
            numbers.join(readable[first[one]], readable[first[other]])
    return numbers.groups()


def same_bytes(looks: Sequence[PictureScan]) -> list[list[int]]:
    """The places of pictures whose files are the same, in groups of two and more."""
    by_hash: dict[bytes, list[int]] = {}
    for place, seen in enumerate(looks):
        if seen.sha256 is not None:
            by_hash.setdefault(seen.sha256, []).append(place)
    return [places for places in by_hash.values() if len(places) > 1]


def _look(example: Example) -> PictureScan:
    sha256 = form = None
    try:
        content = example.read_bytes()
        sha256, form = hashlib.sha256(content).digest(), picture_format(content[:64])
        return PictureScan(sha256, form, thumbnail(content, example.name, THUMBNAIL_PX))
    except PictureError as error:
        return PictureScan(sha256, form, None, str(error))


def _near_pairs(thumbnails: np.ndarray) -> Iterator[tuple[int, int]]:
    straight, mirrored = signatures(thumbnails), signatures(thumbnails[:, :, ::-1])
    for start in range(0, len(straight), _BLOCK):
        rows, rest = straight[start : start + _BLOCK], slice(start, None)
        alike = np.maximum(rows @ straight[rest].T, rows @ mirrored[rest].T)
        for one, other in np.argwhere(alike >= NEAR):
            if one < other:
                yield start + int(one), start + int(other)


class _Union:
    """Groups that grow by joining; the smallest place stands for its group."""

    def __init__(self, count: int):
        self._above = list(range(count))

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self._top(one), self._top(other)))
        self._above[high] = low

    def groups(self) -> np.ndarray:
        tops = [self._top(place) for place in range(len(self._above))]
        numbers = {top: number for number, top in enumerate(dict.fromkeys(tops))}
        return np.array([numbers[top] for top in tops], int)

    def _top(self, place: int) -> int:
        while self._above[place] != place:
            self._above[place] = self._above[self._above[place]]
            place = self._above[place]
        return place
