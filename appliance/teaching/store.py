"""The dataset of the device: list, label, move, delete, and undo; add pictures within the limits of the disk.

Everything lies in the state folder: `dataset` with a folder for each label, and `teaching` with what can be undone. The
collected frames stay in their own folder until someone labels them. The dataset is never thinned by itself: when it
reaches collect.max_bytes, or the disk is nearly full, nothing more is added.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from appliance.errors import TeachingError
from appliance.system.atomic_files import write_atomically
from appliance.teaching.folders import (
    COLLECTED,
    DATASET,
    Listing,
    TeachingPicture,
    add_to_listing,
    list_folders,
    stamp_folders,
)
from appliance.teaching.journal import TRASH, Move, TeachingJournal
from appliance.teaching.names import BACKGROUND, MIN_PICTURES, clean_label
from appliance.teaching.space import KEPT_FREE_BYTES, require_free_disk
from appliance.teaching.wording import Target, count_pictures, guard_folder

log = logging.getLogger("appliance.teaching")

DATASET_FOLDER = "dataset"
TEACHING_FOLDER = "teaching"
MAX_IDS = 2000
_MAX_LABELS = 200
_GONE = "these pictures are not there any more; load the list again"


class DatasetStore:
    """The dataset of one device. Safe to use from any thread of a process."""

    def __init__(
        self,
        state: Path,
        collected: Callable[[], Path],
        max_bytes: Callable[[], int],
        on_change: Callable[[], None] = lambda: None,
        kept_free_bytes: int = KEPT_FREE_BYTES,
    ):
        """Set the folders; nothing is read or created yet.

        Args:
            state: The state folder.
            collected: Returns the folder of collected frames.
            max_bytes: Returns the greatest size of the dataset, collect.max_bytes.
            on_change: Called after each change.
            kept_free_bytes: Space to leave free on the disk.
        """
        self._state = state
        self.folder = state / DATASET_FOLDER
        self.work_folder = state / TEACHING_FOLDER
        self._collected, self._max_bytes, self._on_change = collected, max_bytes, on_change
        self._kept_free_bytes = kept_free_bytes
        self._lock = threading.RLock()
        self._journal = TeachingJournal(self.work_folder, {DATASET: self.folder, COLLECTED: collected()})
        self._listing: Listing | None = None
        self._stamp: tuple[tuple[str, int], ...] = ()

    @property
    def undo_steps(self) -> int:
        """How many changes can be undone."""
        with self._lock:
            return len(self._journal.steps)

    def listing(self) -> Listing:
        """Return what the folders contain; it is read again only if something changed."""
        with self._lock:
            collected = self._journal.roots[COLLECTED] = self._collected()
            stamp = stamp_folders(self.folder, collected)
            if self._listing is None or stamp != self._stamp:
                self._listing, self._stamp = list_folders(self.folder, collected), stamp
            return self._listing

    def describe(self) -> dict[str, Any]:
        """Return the object of GET /api/dataset/labels."""
        with self._lock:
            listing = self.listing()
            return {
                "labels": [
                    {
                        "name": label.name,
                        "count": label.count,
                        "enough": label.count >= MIN_PICTURES,
                        "missing": label.missing,
                        "recordings": label.recordings,
                    }
                    for label in listing.labels
                ],
                "background": listing.background,
                "unlabeled": listing.unlabeled,
                "undo": self.undo_steps,
                "bytes": listing.dataset_bytes,
                "limit_bytes": self._max_bytes(),
                "folder": str(self.folder),
                "notes": list(listing.notes),
            }

    def find(self, picture_id: str) -> TeachingPicture:
        """Return a picture.

        Raises:
            TeachingError: There is none with this id.
        """
        picture = self.listing().pictures.get(picture_id)
        if picture is None:
            raise TeachingError(404, "there is no such picture any more; load the list again")
        return picture

    def find_label(self, text: str) -> str:
        """Return the label that a text names: an existing one, regardless of case, else the valid form of the text.

        Raises:
            TeachingError: The text cannot be the name of a label.
        """
        name = clean_label(text)
        if name.lower() == BACKGROUND:
            raise TeachingError(400, f"{BACKGROUND} is not a label; use it for pictures that show none of the labels")
        return next((label.name for label in self.listing().labels if label.name.lower() == name.lower()), name)

    def add_label(self, text: str) -> str:
        """Add a label without pictures; return its name.

        Raises:
            TeachingError: The text cannot be the name of a label, or there are too many.
        """
        with self._lock, guard_folder(self._state):
            name = self.find_label(text)
            if len(self.listing().labels) >= _MAX_LABELS and not (self.folder / name).is_dir():
                raise TeachingError(409, f"there are {_MAX_LABELS} labels already, the most that a device keeps")
            self._make_folder(self.folder / name)
        self._tell()
        return name

    def rename_label(self, old: str, new: str) -> str:
        """Give a label another name, or merge it into an existing label; return the name.

        Raises:
            TeachingError: There is no such label, or the new name cannot be used.
        """
        with self._lock, guard_folder(self._state):
            self._require_label(old)
            name = clean_label(new)
            if name.lower() != old.lower():  # else only its case changes
                name = self.find_label(new)
            if name != old:
                move = Move(f"{DATASET}/{old}", f"{DATASET}/{name}")
                moves = [move]
                if (self.folder / name).is_dir():
                    moves = [
                        *self._make_moves(self._pictures_of(old), name), Move(move.source, self._in_trash(move.source))
                    ]  # fmt: skip
                self._journal.carry_out(f"the label {name} is {old} again", moves)
        self._tell()
        return name

    def remove_label(self, name: str) -> None:
        """Remove a label; its pictures become unlabeled.

        Raises:
            TeachingError: There is no such label.
        """
        with self._lock, guard_folder(self._state):
            self._require_label(name)
            token = f"{DATASET}/{name}"
            moves = [*self._make_moves(self._pictures_of(name), None), Move(token, self._in_trash(token))]
            self._journal.carry_out(f"the label {name} is back", moves)
        self._tell()

    def move(self, ids: Sequence[str], target: Target) -> int:
        """Label pictures, or take their label away; return how many changed.

        Raises:
            TeachingError: None of them is there, or they cannot be moved.
        """
        with self._lock, guard_folder(self._state):
            pictures = self._select(ids)
            pictures = [picture for picture in pictures if not target.contains(picture)]
            if target.folder:
                self._make_folder(self.folder / target.folder)
            changed = len(pictures)
            if pictures:
                sentence = f"{count_pictures(changed)} {'is' if changed == 1 else 'are'} labeled as before"
                self._journal.carry_out(sentence, self._make_moves(pictures, target.folder))
        self._tell()
        return changed

    def delete(self, ids: Sequence[str]) -> int:
        """Delete pictures until the change is undone; return how many.

        Raises:
            TeachingError: None of them is there, or they cannot be moved.
        """
        with self._lock, guard_folder(self._state):
            pictures = self._select(ids)
            moves = [Move(token, self._in_trash(token)) for token in self._list_tokens(pictures)]
            sentence = f"{count_pictures(len(pictures))} {'is' if len(pictures) == 1 else 'are'} back"
            self._journal.carry_out(sentence, moves)
        self._tell()
        return len(pictures)

    def undo(self) -> str:
        """Undo the last change; return what that did.

        Raises:
            TeachingError: There is nothing to undo, or a file cannot be moved.
        """
        with self._lock, guard_folder(self._state):
            sentence = self._journal.undo()
        self._tell()
        return sentence

    def note_imported(self, added: Sequence[str], labeled: Sequence[tuple[str, str]] = ()) -> None:
        """Note an import, so that it can be undone.

        Args:
            added: The paths of the new pictures in the dataset.
            labeled: The old and the new path of each picture that got a label.

        Raises:
            TeachingError: The change cannot be noted.
        """
        count = len(added) + len(labeled)
        what = "picture is removed" if count == 1 else "pictures are removed"
        with self._lock, guard_folder(self._state):
            self._listing = None
            new = [f"{DATASET}/{path}" for path in added]
            moves = [Move(self._in_trash(token), token) for token in new]
            moves += [Move(f"{DATASET}/{old}", f"{DATASET}/{path}") for old, path in labeled]
            self._journal.note(f"{count} imported {what}" if added else f"{count_pictures(count)} as before", moves)
        self._tell()

    def add(self, target: Target, stem: str, jpeg: bytes) -> str:
        """Add a picture; return its id, which is `stem`.

        Args:
            target: Its label.
            stem: Its name without a suffix, from appliance.teaching.names.
            jpeg: Its content.

        Raises:
            TeachingError: The dataset or the disk is full, or the picture cannot be written.
        """
        with self._lock, guard_folder(self._state):
            self.require_space(len(jpeg))
            folder = self.folder / target.folder if target.folder else self.folder
            self._make_folder(folder)
            # Not synced, because a picture that is lost in a power cut can be taken again.
            write_atomically(folder / f"{stem}.jpg", jpeg, durable=False)
            self._note_written(target.folder, f"{stem}.jpg")
        self._on_change()
        return stem

    def discard(self, ids: Iterable[str]) -> int:
        """Remove pictures that were just taken, for good; return how many."""
        removed = 0
        with self._lock, guard_folder(self._state):
            for picture_id in ids:
                if picture := self.listing().pictures.get(picture_id):
                    picture.path.unlink(missing_ok=True)
                    removed += 1
        if removed:
            self._tell()
        return removed

    def require_space(self, added_bytes: int) -> None:
        """Make sure that pictures fit, if necessary by forgetting deleted ones.

        Raises:
            TeachingError: They do not fit.
        """
        with self._lock:
            limit = self._max_bytes()
            while self.listing().dataset_bytes + self._journal.measure_trash() + added_bytes > limit:
                if not self._journal.forget_oldest_trash():
                    raise TeachingError(
                        507,
                        f"the dataset has reached its limit of {limit // 1_000_000} MB; delete pictures, or raise "
                        "collect.max_bytes",
                    )
            require_free_disk(self.folder, added_bytes, self._kept_free_bytes)

    def _require_label(self, name: str) -> None:
        if name not in {label.name for label in self.listing().labels}:
            raise TeachingError(404, "there is no such label any more; load the list again")

    def _pictures_of(self, label: str) -> list[TeachingPicture]:
        return [picture for picture in self.listing().pictures.values() if picture.label == label]

    def _select(self, ids: Sequence[str]) -> list[TeachingPicture]:
        pictures = self.listing().pictures
        found = [pictures[each] for each in dict.fromkeys(ids) if each in pictures]
        if not found:
            raise TeachingError(404, _GONE)
        return found

    def _make_moves(self, pictures: Iterable[TeachingPicture], folder: str | None) -> list[Move]:
        place = f"{DATASET}/{folder}" if folder else DATASET
        return [Move(token, f"{place}/{token.rpartition('/')[2]}") for token in self._list_tokens(pictures)]

    def _list_tokens(self, pictures: Iterable[TeachingPicture]) -> Iterator[str]:
        """Yield the token of each picture, and that of what moves with it."""
        for picture in pictures:
            yield picture.token
            yield from self._find_sidecar(picture)

    def _find_sidecar(self, picture: TeachingPicture) -> list[str]:
        """Return the token of the file with the prediction of a collected frame, which moves with it."""
        sidecar = picture.path.with_suffix(".json")
        if not sidecar.is_file() or sidecar.is_symlink():
            return []
        return [f"{picture.token.removesuffix(picture.path.suffix)}.json"]

    def _in_trash(self, token: str) -> str:
        return f"{TRASH}/{self._journal.next_number}/{token}"

    def _make_folder(self, folder: Path) -> None:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        if folder.is_symlink():
            raise TeachingError(409, f"{folder} is a symbolic link, which is not followed; replace it by a folder")

    def _note_written(self, folder: str | None, file_name: str) -> None:
        if self._listing is not None:
            self._listing = add_to_listing(self._listing, self.folder, folder, file_name)
            self._stamp = stamp_folders(self.folder, self._journal.roots[COLLECTED])

    def _tell(self) -> None:
        self._listing = None
        self._on_change()
