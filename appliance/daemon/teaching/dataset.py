"""The dataset of the running device: the store, recording from the live frames, guesses, import, and export."""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.collection.folder import FOLDER_NAME
from appliance.daemon.teaching.child import Child, run_command
from appliance.errors import ControlError, TeachingError
from appliance.imaging.files import encode_jpeg, read_picture, read_picture_size, resize_to_fit
from appliance.labeling.labeler import Labeler
from appliance.labeling.preprocess import crop
from appliance.system.timestamps import to_rfc3339
from appliance.teaching.folders import TeachingPicture
from appliance.teaching.guesses import MAX_PX, Guess, GuessBook
from appliance.teaching.names import BACKGROUND
from appliance.teaching.order import PictureKey, PictureOrder, measure_uncertainty, take_page
from appliance.teaching.recorder import RecordableFrame, TeachingRecorder
from appliance.teaching.space import require_free_disk
from appliance.teaching.store import DatasetStore
from appliance.teaching.wording import Target

if TYPE_CHECKING:
    from appliance.daemon.parts import Parts

log = logging.getLogger("appliance.teaching")

Notify = Callable[[str, Mapping[str, Any] | None], None]
_EXPORTS = "exports"
_EXPORT_AGE_S = 600.0
_QUALITY = 85
_MOST_LEFT_OUT = 50


