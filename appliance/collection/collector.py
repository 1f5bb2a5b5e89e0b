"""Collect frames worth labeling by hand for the next training run; off by default.

These are frames that the model is unsure about (its best score is in a certain range, or its two best scores are
close), frames that start an event, and one frame at a fixed interval, so that ordinary scenes are included. A picture
similar to a recent one is not kept. Each picture is a JPEG of exactly the pixels that are resized for the model
(upright, only the region), with the predictions in a .json file of the same stem; `appliance dataset` can read the
folder as it is.

Labeling never waits: it puts a frame into a short queue, and a separate thread compares, encodes and writes. If the
queue is full, frames are dropped. A full disk or an unwritable folder is logged once, and labeling continues. The
folder never exceeds its configured size: the oldest frames are removed first, and only collected frames are ever
removed.
"""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from appliance.bundle.identity import ModelIdentity
from appliance.collection.folder import CollectedFolder
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
_HOUR_S = 3600.0
# Number of recent pictures that a new one is compared with; their signatures take 1.5 MB.
_COMPARED = 256
# Number of these loaded from the folder at the start, so that a restart does not collect the same scene again.
_LOADED_AT_START = 32


class CollectReason(StrEnum):
    """Why a frame is collected, as written to its sidecar file."""

    STARTED = "started"
    UNSURE = "unsure"
    CLOSE = "close"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class _QueuedFrame:
    frame: Frame
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
        self._queue: queue.Queue[_QueuedFrame | None] = queue.Queue(_QUEUED_FRAMES)
        self._thread = threading.Thread(target=self._run, name="collect", daemon=True)
        self._lock = threading.Lock()
        self._taken_s: deque[float] = deque()  # times of the last hour's frames, except those that were then not kept
        self._last_taken_s: float | None = None
        self._last_interval_s: float | None = None  # time of the last frame collected by every_s
        self._signatures: deque[np.ndarray] = deque(maxlen=_COMPARED)
        self._kept = self._dropped = self._duplicates = 0
        self._error: str | None = None
        self._enabled = self._started = False

    @property
    def enabled(self) -> bool:
        """Whether frames are collected."""
        return self._enabled

    def set_enabled(self, enabled: bool) -> None:
        """Turn collecting on or off, and log what is collected, and where; the first time, start the thread."""
        if enabled == self._enabled:
            return
        if enabled:
            log.info("collecting frames worth labeling in %s: %s", self._folder.path, self._describe_rules())
            if not self._started:
                self._started = True
                self._thread.start()
        else:
            log.info("no longer collecting frames")
        self._enabled = enabled

    def stop(self, limit_s: float) -> None:
        """Write the queued frames and stop the thread; return after `limit_s` at the latest."""
        self._enabled = False
        if not self._started:
            return
        until_s = time.monotonic() + limit_s
        try:
            self._queue.put(None, timeout=limit_s)
        except queue.Full:
            return  # the disk does not respond; the thread ends with the process
        self._thread.join(max(0.0, until_s - time.monotonic()))

    def offer(
        self, frame: Frame, labels: Sequence[str], scores: np.ndarray, events: Sequence[Event], model: ModelIdentity
    ) -> None:
        """Queue a labeled frame if it is worth keeping; runs on the labeling thread and never blocks.

        Args:
            frame: The frame as delivered by the camera.
            labels: Every label of the model.
            scores: (labels,) float32, −inf for labels that are not reported.
            events: Events that started or ended with this frame.
            model: The model that predicted the scores.
        """
        if not self._enabled:
            return
        order = np.argsort(-scores, kind="stable")[:_PREDICTIONS]
        predictions = [(labels[index], round(float(scores[index]), 4)) for index in order if np.isfinite(scores[index])]
        reason = self._find_reason(predictions, events, frame.monotonic_s)
        if reason is None or not self._is_within_rate(reason, frame.monotonic_s):
            return
        with self._lock:
            self._taken_s.append(frame.monotonic_s)
        try:
            self._queue.put_nowait(_QueuedFrame(frame, reason, predictions, model))
        except queue.Full:
            self._release_quota(frame.monotonic_s)
            self._dropped += 1
            return
        self._last_taken_s = frame.monotonic_s
        if reason == CollectReason.TIME:
            self._last_interval_s = frame.monotonic_s

    def stats(self) -> dict[str, Any]:
        """Return the `collect` entry of the topic stats: counts since the start, and the folder's contents."""
        return {
            "kept": self._kept,
            "duplicates": self._duplicates,
            "waiting": self._queue.qsize(),
            "dropped": self._dropped,
            "pictures": self._folder.pictures,
            "bytes": self._folder.size_bytes,
            "trouble": self._error,
        }

    def _find_reason(
        self, predictions: Sequence[tuple[str, float]], events: Sequence[Event], now_s: float
    ) -> CollectReason | None:
        settings = self._settings
        if settings.on_start and any(event.type == "started" for event in events):
            return CollectReason.STARTED
        best = predictions[0][1] if predictions else 0.0
        if settings.score_max > 0 and settings.score_min <= best <= settings.score_max:
            return CollectReason.UNSURE
        if self._has_close_scores(predictions):
            return CollectReason.CLOSE
        last_s = self._last_interval_s
        if settings.every_s > 0 and (last_s is None or now_s - last_s >= settings.every_s):
            return CollectReason.TIME
        return None

    def _has_close_scores(self, predictions: Sequence[tuple[str, float]]) -> bool:
        """Return whether the two best scores are close, and high enough to indicate an object."""
        settings = self._settings
        if settings.margin_max <= 0 or len(predictions) < 2 or predictions[0][1] < settings.score_min:
            return False
        return predictions[0][1] - predictions[1][1] <= settings.margin_max

    def _is_within_rate(self, reason: CollectReason, now_s: float) -> bool:
        """Apply max_per_hour, spread over the hour, so that one busy minute does not use up the quota."""
        with self._lock:
            while self._taken_s and now_s - self._taken_s[0] >= _HOUR_S:
                self._taken_s.popleft()
            if len(self._taken_s) >= self._settings.max_per_hour:
                return False
        min_gap_s = 0.0 if reason == CollectReason.STARTED else _HOUR_S / self._settings.max_per_hour
        return self._last_taken_s is None or now_s - self._last_taken_s >= min_gap_s

    def _release_quota(self, taken_s: float) -> None:
        """Remove a frame that was not kept from the hour's quota."""
        with self._lock:
            if taken_s in self._taken_s:
                self._taken_s.remove(taken_s)

    def _run(self) -> None:
        """Run the thread until stop(); no error ends it, because collecting must never affect labeling."""
        self._attempt(self._load_recent)
        while (queued := self._queue.get()) is not None:
            if not self._attempt(partial(self._keep, queued)):
                self._release_quota(queued.frame.monotonic_s)

    def _attempt(self, action: Callable[[], bool]) -> bool:
        """Return the result of `action`, or False if it failed; log a failure once."""
        try:
            return action()
        except Exception as error:  # noqa: BLE001 - see _run
            reason = describe_os_error(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
            message = f"frames cannot be collected in {self._folder.path}: {reason}"
            if message != self._error:
                log.warning("%s; labeling continues", message)
            self._error = message
            return False

    def _load_recent(self) -> bool:
        for pixels in self._folder.read_newest(_LOADED_AT_START):
            self._signatures.append(_compute_signature(pixels))
        return True

    def _keep(self, queued: _QueuedFrame) -> bool:
        """Write the frame unless a similar one was written before; return whether it was written."""
        pixels = crop(queued.frame.pixels, self._view)
        signature = _compute_signature(pixels)
        if any(float(signature @ other) >= NEAR for other in self._signatures):
            self._duplicates += 1
            return False
        sidecar = {
            "reason": queued.reason,
            "labels": [{"label": label, "score": score} for label, score in queued.predictions],
            "model": queued.model.as_dict(),
        }
        self._folder.add(queued.frame.time, queued.frame.number, encode_jpeg(pixels, _JPEG_QUALITY), sidecar)
        self._signatures.append(signature)
        self._kept += 1
        if self._error:
            log.info("collecting again")
            self._error = None
        return True

    def _describe_rules(self) -> str:
        settings = self._settings
        rules = [
            (settings.score_max > 0, f"best score from {settings.score_min:g} to {settings.score_max:g}"),
            (settings.margin_max > 0, f"two best scores within {settings.margin_max:g}"),
            (settings.on_start, "start of a label"),
            (settings.every_s > 0, f"one every {settings.every_s:g} s"),
        ]
        enabled = ", ".join(rule for is_enabled, rule in rules if is_enabled) or "nothing, because every rule is off"
        return f"{enabled}; at most {settings.max_per_hour} per hour and {settings.max_bytes / 1e6:g} MB"


def _compute_signature(pixels: np.ndarray) -> np.ndarray:
    thumbnail = resize_to_square(np.ascontiguousarray(pixels), THUMBNAIL_PX)
    signature: np.ndarray = compute_signatures(thumbnail[np.newaxis])[0]
    return signature
