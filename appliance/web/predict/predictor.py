"""Label pictures of clients with a labeler of its own, so that live labeling does not wait for them.

One request is answered at a time, on one thread of low priority. The labeler follows the active model: it is loaded
again for the next request after a swap.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from appliance.bundle.bundle import Bundle
from appliance.bundle.input_spec import list_common_ranges, override
from appliance.bundle.key import bundle_key
from appliance.errors import RequestError
from appliance.system.threads import lower_thread_priority
from appliance.web.predict.ahead import RESTARTING, AheadDecoder
from appliance.web.predict.pictures import decode_picture

MAX_PICTURES = 16
# The pictures of each waiting request are in memory.
_MAX_WAITING = 6
_SHOWN_LABELS = 5
_Result = TypeVar("_Result")
_Source = TypeVar("_Source")


@dataclass(frozen=True, slots=True)
class Prediction:
    """The scores of one picture, (labels,) float32, and the bundle of the model."""

    scores: np.ndarray
    bundle: Bundle


class Predictor:
    """Labels pictures. Safe to use from any thread."""

    def __init__(self, active_bundle: Callable[[], Bundle], open_labeler: Callable[[Bundle], Any]):
        """Prepare; the labeler is loaded with the first picture.

        Args:
            active_bundle: Returns the bundle of the active model.
            open_labeler: Returns a labeler for whole pictures.
        """
        self._active_bundle, self._open_labeler = active_bundle, open_labeler
        self._worker = ThreadPoolExecutor(1, "web-predict", initializer=lower_thread_priority)
        self._decoder = AheadDecoder()
        self._waiting = threading.BoundedSemaphore(_MAX_WAITING)
        self._labeler: Any = None
        self._bundle: Bundle | None = None
        self._key: str | None = None

    def submit(self, work: Callable[[], _Result]) -> Future[_Result]:
        """Run `work` on the thread of predictions; it may call `predict` there.

        Raises:
            RequestError: Too many requests wait, or the device is restarting.
        """
        if not self._waiting.acquire(blocking=False):
            raise RequestError(503, "too many predictions wait; try again in a moment")
        try:
            future = self._worker.submit(work)
        except RuntimeError as error:  # the worker was shut down
            self._waiting.release()
            raise RequestError(503, RESTARTING) from error
        future.add_done_callback(lambda _: self._waiting.release())
        return future

    def predict(self, sources: Sequence[_Source], read: Callable[[_Source, int], bytes]) -> list[Prediction]:
        """Decode and label pictures; only in work for `submit`.

        Args:
            sources: What the files are read from.
            read: Returns the file of a source and its number; called on another thread if there are several.

        Raises:
            PictureError: One of them is no picture; the text names its number.
            ModelError: The model cannot be run.
        """
        labeler = self._use_active()
        least_px = max(labeler.input_px)
        decoded = (
            decode_picture(read(source, number), f"instance {number}", least_px)
            for number, source in enumerate(sources)
        )

        def label(pixels: np.ndarray) -> Prediction:
            return Prediction(labeler.score(pixels), labeler.bundle)

        if len(sources) == 1:
            return [label(next(decoded))]
        return self._decoder.use_each(decoded, label)

    def try_picture(self, pixels: np.ndarray) -> dict[str, Any]:
        """Label one picture, and wait for it; with an assumed input range, also under each common range.

        Args:
            pixels: (height, width, 3) uint8 RGB.
        """

        def work() -> dict[str, Any]:
            labeler = self._use_active()
            bundle = labeler.bundle
            answer: dict[str, Any] = {
                "labels": _list_best(bundle, labeler.score(pixels)),
                "inference_ms": round(labeler.inference_ms, 2),
                "threshold": bundle.confidence_threshold,
                "input": bundle.input.describe(),
            }
            if bundle.input.is_assumed:
                answer["ranges"] = {
                    name: _list_best(
                        bundle,
                        self._open_labeler(replace(bundle, input=override(bundle.input, declared))).score(pixels),
                    )
                    for name, declared in list_common_ranges().items()
                }
            return answer

        return self.submit(work).result()

    def close(self) -> None:
        """Stop the threads after the current request."""
        self._worker.shutdown(wait=False, cancel_futures=True)
        self._decoder.close()

    def _use_active(self) -> Any:
        bundle = self._active_bundle()
        if bundle is not self._bundle:
            # Computing the key takes longer than reading a small picture.
            key = f"{bundle_key(bundle)} {bundle.input}"
            if key != self._key:
                self._labeler, self._key = self._open_labeler(bundle), key
            self._bundle = bundle
        return self._labeler


def _list_best(bundle: Bundle, scores: np.ndarray) -> list[dict[str, Any]]:
    best = (-scores).argsort(kind="stable")[:_SHOWN_LABELS].tolist()
    return [{"label": bundle.labels[index], "score": round(float(scores[index]), 6), "index": index} for index in best]
