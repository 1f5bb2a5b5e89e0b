"""Collect frames worth labeling by hand for the next training run; off by default.

These are frames that the model is unsure about (its best score is in a range around its threshold, or its two best
scores are close), frames that start an event, frames that look unlike everything kept so far, and one frame at a fixed
interval, so that ordinary scenes are included, also with a model that is silent. A picture similar to a recent one is
not kept, and only a picture that is kept counts against max_per_hour, so that a still scene does not use up the hour.
Frames that start an event have a budget of their own. Each picture is a JPEG of exactly the pixels that are resized for
the model (upright, only the region), with the predictions in a .json file of the same stem; `appliance dataset` can
read the folder as it is.

Labeling never waits: it puts a frame into a short queue, and a separate thread compares, encodes and writes. If the
queue is full, frames are dropped. A full disk or an unwritable folder is logged once, and labeling continues. The
folder never exceeds its configured size: the oldest frames are removed first, and only collected frames are ever
removed.
"""

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from appliance.bundle.identity import ModelIdentity
from appliance.collection.budget import HourBudget
from appliance.collection.folder import CollectedFolder
from appliance.collection.rules import describe_rules, find_least_score, find_score_range
from appliance.errors import describe_os_error
from appliance.imaging.files import encode_jpeg, resize_to_square
from appliance.imaging.fingerprint import NEAR, THUMBNAIL_PX, compute_signatures
from appliance.imaging.frame import Frame
from appliance.imaging.view import View
from appliance.labeling.preprocess import crop
from appliance.labeling.tracker import Event
from appliance.settings.schema import CollectSettings

log = logging.getLogger("appliance.collection")

_QUEUED_FRAMES = 4
_PREDICTIONS = 5
_JPEG_QUALITY = 92
# A frame may be compared this long after the previous one, so that a scene that stays costs little.
_COMPARE_EVERY_S = 0.2
# A frame that may be novel is compared this long after the previous one, because that costs the same if it is not.
_NOVEL_EVERY_S = 5.0
# A frame is novel if it is less similar than this to every kept one (imaging/fingerprint; near duplicates have .92).
_NOVEL = 0.75
# After a frame of every_s that was not kept, the next one is tried after this share of the interval.
_RETRY_SHARE = 1 / 60
# Number of recent pictures that a new one is compared with; their signatures take 1.5 MB.
_COMPARED = 256
# Number of these loaded from the folder at the start, so that a restart does not collect the same scene again.
_LOADED_AT_START = 32
# After a failure to write, frames are ignored for this long.
_AFTER_FAILURE_S = 5.0
# Number of pictures that could not be kept, and that count only once while they stay.
_MISSED = 64


class CollectReason(StrEnum):
    """Why a frame is collected, as written to its sidecar file."""

    STARTED = "started"
    UNSURE = "unsure"
    CLOSE = "close"
    NOVEL = "novel"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class _QueuedFrame:
    """A frame on its way to the collecting thread.

    Attributes:
        frame: The frame.
        view: The orientation and region with which it was labeled.
        reason: Why it may be worth keeping.
        predictions: The best labels with their scores.
        model: The model that predicted the scores.
    """

    frame: Frame
    view: View
    reason: CollectReason
    predictions: list[tuple[str, float]]
    model: ModelIdentity


