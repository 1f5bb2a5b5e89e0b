"""The last changes of the dataset, so that they can be undone, also after a restart.

A step is a list of moves. It is written before the first move, so a kill in between leaves moves that are only partly
done; undoing skips those that never happened. What is deleted is moved to a folder of its step, and removed with it.
"""

import errno
import logging
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import TeachingError
from appliance.system.state_file import StateFile

log = logging.getLogger("appliance.teaching")

MAX_STEPS = 20
TRASH = "trash"
"""The root of tokens of deleted pictures: trash/STEP/dataset/cup/NAME.jpg."""
_MAX_SENTENCE = 200
_MAX_MOVES = 100_000


@dataclass(frozen=True, slots=True)
class Move:
    """A file or folder that was moved; both are tokens: root, folders, and name."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class JournalStep:
    """One change.

    Attributes:
        number: Increases with every step.
        sentence: What undoing it did, for people.
        moves: In the order in which they were done.
    """

    number: int
    sentence: str
    moves: tuple[Move, ...]


class TeachingJournal:
    """The last MAX_STEPS steps and the files of what was deleted. Not thread-safe."""

    def __init__(self, folder: Path, roots: dict[str, Path]):
        """Set the folders; nothing is read yet.

        Args:
            folder: Contains the journal and the deleted pictures.
            roots: The folder for the first part of each token, except for the trash.
        """
        self._folder = folder
        self.roots = {**roots, TRASH: folder / TRASH}
        self._file: StateFile[tuple[JournalStep, ...]] = StateFile(
            folder / "undo.json", _decode, _encode, (), mode=0o640, if_unreadable="earlier changes cannot be undone",
            log=log,
        )  # fmt: skip
        self._steps: tuple[JournalStep, ...] | None = None

    @property
    def steps(self) -> tuple[JournalStep, ...]:
        """The steps that can be undone, oldest first."""
        if self._steps is None:
            self._steps = self._file.read()
        return self._steps

    @property
    def next_number(self) -> int:
        """The number of the next step, for the tokens of what it deletes."""
        return self.steps[-1].number + 1 if self.steps else 1

    def carry_out(self, sentence: str, moves: Sequence[Move]) -> int:
        """Note a step, carry out its moves, and return how many were done; a file that is gone is skipped.

        Args:
            sentence: What undoing the step does, in the past, for people.
            moves: The moves.

        Raises:
            OSError: The step cannot be noted, or a file cannot be moved; the earlier ones are.
        """
        self.note(sentence, moves)
        return sum(self._move(move.source, move.target) for move in moves)

    def note(self, sentence: str, moves: Sequence[Move]) -> None:
        """Note a step whose moves are already done; the oldest step beyond MAX_STEPS is forgotten.

        Raises:
            OSError: The journal cannot be written.
        """
        step = JournalStep(self.next_number, sentence[:_MAX_SENTENCE], tuple(moves))
        self._write((*self.steps, step)[-MAX_STEPS:])
        self._remove_unused_trash()

    def undo(self) -> str:
        """Undo the last step, and return what that did.

        Raises:
            TeachingError: There is none.
            OSError: A file cannot be moved.
        """
        if not self.steps:
            raise TeachingError(409, "there is nothing to undo")
        step = self.steps[-1]
        for move in reversed(step.moves):
            self._move(move.target, move.source)
        self._write(self.steps[:-1])
        self._remove_unused_trash()
        return step.sentence

    def forget_oldest_trash(self) -> bool:
        """Forget the steps up to the oldest one with deleted files; return whether there was one."""
        for index, step in enumerate(self.steps):
            if (self.roots[TRASH] / str(step.number)).is_dir():
                self._write(self.steps[index + 1 :])
                self._remove_unused_trash()
                return True
        return False

    def measure_trash(self) -> int:
        """Return the size of the deleted files in bytes."""
        total = 0
        for folder, _, names in os.walk(self.roots[TRASH]):
            for name in names:
                try:
                    total += Path(folder, name).lstat().st_size
                except OSError:
                    continue
        return total

    def resolve(self, token: str) -> Path:
        """Return the path of a token.

        Raises:
            TeachingError: The token leads out of its root, which happens only if the journal was edited.
        """
        root, _, rest = token.partition("/")
        parts = rest.split("/")
        if root not in self.roots or any(part in ("", ".", "..") for part in parts):
            raise TeachingError(409, "the list of changes is damaged; nothing was undone")
        return self.roots[root].joinpath(*parts)

    def _move(self, source_token: str, target_token: str) -> bool:
        """Move a file or folder; a folder is merged into an existing one. Return whether there was something."""
        source, target = self.resolve(source_token), self.resolve(target_token)
        if not os.path.lexists(source):
            return False
        _make_folders(target.parent)
        if source.is_dir() and target.is_dir():
            for child in list(source.iterdir()):
                _rename(child, _find_free(target / child.name))
            source.rmdir()
        else:
            _rename(source, _find_free(target))
        return True

    def _write(self, steps: tuple[JournalStep, ...]) -> None:
        _make_folders(self._folder)
        self._file.write(steps)
        self._steps = steps

    def _remove_unused_trash(self) -> None:
        used = {str(step.number) for step in self.steps}
        try:
            folders = list(self.roots[TRASH].iterdir())
        except OSError:
            return
        for folder in folders:
            if folder.name not in used:
                shutil.rmtree(folder, ignore_errors=True)


def _make_folders(folder: Path) -> None:
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)


def _find_free(path: Path) -> Path:
    """Return the path, or one beside it with a number if it is taken; nothing is ever replaced."""
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def _rename(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:  # collect.dir may be on another disk
            raise
        shutil.copy2(source, target, follow_symlinks=False)
        source.unlink()


def _decode(value: Any) -> tuple[JournalStep, ...]:
    steps = []
    for item in value["steps"][-MAX_STEPS:]:
        moves = tuple(Move(str(source), str(target)) for source, target in item["moves"][:_MAX_MOVES])
        steps.append(JournalStep(int(item["number"]), str(item["sentence"])[:_MAX_SENTENCE], moves))
    return tuple(steps)


def _encode(steps: Iterable[JournalStep]) -> Any:
    return {
        "steps": [
            {
                "number": step.number,
                "sentence": step.sentence,
                "moves": [[move.source, move.target] for move in step.moves],
            }
            for step in steps
        ]
    }