class DeviceDataset:
    """The dataset of the running device. Safe to use from any thread.

    Attributes:
        store: The pictures.
        notify: Receives ("dataset", labels) and ("recording", state); must not block.
    """

    def __init__(self, parts: "Parts", state: Path):
        """Connect the dataset to the parts; nothing is read yet.

        Args:
            parts: The connected parts of the daemon.
            state: The state folder.
        """
        self.notify: Notify = lambda _kind, _data: None
        self._parts = parts
        self._default_collected = state / FOLDER_NAME
        self.store = DatasetStore(
            state, self._find_collected, lambda: parts.live.settings.collect.max_bytes, self._tell
        )
        self.guesses = GuessBook(
            self.store.work_folder, lambda: parts.active.current.identity.sha256, self._open_labeler, self._tell
        )
        self.recorder = TeachingRecorder(
            self.store, self._latest, lambda state: self.notify("recording", state), self.guesses.put
        )
        self._exports = self.store.work_folder / _EXPORTS
        self._work = threading.Lock()
        self._child: Child | None = None

    def stop(self) -> None:
        """End what runs in the background."""
        self.recorder.close()
        if child := self._child:
            child.end()
        self.guesses.stop()

    def describe_labels(self) -> dict[str, Any]:
        """Return the object of GET /api/dataset/labels."""
        return self.store.describe()

    def add_label(self, text: str) -> str:
        """Add a label; return its valid name."""
        return self.store.add_label(text)

    def rename_label(self, old: str, new: str) -> str:
        """Rename a label; return its valid name."""
        return self.store.rename_label(old, new)

    def remove_label(self, name: str) -> None:
        """Remove a label; its pictures become unlabeled."""
        self.store.remove_label(name)

    @property
    def undo_steps(self) -> int:
        """How many changes can be undone."""
        return self.store.undo_steps

    def record(self, target: Target, every_s: float) -> dict[str, Any]:
        """Start or renew a recording; return its state."""
        return self.recorder.record(target, every_s)

    def stop_recording(self) -> dict[str, Any]:
        """End the recording; return its final state."""
        return self.recorder.stop()

    def find_target(self, label: str | None, is_background: bool) -> Target:
        """Return where pictures go; a label that does not exist yet gets its valid name."""
        return Target(None if label is None else self.store.find_label(label), is_background)

    def list_pictures(
        self, target: Target | None, order: PictureOrder, cursor: str | None, limit: int
    ) -> dict[str, Any]:
        """Return the object of GET /api/dataset/pictures, and guess what is missing in the background."""
        pictures = [
            picture for picture in self.store.listing().pictures.values() if target is None or target.contains(picture)
        ]
        engine = self._parts.pipeline.engine
        threshold = engine.filter.threshold if engine else 0.5

        def make_key(picture: TeachingPicture) -> PictureKey:
            first = 0.0
            if order == "uncertain":
                first = -measure_uncertainty(picture, self._find_guess(picture), threshold)
            return first, -picture.time_s, picture.id

        page, following = take_page(pictures, make_key, cursor, limit)
        self.guesses.complete(page if order == "newest" else sorted(pictures, key=make_key))
        return {"pictures": [self._describe(picture) for picture in page], "next": following}

    def encode_picture(self, picture_id: str, size_px: int) -> bytes:
        """Return a picture as JPEG, at most so large."""
        picture = self.store.find(picture_id)
        width, height = read_picture_size(picture.path)
        if width * height > MAX_PX:
            raise TeachingError(
                422, f"this picture has {width} x {height} pixels, too many to be shown here; delete it"
            )
        return encode_jpeg(resize_to_fit(read_picture(picture.path, least_px=size_px), size_px), _QUALITY)

    def move_pictures(self, ids: Sequence[str], target: Target) -> int:
        """Label pictures; return how many changed."""
        changed = self.store.move(ids, target)
        self._parts.collector.notice_changes()
        return changed

    def delete_pictures(self, ids: Sequence[str]) -> int:
        """Delete pictures; return how many."""
        deleted = self.store.delete(ids)
        self._parts.collector.notice_changes()
        return deleted

    def undo(self) -> str:
        """Undo the last change; return what that did."""
        sentence = self.store.undo()
        self._parts.collector.notice_changes()
        return sentence

    def find_event_target(self, label: str) -> Target:
        """Return where the picture of an event goes: under a label, or to the background.

        Raises:
            TeachingError: The text cannot be the name of a label.
        """
        return Target(is_background=True) if label == BACKGROUND else self.find_target(label, False)

    def file_event(self, event_id: str, target: Target, jpeg: bytes) -> None:
        """File the picture of an event whose label was wrong; an earlier choice for it is replaced.

        Args:
            event_id: The id of the event.
            target: Where it goes.
            jpeg: The picture.

        Raises:
            TeachingError: It cannot be filed.
        """
        stem = f"event-{event_id}"
        if stem in self.store.listing().pictures:
            self.store.move([stem], target)
        else:
            self.store.add(target, stem, jpeg)

    def import_pictures(self, path: Path, name: str) -> dict[str, Any]:
        """Add the pictures of a zip; takes seconds to minutes.

        Raises:
            ControlError: The zip has no picture that can be added, or other work is in progress.
        """
        store = self.store
        store.require_space(0)
        left_bytes = max(0, store.describe()["limit_bytes"] - store.listing().dataset_bytes)
        with self._take_turn():
            answer = self._run("dataset", "import", str(path), "--into", str(store.folder),
                               "--max-bytes", str(left_bytes), "--json", name=name, path=path)  # fmt: skip
        added = [str(each) for each in answer["added"]]
        labeled = [(str(old), str(new)) for old, new in answer["labeled"]]
        if added or labeled:
            store.note_imported(added, labeled)
        left_out = [str(each) for each in answer["left_out"]]
        more = len(left_out) - _MOST_LEFT_OUT
        return {
            "added": len(added) + len(labeled),
            "known": int(answer["known"]),
            "left_out": left_out[:_MOST_LEFT_OUT] + ([f"and {more} more"] if more > 0 else []),
        }

    def export_pictures(self) -> dict[str, Any]:
        """Write the dataset as a zip that can be fetched once; takes seconds to minutes.

        Raises:
            TeachingError, ControlError: There is no picture, the disk is full, or other work is in progress.
        """
        store = self.store
        if not store.listing().dataset_bytes:
            raise TeachingError(409, "the dataset has no labeled picture yet; record some first")
        require_free_disk(store.folder, store.listing().dataset_bytes)
        export_id = secrets.token_hex(16)
        with self._take_turn():
            self._empty_exports()
            out = self._exports / f"{export_id}.zip"
            answer = self._run("dataset", "pack", str(store.folder), "--out", str(out), "--form", "zip", "--json",
                               name="dataset.zip", path=out)  # fmt: skip
        left_out = [str(each) for each in answer["left_out"]][:_MOST_LEFT_OUT]
        size = out.stat().st_size
        return {"id": export_id, "bytes": size, "pictures": int(answer["pictures"]), "left_out": left_out}

    def take_export(self, export_id: str) -> Path:
        """Return the zip of an export, which the caller removes; it is given out once.

        Raises:
            TeachingError: There is none.
        """
        source, target = self._exports / f"{export_id}.zip", self._exports / f"{export_id}.taken"
        try:
            if time.time() - source.lstat().st_mtime > _EXPORT_AGE_S:
                source.unlink()
            source.rename(target)
        except OSError as error:
            raise TeachingError(404, "this download was fetched already, or is too old; export again") from error
        return target

    def _find_collected(self) -> Path:
        return self._parts.live.settings.collect.dir or self._default_collected

    def _describe(self, picture: TeachingPicture) -> dict[str, Any]:
        guess = self._find_guess(picture)
        return {
            "id": picture.id,
            "label": picture.label,
            "background": picture.is_background,
            "guess": None
            if guess is None
            else {"label": None if guess.label == BACKGROUND else guess.label, "score": guess.score},
            "time": to_rfc3339(picture.time_s),
            "origin": str(picture.origin),
            "burst": picture.recording,
        }

    def _find_guess(self, picture: TeachingPicture) -> Guess | None:
        """Return the guess of the running model, with its background label under the name of the dataset's."""
        guess = self.guesses.get(picture.id)
        if guess and guess.label == self._parts.active.current.bundle.background_label:
            return Guess(BACKGROUND, guess.score)
        return guess

    def _latest(self) -> RecordableFrame | None:
        result, view = self._parts.latest.result, self._parts.live.view
        if result is None or not self._parts.switches.running:
            return None
        frame, pixels = result.frame, result.frame.pixels
        best = int(result.scores.argmax())
        guess = result.engine.labeler.labels[best], round(float(result.scores[best]), 4)
        return RecordableFrame(frame.number, frame.time, frame.monotonic_s, lambda: crop(pixels, view), guess)

    def _open_labeler(self) -> Labeler:
        return Labeler(self._parts.active.current.bundle, runtime=self._parts.live.settings.labeler.runtime)

    def _tell(self) -> None:
        self.notify("dataset", self.store.describe())

    def _empty_exports(self) -> None:
        """Remove the earlier export, because each may be as large as the dataset."""
        self._exports.mkdir(mode=0o750, parents=True, exist_ok=True)
        for path in self._exports.iterdir():
            path.unlink(missing_ok=True)

    @contextmanager
    def _take_turn(self) -> Iterator[None]:
        if not self._work.acquire(blocking=False):
            raise ControlError("another import or export is in progress; try again when it is done")
        try:
            yield
        finally:
            self._work.release()

    def _run(self, *arguments: str, name: str, path: Path) -> dict[str, Any]:
        def note(child: Child) -> None:
            self._child = child

        try:
            return run_command(arguments, note)
        except ControlError as error:
            # The sentence names the file that the person gave, not the copy on this device.
            raise TeachingError(422, str(error).replace(str(path), name)) from error
        finally:
            self._child = None
