"""Pictures → features: what a base sees in each picture, computed once and remembered.

Features are made by the very steps that will serve (read_picture, Preparer, the runtime with its accelerated
kernels): other kernels give values that differ by up to 42 quantisation steps. This is nearly all the time that
training takes, so each picture is done once: a cache holds the features by the hash of the picture's bytes and by all
that decides what is seen in it (the base, its normalisation, the runtime, the steps), and adding 50 pictures to 1,000
costs 50.

The result does not depend on the number of threads: each picture is run by itself, on one thread of the runtime.
"""

import hashlib
import io
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from appliance.errors import ApplianceError
from appliance.imaging.files import read_picture
from appliance.imaging.view import View
from appliance.labeling.interpreter import LoadedModel
from appliance.labeling.preprocess import Preparer
from appliance.workshop.training.base import Base
from appliance.workshop.training.feature_cache import FeatureCache

log = logging.getLogger(__name__)

MAX_THREADS = 8
# Of read_picture and Preparer: one more whenever they make another input of the same picture, so that no training takes
# features that were made the old way.
STEPS_VERSION = 1


class Picture(Protocol):
    """What an Example of a dataset gives: its name for people and its bytes."""

    name: str

    def read_bytes(self) -> bytes:
        """The picture file's bytes; raises OSError or an ApplianceError."""
        ...


@dataclass(frozen=True, slots=True)
class Features:
    """What was seen in a list of pictures.

    Attributes:
        values: (kept, size) float64, dequantised.
        kept: (kept,) the places in the list of the pictures that were read.
        unreadable: (name, reason) of those that could not be.
        left_out: How many were not looked at because the time was up.
        computed: How many were not in the cache.
    """

    values: np.ndarray
    kept: np.ndarray
    unreadable: tuple[tuple[str, str], ...]
    left_out: int
    computed: int


def count_threads() -> int:
    """As many as this process has processors, within reason."""
    return min(MAX_THREADS, len(os.sched_getaffinity(0)))


def extract_features(
    base: Base,
    pictures: Sequence[Picture],
    cache: FeatureCache,
    progress: Callable[[int, int], None] = lambda done, total: None,
    deadline_s: float | None = None,
) -> Features:
    """Computes or remembers the features of pictures.

    Args:
        base: What looks at them.
        pictures: Looked at in this order.
        cache: Where features are kept.
        progress: Called with (done, total) now and then, from the calling thread.
        deadline_s: On the monotonic clock; pictures that were not begun by then are left out.

    Raises:
        BundleError: The base does not run.
    """
    found: dict[bytes, np.ndarray] = {}
    hashes, unreadable = _hashes(pictures)
    with cache.open_store(_maker(base)) as shelf:
        wanted = [digest for digest in hashes if digest is not None]
        found.update(shelf.get(wanted, base.pooled.dtype, base.pooled.size))
        # Of pictures that are the same, the first is looked at.
        first = {digest: place for place, digest in reversed(list(enumerate(hashes)))}
        todo = sorted(place for digest, place in first.items() if digest is not None and digest not in found)
        remembered = len(pictures) - len(todo)
        progress(remembered, len(pictures))
        workers = _Workers(base, pictures)
        done = 0
        for place, outcome in workers.run(todo, deadline_s):
            done += 1
            if isinstance(outcome, str):
                unreadable[place] = outcome
            else:
                found[hashes[place]] = outcome
                shelf.put(hashes[place], outcome)
            progress(remembered + done, len(pictures))
    kept = [place for place, digest in enumerate(hashes) if digest is not None and digest in found]
    bad = {hashes[place] for place in unreadable} - {None}
    unreadable |= {
        place: "is the same as another that cannot be read"
        for place, digest in enumerate(hashes)
        if digest in bad and place not in unreadable
    }
    stored = (
        np.stack([found[hashes[place]] for place in kept])
        if kept
        else np.empty((0, base.pooled.size), base.pooled.dtype)
    )
    return Features(
        values=base.pooled.dequantize(stored),
        kept=np.array(kept, np.intp),
        unreadable=tuple((pictures[place].name, unreadable[place]) for place in sorted(unreadable)),
        left_out=len(pictures) - len(kept) - len(unreadable),
        computed=done,
    )


def _maker(base: Base) -> str:
    """All that decides which features a picture has; the trunk's hash does not cover the normalisation, which is metadata."""
    normalisation = f"mean {base.mean} std {base.std}"
    return f"{base.sha256} {base.runtime} {os.uname().machine} {normalisation} steps {STEPS_VERSION}"


def _hashes(pictures: Sequence[Picture]) -> tuple[list[bytes | None], dict[int, str]]:
    """The hash of each picture file; of those that cannot be read, None and the reason by place."""
    hashes: list[bytes | None] = []
    unreadable: dict[int, str] = {}
    for place, picture in enumerate(pictures):
        try:
            hashes.append(hashlib.sha256(picture.read_bytes()).digest())
        except (OSError, ApplianceError) as error:
            hashes.append(None)
            unreadable[place] = str(error)
    return hashes, unreadable


class _Workers:
    """Threads that each have the base loaded; the runtime and the decoders let the others run meanwhile."""

    def __init__(self, base: Base, pictures: Sequence[Picture]):
        self._base = base
        self._pictures = pictures
        self._own = threading.local()

    def run(self, places: Sequence[int], deadline_s: float | None):
        """Yields (place, stored features or the reason why not) as they come."""
        waiting = iter(places)
        running: dict[Future, int] = {}
        threads = count_threads()
        with ThreadPoolExecutor(threads, "features") as pool:
            try:
                while True:
                    # A few more than threads, so that none waits for this one.
                    while len(running) < 2 * threads and not (
                        deadline_s is not None and time.monotonic() >= deadline_s
                    ):
                        if (place := next(waiting, None)) is None:
                            break
                        running[pool.submit(self._look, place)] = place
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        yield running.pop(future), future.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _look(self, place: int) -> np.ndarray | str:
        if not hasattr(self._own, "model"):
            base = self._base
            self._own.model = LoadedModel(base.trunk, base.shown, "auto", 1)
            self._own.preparer = Preparer(View(), base.input_px, base.input_dtype, base.mean, base.std)
        picture = self._pictures[place]
        try:
            pixels = read_picture(io.BytesIO(picture.read_bytes()), picture.name)
        except (OSError, ApplianceError) as error:
            return str(error)
        self._own.model.write(self._own.preparer.prepare(pixels))
        self._own.model.invoke()
        return self._own.model.read().reshape(-1)
