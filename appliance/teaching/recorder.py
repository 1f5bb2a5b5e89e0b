"""Record pictures of one thing while someone holds a button: two a second, until it is released or no longer renewed.

A thread of its own takes the newest labeled frame, so labeling never waits: it costs one picture to encode for each one
that is kept. The recording ends when it is not renewed in time, when the dataset is full, and when the camera is off.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from appliance.errors import ApplianceError, PictureError, TeachingError
from appliance.imaging.files import encode_jpeg, read_picture
from appliance.imaging.fingerprint import THUMBNAIL_PX
from appliance.system.threads import lower_thread_priority
from appliance.teaching.burst import MAX_COMPARED, Burst, PictureVerdict, compute_signature
from appliance.teaching.names import make_recorded_stem
from appliance.teaching.store import DatasetStore
from appliance.teaching.wording import Target

log = logging.getLogger("appliance.teaching")

EVERY_S = 0.5
RENEW_LIMIT_S = 3.0
_JPEG_QUALITY = 92
_STOP_LIMIT_S = 10.0
# A frame that is older than this does not show what is held before the camera now.
_MAX_AGE_S = 5.0
_NO_FRAMES = "there are no frames now, so nothing can be recorded; see the camera's state, or run: appliance check"


@dataclass(frozen=True, slots=True)
class RecordableFrame:
    """The newest frame.

    Attributes:
        number: Its number, which tells a new one from the last one.
        time_s: When it was taken, Unix time.
        monotonic_s: The same moment on time.monotonic().
        read: Returns the part that the model sees, upright, (height, width, 3) uint8 RGB; takes milliseconds.
        guess: The best label that the running model gave it, with the score; None without one.
    """

    number: int
    time_s: float
    monotonic_s: float
    read: Callable[[], np.ndarray]
    guess: tuple[str, float] | None = None


@dataclass(slots=True)
class _RecordingSession:
    """A recording in progress or the last one."""

    target: Target
    burst: Burst
    every_s: float
    until_s: float
    count: int | None = None
    number: int = -1
    is_active: bool = True
    error: ApplianceError | None = None


class TeachingRecorder:
    """Records into the dataset of the device. Safe to use from any thread."""

    def __init__(
        self,
        store: DatasetStore,
        latest: Callable[[], RecordableFrame | None],
        notify: Callable[[dict[str, Any]], None] = lambda _: None,
        note_guess: Callable[[str, tuple[str, float]], None] = lambda _id, _guess: None,
    ):
        """Keep references; a thread runs only during a recording.

        Args:
            store: Receives the pictures.
            latest: Returns the newest frame; None while there is none.
            notify: Called after each picture with the state of the recording; must not block.
            note_guess: Called with the id and the guess of each picture that is kept.
        """
        self._store, self._latest, self._notify, self._note_guess = store, latest, notify, note_guess
        self._lock = threading.Lock()
        self._session: _RecordingSession | None = None
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()

    def record(
        self, target: Target, every_s: float = EVERY_S, count: int | None = None, only_renew: bool = False
    ) -> dict[str, Any]:
        """Start a recording, or renew the one of the same target; return its state.

        Args:
            target: What is recorded.
            every_s: The time between two pictures.
            count: End when so many pictures are kept; None records until it is stopped.
            only_renew: Whether a recording that ended stays so, and its final state is returned.

        Raises:
            TeachingError: Another recording is in progress, there are no frames, or the dataset is full.
        """
        with self._lock:
            session = self._session
            now_s = time.monotonic()
            if session and session.is_active and session.target != target:
                raise TeachingError(
                    409, f"pictures are being recorded {session.target.words} already; try again when that has ended"
                )
            if session and session.target == target and session.error:
                error, session.error = session.error, None
                raise error
            if session and session.target == target and not session.is_active and only_renew:
                return _describe(session)
            if session is None or not session.is_active:
                self._require_frames()
                self._store.require_space(0)
                session = self._session = _RecordingSession(target, Burst(), every_s, now_s + RENEW_LIMIT_S, count)
                self._wake.clear()
                self._thread = threading.Thread(target=self._run, args=(session,), name="recording", daemon=True)
                self._thread.start()
            session.every_s = every_s
            session.until_s = now_s + max(RENEW_LIMIT_S, 2 * every_s)
            return _describe(session)

    def stop(self) -> dict[str, Any]:
        """End the recording, and return its final state; that of the last one if none is in progress.

        Raises:
            TeachingError: Nothing was recorded since the start of the program.
        """
        with self._lock:
            session, thread = self._session, self._thread
            if session is None:
                raise TeachingError(409, "nothing is being recorded")
            session.until_s = float("-inf")
            self._wake.set()
        if thread:
            thread.join(_STOP_LIMIT_S)
        return _describe(session)

    def close(self) -> None:
        """End a recording without waiting, because the program stops."""
        with self._lock:
            if self._session:
                self._session.until_s = float("-inf")
                self._wake.set()

    def _require_frames(self) -> None:
        frame = self._latest()
        if frame is None or time.monotonic() - frame.monotonic_s > _MAX_AGE_S:
            raise TeachingError(503, _NO_FRAMES)

    def _run(self, session: _RecordingSession) -> None:
        lower_thread_priority()
        due_s = time.monotonic()
        try:
            session.burst = Burst(
                read_signatures(self._store, session.target), drops_blurred=not session.target.is_background
            )
            while time.monotonic() < session.until_s:
                if self._take(session):
                    self._notify(_describe(session))
                    if self._is_complete(session):
                        break
                due_s = max(due_s + session.every_s, time.monotonic())
                self._wake.wait(max(0.01, min(due_s, session.until_s) - time.monotonic()))
            self._store.discard(session.burst.take_blurred())
        except ApplianceError as error:
            session.error = error
            log.info("the recording ended: %s", error)
        except Exception:
            session.error = TeachingError(500, "the recording failed; see the log of the device")
            log.exception("the recording failed")
        finally:
            session.is_active = False
            self._notify(_describe(session))

    def _is_complete(self, session: _RecordingSession) -> bool:
        """Return whether enough pictures are kept, without those that proved to be blurred."""
        if session.count is None or session.burst.kept < session.count:
            return False
        self._store.discard(session.burst.take_blurred())
        return session.burst.kept >= session.count

    def _take(self, session: _RecordingSession) -> bool:
        """Judge the newest frame, and keep it if it is good; return whether there was a new one."""
        frame = self._latest()
        if frame is None or frame.number == session.number:
            if frame is None or time.monotonic() - frame.monotonic_s > _MAX_AGE_S:
                raise TeachingError(503, _NO_FRAMES)
            return False
        session.number = frame.number
        pixels = frame.read()
        if session.burst.judge(pixels) is PictureVerdict.KEPT:
            stem = make_recorded_stem(frame.time_s, session.burst.recording)
            self._store.add(session.target, stem, encode_jpeg(pixels, _JPEG_QUALITY))
            session.burst.note_kept(stem)
            if frame.guess:
                self._note_guess(stem, frame.guess)
        return True


def read_signatures(store: DatasetStore, target: Target) -> Iterable[np.ndarray]:
    """Yield the signatures of the newest pictures of a target, oldest first."""
    pictures = [picture for picture in store.listing().pictures.values() if target.contains(picture)]
    for picture in sorted(pictures, key=lambda picture: picture.time_s)[-MAX_COMPARED:]:
        with suppress(PictureError):
            yield compute_signature(read_thumbnail(picture.path))


def read_thumbnail(path: Path) -> np.ndarray:
    """Return a picture decoded at a small size.

    Raises:
        PictureError: It cannot be read.
    """
    return read_picture(path, least_px=4 * THUMBNAIL_PX)


def _describe(session: _RecordingSession) -> dict[str, Any]:
    burst = session.burst
    return {
        "label": session.target.label,
        "background": session.target.is_background,
        "kept": burst.kept,
        "dropped": burst.dropped,
        "last": None if burst.last is None else str(burst.last),
        "active": session.is_active,
    }
