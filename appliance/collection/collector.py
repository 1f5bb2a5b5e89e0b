"""Keeps frames that are worth a person's label, for the next training; off unless the settings say so.

Worth it are frames of which the model is unsure (its best score lies in a band, or its two best are close), the frame that
started an event, and one every so often, so that the ordinary is known too. A picture that looks like one of the last is
not kept again. Each is a JPEG of what the model looked at (upright, the region alone), with its guess in a .json of the
same stem beside it; `appliance dataset` reads the folder as it is.

Labeling never waits: it leaves a frame in a short queue, and a thread of its own compares, packs and writes. A full queue
drops, a full disk or a folder that cannot be written to is said once, and labeling goes on. The folder is never larger than
the settings allow: the oldest frames go first, and nothing but what was collected is ever removed.
"""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from appliance.bundle.identity import ModelIdentity
from appliance.collection.folder import CollectedFolder
from appliance.imaging.files import jpeg, small
from appliance.imaging.fingerprint import NEAR, THUMBNAIL_PX, signatures
from appliance.imaging.frame import Frame
from appliance.imaging.view import View
from appliance.labeling.preprocess import crop
from appliance.labeling.tracker import Event
from appliance.settings.schema import CollectSettings

log = logging.getLogger(__name__)

Reason = Literal["started", "unsure", "close", "time"]

_QUEUED_FRAMES = 4
_GUESSES = 5
_QUALITY = 92
_HOUR_S = 3600.0
# Pictures that a new one is compared with; that many signatures are 1.5 MB.
_REMEMBERED = 256
# Of those, the ones read back from the folder at the start, so that a restart does not collect the same scene again.
_READ_BACK = 32


@dataclass(frozen=True, slots=True)
class _Kept:
    frame: Frame
    reason: Reason
    guesses: list[tuple[str, float]]
    model: ModelIdentity


