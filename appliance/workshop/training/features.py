"""Extract features: compute the output of a base for each picture, once, and cache it.

Features are computed by the same steps as on a device (read_picture, Preprocessor, the runtime with its accelerated
kernels), because other kernels give values that differ by up to 42 quantization steps. Extraction takes nearly all of
the training time, so each picture is processed only once: a cache stores its features under the hash of the picture's
bytes and everything else that determines them (the base, its normalization, the runtime, the steps). After adding 50
pictures to 1,000, only those 50 are processed.

The result does not depend on the number of threads, because each picture is processed separately, on one thread of the
runtime.
"""

import hashlib
import io
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from appliance.errors import ApplianceError
from appliance.imaging.files import read_picture
from appliance.imaging.view import View
from appliance.labeling.interpreter import LoadedModel
from appliance.labeling.preprocess import Preprocessor
from appliance.workshop.training.base import Base
from appliance.workshop.training.feature_cache import FeatureCache

MAX_THREADS = 8
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


@dataclass(frozen=True, slots=True)
class Features:
    """The features of a list of pictures.

    Attributes:
        values: (kept, size) float64, dequantized.
        kept: (kept,) the indexes of the pictures that were read.
        unreadable: (name, reason) of the pictures that could not be read.
        left_out: The number of pictures that were not processed because the time ran out.
        computed: The number of pictures that were not in the cache.
    """

    values: np.ndarray
    kept: np.ndarray
    unreadable: tuple[tuple[str, str], ...]
    left_out: int
    computed: int


def count_threads() -> int:
    """Return the number of processors that this process may use, at most MAX_THREADS."""
    return min(MAX_THREADS, len(os.sched_getaffinity(0)))


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
    digests, unreadable = _hash_pictures(pictures)
    with cache.open_store(_cache_key(base)) as store:
        found = store.get([digest for digest in digests if digest is not None], base.pooled.dtype, base.pooled.size)
        # Of identical pictures, only the first one is processed.
        first = {digest: index for index, digest in reversed(list(enumerate(digests))) if digest is not None}
        missing = {index: digest for digest, index in first.items() if digest not in found}
        cached = len(pictures) - len(missing)
        progress(cached, len(pictures))
        computed = 0
        for index, outcome in _Workers(base, pictures).run(sorted(missing), deadline_s):
            computed += 1
            if isinstance(outcome, str):
                unreadable[index] = outcome
            else:
                found[missing[index]] = outcome
                store.put(missing[index], outcome)
            progress(cached + computed, len(pictures))
    _mark_duplicates(digests, unreadable)
    rows = [(index, found[digest]) for index, digest in enumerate(digests) if digest is not None and digest in found]
    empty = np.empty((0, base.pooled.size), base.pooled.dtype)
    return Features(
        values=base.pooled.dequantize(np.stack([stored for _, stored in rows]) if rows else empty),
        kept=np.array([index for index, _ in rows], np.intp),
        unreadable=tuple((pictures[index].name, unreadable[index]) for index in sorted(unreadable)),
        left_out=len(pictures) - len(rows) - len(unreadable),
        computed=computed,
    )


def _cache_key(base: Base) -> str:
    """Return everything that determines a picture's features; the trunk's hash does not include the preparation."""
    spec = base.input
    preparation = f"mean {spec.mean} std {spec.std} {spec.channel_order} {spec.resize}"
    return f"{base.sha256} {base.runtime} {os.uname().machine} {preparation} steps {STEPS_VERSION}"


def _hash_pictures(pictures: Sequence[Picture]) -> tuple[list[bytes | None], dict[int, str]]:
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


class _Workers:
    """Threads that each load the base; the runtime and the decoders release the GIL."""

    def __init__(self, base: Base, pictures: Sequence[Picture]) -> None:
        self._base = base
        self._pictures = pictures
        self._own = threading.local()

    def run(self, indexes: Sequence[int], deadline_s: float | None) -> Iterator[tuple[int, np.ndarray | str]]:
        """Yield (index, stored features or the reason for their absence) in the order of completion."""
        pending = iter(indexes)
        running: dict[Future[np.ndarray | str], int] = {}
        threads = count_threads()
        with ThreadPoolExecutor(threads, "features") as pool:
            try:
                while True:
                    # Submit more tasks than there are threads, so that no worker waits for this thread.
                    while len(running) < 2 * threads and not (
                        deadline_s is not None and time.monotonic() >= deadline_s
                    ):
                        if (index := next(pending, None)) is None:
                            break
                        running[pool.submit(self._compute, index)] = index
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        yield running.pop(future), future.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _compute(self, index: int) -> np.ndarray | str:
        if not hasattr(self._own, "model"):
            base = self._base
            self._own.model = LoadedModel(base.trunk, base.display_name, "auto", 1)
            self._own.preparer = Preprocessor(View(), base.form)
        model: LoadedModel = self._own.model
        picture = self._pictures[index]
        try:
            pixels = read_picture(io.BytesIO(picture.read_bytes()), picture.name)
        except (OSError, ApplianceError) as error:
            return str(error)
        model.write(self._own.preparer.prepare(pixels))
        model.invoke()
        return model.read().reshape(-1)