class Collector:
    """Receives frames from the labeling thread and keeps some of them."""

    def __init__(self, settings: CollectSettings, folder: Path, view: View):
        """Prepare to collect; nothing is written yet.

        Args:
            settings: The collect section: which frames are worth keeping, and how many.
            folder: Destination; created with the first frame.
            view: Orientation and region of the frames.
        """
        self._settings = settings
        self._view = view
        self._folder = CollectedFolder(folder, settings.max_bytes)
        self._queue: queue.Queue[_QueuedFrame | Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="collect", daemon=True)
        self._compared_s = self._novel_s = self._interval_due_s = float("-inf")
        self._enabled = self._started = False
        self._dropped = 0
        # Used by the collecting thread.
        self._started_budget = HourBudget(settings.max_per_hour, spread=False)
        self._other_budget = HourBudget(settings.max_per_hour, spread=True)
        self._interval_kept_s = self._failed_s = float("-inf")
        self._signatures: deque[np.ndarray] = deque(maxlen=_COMPARED)
        self._missed_signatures: deque[np.ndarray] = deque(maxlen=_MISSED)
        self._kept = self._missed = self._duplicates = 0
        self._error: str | None = None

    @property
    def enabled(self) -> bool:
        """Whether frames are collected."""
        return self._enabled

    def set_enabled(self, enabled: bool) -> None:
        """Turn collecting on or off, and log what is collected, and where; the first time, start the thread."""
        if enabled == self._enabled:
            return
        if enabled:
            log.info("collecting frames worth labeling in %s: %s", self._folder.path, describe_rules(self._settings))
            if not self._started:
                self._started = True
                self._thread.start()
        else:
            log.info("no longer collecting frames")
        self._enabled = enabled

    def use(self, settings: CollectSettings, folder: Path, view: View) -> None:
        """Apply other settings, another folder and another view from the next frame on; returns at once.

        Args:
            settings: The collect section; `enabled` is ignored (`set_enabled`).
            folder: As in the constructor.
            view: As in the constructor.
        """
        self._settings, self._view = settings, view
        self._interval_due_s = float("-inf")

        def apply() -> None:
            self._started_budget.per_hour = self._other_budget.per_hour = settings.max_per_hour
            if folder != self._folder.path:
                self._folder.close()
                self._folder = CollectedFolder(folder, settings.max_bytes)
                self._open_folder(settings.max_bytes)
            else:
                self._limit_folder(settings.max_bytes)

        self._queue.put(apply)

    def notice_changes(self) -> None:
        """Count the folder again before the next picture, because a person moved pictures out of it or back."""
        if self._started:
            self._queue.put(self._read_again)

    def stop(self, limit_s: float) -> None:
        """Write the queued frames and stop the thread; return after `limit_s` at the latest."""
        self._enabled = False
        if not self._started:
            return
        self._queue.put(None)
        self._thread.join(limit_s)  # if the disk does not respond, the thread ends with the process

    def offer(
        self,
        frame: Frame,
        labels: Sequence[str],
        scores: np.ndarray,
        events: Sequence[Event],
        model: ModelIdentity,
        view: View | None = None,
        threshold: float = 0.5,
    ) -> None:
        """Queue a labeled frame if it is worth keeping; runs on the labeling thread and never blocks.

        Args:
            frame: The frame as delivered by the camera.
            labels: Every label of the model.
            scores: (labels,) float32, −inf for labels that are not reported.
            events: Events that started or ended with this frame.
            model: The model that predicted the scores.
            view: The orientation and region with which the frame was labeled; None for that of the settings.
            threshold: The threshold in force.
        """
        if not self._enabled:
            return
        order = np.argsort(-scores, kind="stable")[:_PREDICTIONS]
        predictions = [(labels[index], round(float(scores[index]), 4)) for index in order if np.isfinite(scores[index])]
        now_s = frame.monotonic_s
        reason = self._find_reason(predictions, events, now_s, threshold)
        if reason is None or (reason != CollectReason.STARTED and now_s - self._compared_s < _COMPARE_EVERY_S):
            return
        if self._queue.qsize() >= _QUEUED_FRAMES:
            self._dropped += 1
            return
        self._compared_s = now_s
        if reason == CollectReason.TIME:
            self._interval_due_s = now_s + self._settings.every_s * _RETRY_SHARE
        elif reason == CollectReason.NOVEL:
            self._novel_s = now_s
        self._queue.put(_QueuedFrame(frame, view or self._view, reason, predictions, model))

    def stats(self) -> dict[str, Any]:
        """Return the `collect` entry of the topic stats: counts since the start, and the folder's contents."""
        return {
            "kept": self._kept,
            "duplicates": self._duplicates,
            "missed": self._missed,
            "waiting": self._queue.qsize(),
            "dropped": self._dropped,
            "pictures": self._folder.pictures,
            "bytes": self._folder.size_bytes,
            "trouble": self._error,
        }

    def describe(self) -> dict[str, Any]:
        """Return the folder and its limit together with `stats`, for `appliance check`."""
        return {"folder": str(self._folder.path), "max_bytes": self._settings.max_bytes, **self.stats()}

    def _find_reason(
        self, predictions: Sequence[tuple[str, float]], events: Sequence[Event], now_s: float, threshold: float
    ) -> CollectReason | None:
        settings = self._settings
        low, high = find_score_range(settings, threshold)
        if settings.on_start and any(event.type == "started" for event in events):
            return CollectReason.STARTED
        best = predictions[0][1] if predictions else 0.0
        if low <= best <= high:
            return CollectReason.UNSURE
        if self._has_close_scores(predictions, threshold):
            return CollectReason.CLOSE
        if settings.every_s > 0 and now_s >= self._interval_due_s and self._is_interval_over(now_s):
            return CollectReason.TIME
        if settings.every_s > 0 and now_s - self._novel_s >= _NOVEL_EVERY_S:
            return CollectReason.NOVEL
        return None

    def _has_close_scores(self, predictions: Sequence[tuple[str, float]], threshold: float) -> bool:
        """Return whether the two best scores are close, and high enough to indicate an object."""
        settings = self._settings
        least = find_least_score(settings, threshold)
        if settings.margin_max <= 0 or len(predictions) < 2 or predictions[0][1] < least:
            return False
        return predictions[0][1] - predictions[1][1] <= settings.margin_max

    def _is_interval_over(self, now_s: float) -> bool:
        return now_s - self._interval_kept_s >= self._settings.every_s

    def _run(self) -> None:
        """Run the thread until stop(); no error ends it, because collecting must never affect labeling."""
        self._attempt(partial(self._open_folder, self._settings.max_bytes))
        while (item := self._queue.get()) is not None:
            self._attempt(partial(self._keep, item) if isinstance(item, _QueuedFrame) else item)
        self._folder.close()

    def _attempt(self, action: Callable[[], None]) -> None:
        """Run `action`; log a failure once."""
        try:
            action()
        except Exception as error:  # noqa: BLE001 - see _run
            reason = describe_os_error(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
            if isinstance(error, PermissionError):
                reason += "; give the folder to the account of the daemon, or correct collect.dir"
            if self._error is None:
                log.warning("frames cannot be collected in %s: %s; labeling continues", self._folder.path, reason)
            self._error = f"frames cannot be collected in {self._folder.path}: {reason}"

    def _open_folder(self, max_bytes: int) -> None:
        self._limit_folder(max_bytes)
        self._load_recent()

    def _limit_folder(self, max_bytes: int) -> None:
        """Remove the oldest pictures beyond the limit, unless another daemon collects in the folder."""
        if self._folder.path.is_dir():
            self._folder.claim()
        self._folder.limit(max_bytes)

    def _read_again(self) -> None:
        self._folder.read_again()

    def _load_recent(self) -> None:
        for pixels in self._folder.read_newest(_LOADED_AT_START):
            self._signatures.append(_compute_signature(pixels))

    def _keep(self, queued: _QueuedFrame) -> None:
        """Write the frame, unless a similar one was written before or too many were written within the hour."""
        pixels = crop(queued.frame.pixels, queued.view)
        signature = _compute_signature(pixels)
        similarity = _find_similarity(signature, self._signatures)
        if queued.reason == CollectReason.NOVEL and similarity >= _NOVEL:
            return
        if similarity >= NEAR:
            self._duplicates += 1
            return
        now_s = queued.frame.monotonic_s
        if now_s - self._failed_s < _AFTER_FAILURE_S:
            return
        if queued.reason == CollectReason.TIME and not self._is_interval_over(now_s):
            return  # another frame was written since this one was queued
        budget = self._started_budget if queued.reason == CollectReason.STARTED else self._other_budget
        if not budget.allows(now_s):
            if _find_similarity(signature, self._missed_signatures) < NEAR:
                self._missed += 1
                self._missed_signatures.append(signature)
            return
        sidecar = {
            "reason": queued.reason,
            "labels": [{"label": label, "score": score} for label, score in queued.predictions],
            "model": queued.model.as_dict(),
        }
        self._failed_s = now_s
        self._folder.claim()
        self._folder.add(queued.frame.time, queued.frame.number, encode_jpeg(pixels, _JPEG_QUALITY), sidecar)
        self._failed_s = float("-inf")
        budget.charge(now_s)
        self._signatures.append(signature)
        self._kept += 1
        if queued.reason == CollectReason.TIME:
            self._interval_kept_s = now_s
        if self._error:
            log.info("collecting again")
            self._error = None


def _find_similarity(signature: np.ndarray, others: Iterable[np.ndarray]) -> float:
    """Return the similarity to the most similar of others; −1 if there are none."""
    return max((float(signature @ other) for other in others), default=-1.0)


def _compute_signature(pixels: np.ndarray) -> np.ndarray:
    thumbnail = resize_to_square(np.ascontiguousarray(pixels), THUMBNAIL_PX)
    signature: np.ndarray = compute_signatures(thumbnail[np.newaxis])[0]
    return signature
