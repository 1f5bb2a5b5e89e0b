"""Run a base on many pictures, in as many processes as there are processors."""

import io
import os
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import joblib
import numpy as np

from appliance.errors import ApplianceError
from appliance.imaging.files import read_picture
from appliance.imaging.view import View
from appliance.labeling.interpreter import LoadedModel, resolve_runtime
from appliance.labeling.preprocess import Preprocessor
from appliance.workshop.training.base import Base

# For fewer pictures, threads are faster: starting a process takes as long as running a base on this many pictures.
MIN_FOR_PROCESSES = 400
# The most pictures that one task contains: enough to make the exchange between processes cheap.
_TASK_PICTURES = 16
_WATCH_EVERY_S = 1.0

_Outcome = np.ndarray | str


@dataclass(frozen=True, slots=True)
class _Job:
    """What all tasks share: the base, and the runtime of this process."""

    base: Base
    runtime: str


# A model for each thread of this process, under what determines it.
_own = threading.local()


def count_workers() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0))


def compute_features(
    base: Base, pictures: Iterable[tuple[int, Any]], count: int, workers: int | None = None
) -> Iterator[tuple[int, _Outcome]]:
    """Yield (index, stored features or the reason for their absence) in the order of completion.

    Args:
        base: Computes the features.
        pictures: Index and picture (see features.Picture); consumed only as fast as the work proceeds.
        count: The expected number of pictures.
        workers: The number of processes or threads; None for one per processor.

    Raises:
        BundleError: The base does not run.
    """
    workers = workers or count_workers()
    has_processes = workers > 1 and count >= MIN_FOR_PROCESSES
    # Without max_nbytes, joblib would put the base into a file in /dev/shm, which a killed run leaves behind.
    pool = joblib.Parallel(
        n_jobs=workers,
        backend="loky" if has_processes else "threading",
        return_as="generator_unordered",
        batch_size=1,
        pre_dispatch=2 * workers,
        max_nbytes=None,
        **({"initializer": _end_with, "initargs": (os.getpid(),)} if has_processes else {}),
    )
    size = _TASK_PICTURES if has_processes else 1
    # What only a head needs would be sent with each task.
    job = _Job(replace(base, published=None, classifier=None), resolve_runtime("auto"))
    tasks = (joblib.delayed(_compute)(job, part) for part in _divide(pictures, size))
    for outcomes in pool(tasks):
        yield from outcomes


def _divide(pictures: Iterable[tuple[int, Any]], size: int) -> Iterator[list[tuple[int, Any]]]:
    pending = iter(pictures)
    while part := list(islice(pending, size)):
        yield part


def _compute(job: _Job, pictures: list[tuple[int, Any]]) -> list[tuple[int, _Outcome]]:
    return [(index, _compute_one(job, picture)) for index, picture in pictures]


def _end_with(parent: int) -> None:
    """Let this worker end with its parent; one that was killed while it sent a task leaves it waiting for the rest."""
    threading.Thread(target=_watch, args=(parent,), name="parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_EVERY_S)
    os._exit(1)


def _compute_one(job: _Job, picture: Any) -> _Outcome:
    base = job.base
    key = base.sha256, base.input, job.runtime
    if getattr(_own, "key", None) != key:
        _own.model = LoadedModel(base.trunk, base.display_name, job.runtime, 1)
        _own.preparer = Preprocessor(View(), base.form)
        _own.key = key
    try:
        pixels = read_picture(io.BytesIO(picture.read_bytes()), picture.name)
    except (OSError, ApplianceError) as error:
        return str(error)
    _own.model.write(_own.preparer.prepare(pixels))
    _own.model.invoke()
    features: np.ndarray = _own.model.read().reshape(-1)
    return features
