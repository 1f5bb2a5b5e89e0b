"""Extract features: compute the output of a base for each picture, once, and cache it.

Features are computed by the same steps as on a device (read_picture, Preprocessor, the runtime with its accelerated
kernels), because other kernels give values that differ by up to 42 quantization steps. Extraction takes nearly all of
the training time, so each picture is processed only once: a cache stores its features under the hash of the picture's
bytes and everything else that determines them (the base, its normalization, the runtime, the steps). After adding 50
pictures to 1,000, only those 50 are processed.

The result does not depend on the number of workers, because each picture is processed separately, on one thread of the
runtime. Many pictures are processed in as many processes as there are processors (joblib); few pictures in threads,
because starting a process takes longer.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from appliance.errors import ApplianceError
from appliance.workshop.training.base import Base
from appliance.workshop.training.feature_cache import FeatureCache, FeatureStore
from appliance.workshop.training.feature_rows import STORED, FeatureFile, FeatureRows
from appliance.workshop.training.feature_workers import compute_features

# The version of read_picture and Preprocessor. Increase it whenever they convert the same picture into a different
# input, so that no training uses features from the old steps.
STEPS_VERSION = 1


class Picture(Protocol):
    """A picture file, such as an Example of a dataset."""

    @property
    def name(self) -> str:
        """The name for display."""
        ...

    def read_bytes(self) -> bytes:
        """Return the file's bytes; raises OSError or an ApplianceError."""
        ...


_LOOKED_UP_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Features:
    """The features of a list of pictures.

    Attributes:
        rows: (kept, size) the features, converted to float64 when they are used.
        kept: (kept,) the indexes of the pictures that were read.
        unreadable: (name, reason) of the pictures that could not be read.
        left_out: The number of pictures that were not processed because the time ran out.
        computed: The number of pictures that were not in the cache.
        digests: The SHA-256 of each kept picture file.
    """

    rows: FeatureRows
    kept: np.ndarray
    unreadable: tuple[tuple[str, str], ...]
    left_out: int
    computed: int
    digests: tuple[bytes, ...] = ()

    @property
    def values(self) -> np.ndarray:
        """(kept, size) float64, all at once."""
        return self.rows[:]


def extract_features(
    base: Base,
    pictures: Sequence[Picture],
    cache: FeatureCache,
    progress: Callable[[int, int], None] = lambda done, total: None,
    deadline_s: float | None = None,
) -> Features:
    """Compute the features of pictures, or get them from the cache.

    Args:
        base: Computes the features.
        pictures: The pictures, which are processed in this order.
        cache: Stores the features.
        progress: Called with (done, total) from time to time, on the calling thread.
        deadline_s: A time on the monotonic clock; pictures that were not started by then are left out.

    Raises:
        BundleError: The base does not run.
    """
    digests, unreadable = hash_pictures(pictures)
    file = FeatureFile(len(pictures), base.size, cache.folder)
    has_row = np.zeros(len(pictures), bool)
    # Of identical pictures, only the first one is processed.
    first = {digest: index for index, digest in reversed(list(enumerate(digests))) if digest is not None}
    with cache.open_store(_cache_key(base)) as store:
        _read_cached(store, first, file, has_row)
        missing = sorted(index for index in first.values() if not has_row[index])
        cached = len(pictures) - len(missing)
        progress(cached, len(pictures))
        computed = 0
        for index, outcome in compute_features(base, _limit_time(pictures, missing, deadline_s), len(missing)):
            computed += 1
            if isinstance(outcome, str):
                unreadable[index] = outcome
            else:
                file.write(index, outcome)
                has_row[index] = True
                store.put(digests[index] or b"", file.read(np.array([index])))
            progress(cached + computed, len(pictures))
    _mark_duplicates(digests, unreadable)
    for index, digest in enumerate(digests):
        if digest is not None and (source := first[digest]) != index and has_row[source]:
            file.copy(source, index)
            has_row[index] = True
    kept = np.flatnonzero(has_row)
    return Features(
        rows=FeatureRows(file, kept),
        kept=kept,
        unreadable=tuple((pictures[index].name, unreadable[index]) for index in sorted(unreadable)),
        left_out=len(pictures) - len(kept) - len(unreadable),
        computed=computed,
        digests=tuple(digests[index] or b"" for index in kept),
    )


def _read_cached(store: FeatureStore, first: dict[bytes, int], file: FeatureFile, has_row: np.ndarray) -> None:
    """Copy the cached features to their rows; `first` maps the hash of a picture to its index."""
    digests = list(first)
    for start in range(0, len(digests), _LOOKED_UP_AT_ONCE):
        part = digests[start : start + _LOOKED_UP_AT_ONCE]
        for digest, values in store.get(part, STORED, file.size).items():
            file.write(first[digest], values)
            has_row[first[digest]] = True


def _limit_time(
    pictures: Sequence[Picture], indexes: Sequence[int], deadline_s: float | None
) -> Iterator[tuple[int, Picture]]:
    """Yield the pictures to process, until the time is over."""
    for index in indexes:
        if deadline_s is not None and time.monotonic() >= deadline_s:
            return
        yield index, pictures[index]


def _cache_key(base: Base) -> str:
    """Return everything that determines a picture's features; the trunk's hash does not include the preparation."""
    spec = base.input
    preparation = f"mean {spec.mean} std {spec.std} {spec.channel_order} {spec.resize}"
    return f"{base.sha256} {base.runtime} {os.uname().machine} {preparation} steps {STEPS_VERSION}"


def hash_pictures(pictures: Sequence[Picture]) -> tuple[list[bytes | None], dict[int, str]]:
    """Return the hash of each picture file (None if it cannot be read), and the reasons by index."""
    digests: list[bytes | None] = []
    unreadable: dict[int, str] = {}
    for index, picture in enumerate(pictures):
        try:
            digests.append(hashlib.sha256(picture.read_bytes()).digest())
        except (OSError, ApplianceError) as error:
            digests.append(None)
            unreadable[index] = str(error)
    return digests, unreadable


def _mark_duplicates(digests: Sequence[bytes | None], unreadable: dict[int, str]) -> None:
    """Add the duplicates of unreadable pictures, which were not processed."""
    bad = {digests[index] for index in unreadable} - {None}
    for index, digest in enumerate(digests):
        if digest in bad and index not in unreadable:
            unreadable[index] = "is identical to another picture that cannot be read"
