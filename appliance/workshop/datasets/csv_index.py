"""A CSV index: one picture a row, as AutoML Vision takes it.

    [TRAIN|VALIDATION|TEST|UNASSIGNED,]PATH-OR-URL[,LABEL]

(cloud.google.com/automl/docs/reference/rest/v1/InputConfig, "AutoML Vision, Classification"). A path is relative to the
CSV's folder; a gs:// URL is looked up in the local copy of its bucket that --gs names, decoded from its percent signs. A
row without a label is an unlabeled picture; a row with two is not for this kind of model and is not taken. A first row
that names its columns (set, path, label; others are passed over) may stand above, in any order.
Nothing outside the CSV's folder and the named copies is read, unless a row names it by an absolute path.
"""

import csv
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from appliance.errors import DatasetError, PictureError
from appliance.workshop.datasets.dataset import Problem, Split, can_be_shown
from appliance.workshop.datasets.layout import split_word

MAX_BYTES = 100_000_000  # AutoML's own limit for a CSV

_PATH_WORDS = {"path", "file", "filename", "image", "picture", "url", "uri", "gcs_file_path", "image_path", "image_url"}
_SET_WORDS = {"set", "split", "ml_use"}


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is understood; the file need not be there."""

    name: str
    path: Path
    label: str | None
    split: Split | None


@dataclass(frozen=True, slots=True)
class _Columns:
    path: int
    label: int | None
    set: int | None
    named: bool


class FileList:
    """Files by their full path."""

    def read(self, key: str, limit_bytes: int) -> bytes:
        """See examples.Shelf."""
        self.size_bytes(key)  # a pipe or a device would not come to an end
        try:
            with open(key, "rb") as file:
                return file.read(limit_bytes)
        except OSError as error:
            raise PictureError(f"{key} cannot be read: {error.strerror or error}.") from error

    def size_bytes(self, key: str) -> int:
        """See examples.Shelf."""
        try:
            found = os.stat(key)
        except OSError as error:
            raise PictureError(f"{key} cannot be read: {error.strerror or error}.") from error
        if not stat.S_ISREG(found.st_mode):
            raise PictureError(f"{key} is not a file.")
        return found.st_size


def read_rows(index: Path, gs: Mapping[str, Path]) -> tuple[list[Row], list[Problem]]:
    """Reads a CSV index.

    Args:
        index: The CSV, UTF-8.
        gs: gs://bucket, or gs://bucket/folder → the folder of its local copy.

    Returns:
        The rows, and what was wrong with the others.

    Raises:
        DatasetError: It cannot be read, is no CSV, or names a bucket that `gs` does not know.
    """
    rows: list[Row] = []
    problems: list[Problem] = []
    unmapped: dict[str, int] = {}
    columns: _Columns | None = None
    seen: dict[tuple[Path, str | None], str] = {}
    for number, cells in _cells(index):
        if columns is None and (columns := _header(cells)):
            continue
        columns = columns or _Columns(0, None, None, named=False)
        where = f"row {number}"
        said = _understood(cells, columns)
        if isinstance(said, str):
            problems.append(Problem("wrong_row", where, f"Row {number} of {index.name} {said}."))
            continue
        name, label, split = said
        try:
            path = _located(name, index.parent, gs)
        except KeyError:
            bucket = "/".join(name.split("/")[:3])
            unmapped[bucket] = unmapped.get(bucket, 0) + 1
            continue
        except ValueError as error:
            problems.append(Problem("refused", name, f"Row {number} of {index.name}: {error}."))
            continue
        except (OSError, RuntimeError) as error:  # a name too long for a file, a closed folder; a loop of links
            reason = getattr(error, "strerror", None) or "its links lead in a circle"
            problems.append(
                Problem("refused", name, f"Row {number} of {index.name}: {name} cannot be looked up: {reason}.")
            )
            continue
        if (path, label) in seen:
            says = f"Row {number} of {index.name} repeats {seen[path, label]} and was passed over."
            problems.append(Problem("passed_over", name, says))
            continue
        seen[path, label] = where
        rows.append(Row(name, path, label, split))
    if unmapped:
        bucket, count = next(iter(unmapped.items()))
        raise DatasetError(
            f"{index} names {sum(unmapped.values())} pictures in {', '.join(unmapped)}, which is not here: "
            f"copy the bucket to a folder and say --gs {bucket}=FOLDER."
        )
    return rows, problems


def _cells(index: Path) -> list[tuple[int, list[str]]]:
    """(line number, stripped cells) of each row that is not empty."""
    try:
        if index.stat().st_size > MAX_BYTES:
            raise DatasetError(f"{index} is larger than the {MAX_BYTES // 1_000_000} MB that a CSV index may have.")
        text = index.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{index} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{index} is not UTF-8 text: save it as UTF-8.") from error
    reader = csv.reader(text.splitlines(keepends=True), skipinitialspace=True)
    try:
        stripped = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise DatasetError(f"{index}, line {reader.line_num}: is not CSV: {error}.") from error
    return [(number, cells) for number, cells in stripped if any(cells)]


def _header(cells: list[str]) -> _Columns | None:
    words = [cell.lower() for cell in cells]
    path = next((place for place, word in enumerate(words) if word in _PATH_WORDS), None)
    named = [word for word in words if word]  # a spreadsheet adds empty columns, and some exports leave columns unnamed
    if path is None or len(set(named)) < len(named) or ("label" not in words and not _SET_WORDS & set(words)):
        return None
    label = words.index("label") if "label" in words else None
    return _Columns(
        path, label, next((place for place, word in enumerate(words) if word in _SET_WORDS), None), named=True
    )


def _understood(cells: list[str], columns: _Columns) -> tuple[str, str | None, Split | None] | str:
    """(name, label, split), or what is wrong."""
    split: Split | None = None
    if columns.named:
        cells = cells + [""] * (max(columns.path, columns.label or 0, columns.set or 0) + 1 - len(cells))
        word = cells[columns.set] if columns.set is not None else ""
        name, labels = cells[columns.path], [cells[columns.label]] if columns.label is not None else []
    else:
        # A set's name is told from a picture by its word alone: nobody's picture is called TRAIN without a suffix.
        has_set = cells[0] == "" or split_word(cells[0]) is not None or cells[0].upper() == "UNASSIGNED"
        word, (name, *labels) = (cells[0], cells[1:] or [""]) if has_set else ("", cells)
    if word and word.upper() != "UNASSIGNED":
        split = split_word(word)
        if split is None:
            return f"says {word!r} where TRAIN, VALIDATION, TEST or UNASSIGNED stands"
    if not name:
        return "names no picture"
    if not can_be_shown(name):
        return f"names a picture by what cannot be shown: {name!r}"
    labels = list(dict.fromkeys(label for label in labels if label))
    if len(labels) > 1:
        return f"gives {name} {len(labels)} labels ({', '.join(labels[:3])}): a picture has one"
    return name, labels[0] if labels else None, split


def _located(name: str, folder: Path, gs: Mapping[str, Path]) -> Path:
    """Where the picture lies. KeyError: its bucket is not mapped. ValueError says why it is refused."""
    if not name.startswith("gs://"):
        if "://" in name:
            raise ValueError(f"{name} is on another machine: copy it here, or name it by a gs:// URL and --gs")
        path = Path(name)
        return path if path.is_absolute() else _inside(folder, name, name)
    prefix = max((key for key in gs if f"{name}/".startswith(f"{key.rstrip('/')}/")), key=len, default=None)
    if prefix is None:
        raise KeyError(name)
    encoded = name[len(prefix.rstrip("/")) + 1 :]
    decoded = _inside(gs[prefix], unquote(encoded), name)
    if decoded.exists():
        return decoded
    # A bucket may hold a name with a percent sign of its own, and the CSV may have it as it is.
    literal = _inside(gs[prefix], encoded, name)
    return literal if literal.exists() else decoded


def _inside(folder: Path, relative: str, name: str) -> Path:
    """The file in `folder`, by the name as it stands and by where links lead."""
    path = folder / relative
    if "\x00" in relative or Path(relative).is_absolute() or not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{name} leads out of {folder} and is refused")
    return path