class Collector:
    """Takes frames from the labeling thread and keeps some of them."""

    def __init__(self, settings: CollectSettings, folder: Path, view: View):
        """Nothing is written yet.

        Args:
            settings: What is worth keeping, and how much of it.
            folder: Where it goes; made when the first frame does.
            view: How frames are looked at.
        """
        self._settings = settings
        self._view = view
        self._folder = CollectedFolder(folder, settings.max_bytes)
        self._queue: queue.Queue[_Kept | None] = queue.Queue(_QUEUED_FRAMES)
        self._thread = threading.Thread(target=self._run, name="collect", daemon=True)
        self._lock = threading.Lock()
        self._taken_s: deque[float] = deque()  # of the last hour, without those that were then not kept
        self._last_taken_s: float | None = None
        self._last_time_s: float | None = None
        self._seen: deque[np.ndarray] = deque(maxlen=_REMEMBERED)
        self._kept = self._dropped = self._duplicates = 0
        self._trouble: str | None = None

    def start(self) -> None:
        """Starts the thread and says what is collected where."""
        log.info("collecting frames worth a label in %s: %s", self._folder.path, self._in_words())
        self._thread.start()

    def stop(self, limit_s: float) -> None:
        """Writes what is waiting, and returns after `limit_s` at the latest."""
        until_s = time.monotonic() + limit_s
        try:
            self._queue.put(None, timeout=limit_s)
        except queue.Full:
            return  # the disk hangs; the thread ends with the process
        self._thread.join(max(0.0, until_s - time.monotonic()))

    def offer(
        self, frame: Frame, labels: Sequence[str], scores: np.ndarray, events: Sequence[Event], model: ModelIdentity
    ) -> None:
        """Looks at one labeled frame; called on the labeling thread, never blocks.

        Args:
            frame: The frame as the camera gave it.
            labels: Every label of the model.
            scores: (labels,) float32, −inf for those that are not reported.
            events: What started or ended with this frame.
            model: Who says so.
        """
        order = np.argsort(-scores, kind="stable")[:_GUESSES]
        guesses = [(labels[place], round(float(scores[place]), 4)) for place in order if np.isfinite(scores[place])]
        reason = self._reason(guesses, events, frame.monotonic_s)
        if reason is None or not self._has_room(reason, frame.monotonic_s):
            return
        with self._lock:
            self._taken_s.append(frame.monotonic_s)
        try:
            self._queue.put_nowait(_Kept(frame, reason, guesses, model))
        except queue.Full:
            self._give_back(frame.monotonic_s)
            self._dropped += 1
            return
        self._last_taken_s = frame.monotonic_s
        if reason == "time":
            self._last_time_s = frame.monotonic_s

    def stats(self) -> dict[str, Any]:
        """For T/stats: frames kept since the start, those that looked like others, waiting and dropped; what the folder holds."""
        return {
            "kept": self._kept,
            "duplicates": self._duplicates,
            "waiting": self._queue.qsize(),
            "dropped": self._dropped,
            "pictures": self._folder.pictures,
            "bytes": self._folder.size_bytes,
            "trouble": self._trouble,
        }

    def _reason(self, guesses: Sequence[tuple[str, float]], events: Sequence[Event], now_s: float) -> Reason | None:
        settings = self._settings
        if settings.on_start and any(event.type == "started" for event in events):
            return "started"
        best = guesses[0][1] if guesses else 0.0
        if settings.score_max > 0 and settings.score_min <= best <= settings.score_max:
            return "unsure"
        # Where nothing is seen all scores are low and close to each other, which says nothing.
        if settings.margin_max > 0 and len(guesses) > 1 and best >= settings.score_min:
            if best - guesses[1][1] <= settings.margin_max:
                return "close"
        if settings.every_s > 0 and (self._last_time_s is None or now_s - self._last_time_s >= settings.every_s):
            return "time"
        return None

    def _has_room(self, reason: Reason, now_s: float) -> bool:
        """Keeps to max_per_hour, and spreads the frames over the hour, so that one busy minute does not use it up."""
        with self._lock:
            while self._taken_s and now_s - self._taken_s[0] >= _HOUR_S:
                self._taken_s.popleft()
            if len(self._taken_s) >= self._settings.max_per_hour:
                return False
        apart_s = 0.0 if reason == "started" else _HOUR_S / self._settings.max_per_hour
        return self._last_taken_s is None or now_s - self._last_taken_s >= apart_s

    def _give_back(self, taken_s: float) -> None:
        """A frame that was not kept does not count for the hour."""
        with self._lock:
            if taken_s in self._taken_s:
                self._taken_s.remove(taken_s)

    def _run(self) -> None:
        """The thread's whole life. Nothing may end it: collecting is the least of the device's work."""
        self._try(self._read_back)
        while (kept := self._queue.get()) is not None:
            if not self._try(lambda kept=kept: self._keep(kept)):
                self._give_back(kept.frame.monotonic_s)

    def _try(self, work: Callable[[], bool]) -> bool:
        """What `work` says; False where it failed, which is said once."""
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - see _run
            reason = (
                (error.strerror or str(error)) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
            )
            trouble = f"frames cannot be collected in {self._folder.path}: {reason}"
            if trouble != self._trouble:
                log.warning("%s; labeling goes on", trouble)
            self._trouble = trouble
            return False

    def _read_back(self) -> bool:
        for pixels in self._folder.newest(_READ_BACK):
            self._seen.append(_signature(pixels))
        return True

    def _keep(self, kept: _Kept) -> bool:
        """Writes the frame, unless one like it was written before; whether it did."""
        pixels = crop(kept.frame.pixels, self._view)
        signature = _signature(pixels)
        if any(float(signature @ other) >= NEAR for other in self._seen):
            self._duplicates += 1
            return False
        guess = {
            "time": kept.frame.time,
            "reason": kept.reason,
            "labels": [{"label": label, "score": score} for label, score in kept.guesses],
            "model": kept.model.as_dict(),
        }
        self._folder.add(kept.frame.time, kept.frame.number, jpeg(pixels, _QUALITY), guess)
        self._seen.append(signature)
        self._kept += 1
        if self._trouble:
            log.info("collecting again")
            self._trouble = None
        return True

    def _in_words(self) -> str:
        settings = self._settings
        reasons = [
            (settings.score_max > 0, f"scores from {settings.score_min:g} to {settings.score_max:g}"),
            (settings.margin_max > 0, f"two labels within {settings.margin_max:g}"),
            (settings.on_start, "a label that starts"),
            (settings.every_s > 0, f"one every {settings.every_s:g} s"),
        ]
        words = ", ".join(words for holds, words in reasons if holds) or "for no reason, since every one is turned off"
        return f"{words}; at most {settings.max_per_hour} an hour and {settings.max_bytes / 1e6:g} MB"


def _signature(pixels: np.ndarray) -> np.ndarray:
    return signatures(small(np.ascontiguousarray(pixels), THUMBNAIL_PX)[np.newaxis])[0]
