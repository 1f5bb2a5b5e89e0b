"""What the running model guesses for each picture of the dataset, so that the uncertain ones can be shown first.

A recorded picture gets its guess when it is taken, a collected frame from its sidecar. The others are labeled on a
thread of low priority that rests as long as it works, at most so many for each request; the live labeling uses another
interpreter and waits for nothing here.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from appliance.errors import ApplianceError, PictureError
from appliance.imaging.files import read_picture, read_picture_size
from appliance.system.regular_files import read_regular_file
from appliance.system.state_file import StateFile
from appliance.system.threads import lower_thread_priority
from appliance.teaching.folders import TeachingPicture

log = logging.getLogger("appliance.teaching")

_NICE = 10
_MOST_AT_ONCE = 500
_MOST_KEPT = 20_000
_MAX_SIDECAR_BYTES = 64 * 1024
_SAVE_EVERY_S = 20.0
_DECODED_PX = 320
MAX_PX = 50_000_000
"""A larger picture is not decoded, because it would not fit into the memory of a small device."""


@dataclass(frozen=True, slots=True)
class Guess:
    """The best label of a picture.

    Attributes:
        label: The label.
        score: Its score, 0–1.
    """

    label: str
    score: float


class PictureLabeler(Protocol):
    """Labels whole pictures."""

    @property
    def labels(self) -> Sequence[str]:
        """The labels, in the order of the scores."""
        ...

    def score(self, frame: np.ndarray) -> np.ndarray:
        """Return (labels,) scores of (height, width, 3) uint8 RGB."""
        ...


class GuessBook:
    """The guesses of one model. Safe to use from any thread."""

    def __init__(
        self,
        folder: Path,
        model_key: Callable[[], str],
        open_labeler: Callable[[], PictureLabeler],
        on_change: Callable[[], None] = lambda: None,
    ):
        """Set the folder; nothing is read yet.

        Args:
            folder: Contains the file with the guesses.
            model_key: Returns what identifies the running model.
            open_labeler: Returns a labeler with the running model; takes a second.
            on_change: Called when a pass has new guesses.
        """
        self._model_key, self._open_labeler, self._on_change = model_key, open_labeler, on_change
        self._file: StateFile[tuple[str, dict[str, Guess]]] = StateFile(
            folder / "guesses.json", _decode, _encode, ("", {}), mode=0o640, durable=False,
            if_unreadable="the pictures are labeled again", log=log,
        )  # fmt: skip
        self._lock = threading.Lock()
        self._key: str | None = None
        self._guesses: dict[str, Guess] = {}
        self._failed: set[str] = set()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def get(self, picture_id: str) -> Guess | None:
        """Return the guess of the running model; None if there is none yet."""
        with self._lock:
            return self._use_model().get(picture_id)

    def put(self, picture_id: str, guess: tuple[str, float]) -> None:
        """Note the guess of a picture that was just taken."""
        with self._lock:
            self._use_model()[picture_id] = Guess(*guess)

    def complete(self, pictures: Iterable[TeachingPicture]) -> bool:
        """Guess missing pictures in the background, at most so many; return whether something is missing."""
        with self._lock:
            known = self._use_model()
            missing = [each for each in pictures if each.id not in known and each.id not in self._failed]
            is_running = self._thread is not None and self._thread.is_alive()
            if missing and not is_running and not self._stopped:
                self._thread = threading.Thread(
                    target=self._run, args=(missing[:_MOST_AT_ONCE],), name="guesses", daemon=True
                )
                self._thread.start()
            return bool(missing)

    def save(self) -> None:
        """Write the guesses, so that a restart keeps them."""
        with self._lock:
            known = self._use_model()
            value = (self._key or "", dict(list(known.items())[-_MOST_KEPT:]))
        if value[1]:
            with suppress(OSError):  # writing states the reason
                self._file.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._file.write_or_warn(value, "the pictures are labeled again after a restart")

    def stop(self) -> None:
        """End the pass that runs, and save what is known."""
        self._stopped = True
        if self._thread:
            self._thread.join(5.0)
            self.save()

    def _use_model(self) -> dict[str, Guess]:
        key = self._model_key()
        if key != self._key:
            stored_key, stored = self._file.read()
            self._guesses = dict(stored) if stored_key == key else {}
            self._failed.clear()
            self._key = key
        return self._guesses

    def _run(self, pictures: Sequence[TeachingPicture]) -> None:
        lower_thread_priority(_NICE)
        key, told_s = self._model_key(), time.monotonic()
        try:
            labeler: PictureLabeler | None = None
            for picture in pictures:
                if self._stopped or self._model_key() != key:
                    return
                started_s = time.monotonic()
                guess = _read_sidecar(picture.path, key)
                if guess is None:
                    labeler = labeler or self._open_labeler()
                    guess = _label(labeler, picture.path)
                with self._lock:
                    if guess is None and picture.path.exists():  # else it was moved or deleted meanwhile
                        self._failed.add(picture.id)
                    elif guess and self._key == key:
                        self._guesses[picture.id] = guess
                time.sleep(time.monotonic() - started_s)
                if time.monotonic() - told_s > _SAVE_EVERY_S:
                    told_s = time.monotonic()
                    self._on_change()
        except (ApplianceError, OSError) as error:
            log.warning("the pictures of the dataset cannot be labeled: %s", error)
        except Exception:
            log.exception("the pictures of the dataset cannot be labeled")
        finally:
            self.save()
            self._on_change()


def _label(labeler: PictureLabeler, path: Path) -> Guess | None:
    try:
        width, height = read_picture_size(path)
        if width * height > MAX_PX:
            return None
        scores = labeler.score(read_picture(path, least_px=_DECODED_PX))
    except PictureError:
        return None
    best = int(np.argmax(scores))
    return Guess(labeler.labels[best], round(float(scores[best]), 4)) if np.isfinite(scores[best]) else None


def _read_sidecar(path: Path, key: str) -> Guess | None:
    """Return the guess in the sidecar of a collected frame, if the running model made it."""
    try:
        values = json.loads(read_regular_file(path.with_suffix(".json"), _MAX_SIDECAR_BYTES))
        best = values["labels"][0]
        if str(values["model"]["sha256"]) != key:
            return None
        return Guess(str(best["label"])[:255], min(1.0, max(0.0, float(best["score"]))))
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None


def _decode(value: Any) -> tuple[str, dict[str, Guess]]:
    guesses = {
        str(picture_id): Guess(str(label), float(score))
        for picture_id, (label, score) in list(value["guesses"].items())[:_MOST_KEPT]
    }
    return str(value["model"]), guesses


def _encode(value: tuple[str, dict[str, Guess]]) -> Any:
    key, guesses = value
    return {"model": key, "guesses": {each: [guess.label, guess.score] for each, guess in guesses.items()}}
