"""Find pictures that a dataset contains more than once: with the same bytes or the same appearance.

Near duplicates in different splits make a model look better than it is, so each group that is found here is assigned to
one split. The thumbnails are cached beside the features of training, so that unchanged pictures are not decoded again.
"""

import dataclasses
import hashlib
import math
import os
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from appliance.errors import PictureError
from appliance.imaging.files import detect_picture_format, make_thumbnail
from appliance.imaging.fingerprint import THUMBNAIL_PX
from appliance.workshop.datasets.dataset import Example
from appliance.workshop.datasets.near_pairs import find_near_pairs
from appliance.workshop.training.feature_cache import FeatureCache, FeatureStore

# The key of thumbnails in the cache; increase the number when read_picture or make_thumbnail change.
_CACHE_KEY = f"thumbnail {THUMBNAIL_PX} steps 1"
_THUMBNAIL_SHAPE = (THUMBNAIL_PX, THUMBNAIL_PX, 3)
_AT_ONCE = 512
_NO_CACHE = FeatureCache(None)


@dataclass(frozen=True, slots=True)
class PictureScan:
    """The result of reading one picture.

    Attributes:
        sha256: The hash of the file's bytes; None if they could not be read.
        format: JPEG, PNG, …; None if the file could not be read.
        thumbnail: (16, 16, 3) uint8; None if the file is not a picture or is damaged.
        error: Why `thumbnail` is None.
    """

    sha256: bytes | None
    format: str | None
    thumbnail: np.ndarray | None
    error: str | None = None


def scan_pictures(
    examples: Sequence[Example],
    progress: Callable[[int, int], None] = lambda done, total: None,
    cache: FeatureCache = _NO_CACHE,
) -> list[PictureScan]:
    """Read every picture once, on all processors, and decode those that the cache does not know.

    Args:
        examples: In any order; the result has the same order.
        progress: Called with (done, total) after each picture.
        cache: Stores the thumbnails by the hash of the files.
    """
    scans: list[PictureScan] = []
    with cache.open_store(_CACHE_KEY) as store, ThreadPoolExecutor(os.cpu_count()) as pool:
        known = store.list_pictures()
        for start in range(0, len(examples), _AT_ONCE):
            part = []
            for scan in pool.map(lambda example: _scan_picture(example, known), examples[start : start + _AT_ONCE]):
                part.append(scan)
                progress(start + len(part), len(examples))
            scans += _complete(part, examples[start : start + _AT_ONCE], known, store)
    return scans


def group_near_duplicates(scans: Sequence[PictureScan], recordings: Sequence[str] = ()) -> np.ndarray:
    """Group pictures that are near duplicates of each other, mirrored ones included.

    Nearness is transitive: if a ~ b and b ~ c, all three are one group.

    Args:
        scans: The pictures.
        recordings: The recording of each picture; pictures of one recording are one group. If empty, none is known.

    Returns:
        (pictures,) int: the group of each picture, numbered in the order of their first pictures; a picture without
        near duplicates is the only one in its group.
    """
    groups = _DisjointSets(len(scans))
    first_of: dict[str, int] = {}
    for index, recording in enumerate(recordings):
        groups.join(index, first_of.setdefault(recording, index))
    readable = [(index, scan.thumbnail) for index, scan in enumerate(scans) if scan.thumbnail is not None]
    if readable:
        indexes = [index for index, _ in readable]
        thumbnails = np.stack([pixels for _, pixels in readable])
        # Join equal thumbnails first, so that a thousand copies of one picture do not produce half a million pairs.
        unique, first, inverse = np.unique(
            thumbnails.reshape(len(readable), -1), axis=0, return_index=True, return_inverse=True
        )
        for index, group in zip(indexes, inverse.reshape(-1), strict=True):
            groups.join(index, indexes[first[group]])
        for one, other in find_near_pairs(unique.reshape(-1, THUMBNAIL_PX, THUMBNAIL_PX, 3)):
            groups.join(indexes[first[one]], indexes[first[other]])
    return groups.number()


def group_equal_files(scans: Sequence[PictureScan]) -> list[list[int]]:
    """Return the indexes of pictures whose files have the same bytes, in groups of two or more."""
    by_hash: dict[bytes, list[int]] = {}
    for index, scan in enumerate(scans):
        if scan.sha256 is not None:
            by_hash.setdefault(scan.sha256, []).append(index)
    return [indexes for indexes in by_hash.values() if len(indexes) > 1]


def _scan_picture(example: Example, known: Set[bytes] = frozenset()) -> PictureScan:
    """Read and decode a picture; if its thumbnail is known, only read it: `thumbnail` and `error` are None."""
    sha256 = picture_format_name = None
    try:
        content = example.read_bytes()
        sha256, picture_format_name = hashlib.sha256(content).digest(), detect_picture_format(content[:64])
        if sha256 in known:
            return PictureScan(sha256, picture_format_name, None)
        return PictureScan(sha256, picture_format_name, make_thumbnail(content, example.name, THUMBNAIL_PX))
    except PictureError as error:
        return PictureScan(sha256, picture_format_name, None, str(error))


def _complete(
    scans: Sequence[PictureScan], examples: Sequence[Example], known: Set[bytes], store: FeatureStore
) -> Iterator[PictureScan]:
    """Yield the scans with their thumbnails, and store the new ones."""
    hashes = [scan.sha256 for scan in scans if scan.sha256 in known and scan.sha256 is not None]
    cached = store.get(hashes, np.dtype(np.uint8), math.prod(_THUMBNAIL_SHAPE))
    for scan, example in zip(scans, examples, strict=True):
        if scan.thumbnail is not None and scan.sha256 is not None:
            store.put(scan.sha256, scan.thumbnail)
            yield scan
        elif scan.error is not None or scan.sha256 is None:
            yield scan
        elif (thumbnail := cached.get(scan.sha256)) is not None:
            yield dataclasses.replace(scan, thumbnail=thumbnail.reshape(_THUMBNAIL_SHAPE))
        else:  # the cache has lost it since
            yield _scan_picture(example)


class _DisjointSets:
    """Groups that grow by joining (union-find); the smallest index represents its group."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def join(self, one: int, other: int) -> None:
        """Merge the groups of two members."""
        low, high = sorted((self._find_root(one), self._find_root(other)))
        self._parents[high] = low

    def number(self) -> np.ndarray:
        """Return the number of each member's group, in the order of first members."""
        roots = [self._find_root(index) for index in range(len(self._parents))]
        numbers = {root: number for number, root in enumerate(dict.fromkeys(roots))}
        return np.array([numbers[root] for root in roots], int)

    def _find_root(self, index: int) -> int:
        while self._parents[index] != index:
            self._parents[index] = self._parents[self._parents[index]]
            index = self._parents[index]
        return index
