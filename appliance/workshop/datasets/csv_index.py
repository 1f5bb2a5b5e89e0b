"""Read a CSV index: one picture per row, in the format of AutoML Vision.

    [TRAIN|VALIDATION|TEST|UNASSIGNED,]PATH-OR-URL[,LABEL]

(cloud.google.com/automl/docs/reference/rest/v1/InputConfig, "AutoML Vision, Classification"). A path is relative to the
CSV's folder; a gs:// URL, after percent-decoding, is looked up in the local copy of its bucket (--gs). A row without a
label is an unlabeled picture; a row with two labels is for another kind of model and is refused. The first row may name
the columns (set, path, label; others are ignored) in any order.
Nothing outside the CSV's folder and these local copies is read, unless a row contains an absolute path.
"""

import csv
import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from appliance.errors import DatasetError, describe_os_error
from appliance.workshop.datasets.layout import parse_split
from appliance.workshop.datasets.problems import Problem, ProblemKind, is_printable
from appliance.workshop.datasets.split_names import Split

MAX_INDEX_BYTES = 100_000_000  # AutoML's limit for a CSV

_PATH_WORDS = {"path", "file", "filename", "image", "picture", "url", "uri", "gcs_file_path", "image_path", "image_url"}
_SET_WORDS = {"set", "split", "ml_use"}
_UNASSIGNED = "UNASSIGNED"


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A valid row; the file need not exist."""

    name: str
    path: Path
    label: str | None
    split: Split | None


@dataclass(frozen=True, slots=True)
class _Columns:
    """The index of each column; without a header, a split in the first column is recognized row by row."""

    path: int
    label: int | None
    set: int | None
    has_header: bool


@dataclass(frozen=True, slots=True)
class _Cells:
    """The content of one row."""

    name: str
    label: str | None
    split: Split | None


class _RowError(ValueError):
    """A row is invalid; the message completes "row 7 of index.csv …"."""


class _RefusedPathError(ValueError):
    """A row refers to a picture that must not or cannot be opened."""


class _UnmappedBucketError(Exception):
    """A gs:// URL names a bucket without a local copy."""


@dataclass(slots=True)
class _RowReader:
    """Resolve rows one by one and collect their problems."""

    index: Path
    gs_folders: Mapping[str, Path]
    rows: list[IndexRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _unmapped: dict[str, int] = field(default_factory=dict)
    _seen: dict[tuple[Path, str | None], str] = field(default_factory=dict)

    def add(self, line: int, cells: list[str], columns: _Columns) -> None:
        """Resolve one row into an IndexRow or a problem."""
        row_name = f"row {line}"
        prefix = f"{row_name} of {self.index.name}"
        try:
            row = _parse_row(cells, columns)
        except _RowError as error:
            self.problems.append(Problem(ProblemKind.WRONG_ROW, row_name, f"{prefix} {error}"))
            return
        try:
            path = _resolve_path(row.name, self.index.parent, self.gs_folders)
        except _UnmappedBucketError:
            bucket = "/".join(row.name.split("/")[:3])
            self._unmapped[bucket] = self._unmapped.get(bucket, 0) + 1
            return
        except _RefusedPathError as error:
            self.problems.append(Problem(ProblemKind.REFUSED, row.name, f"{prefix}: {error}"))
            return
        if (path, row.label) in self._seen:
            message = f"{prefix} repeats {self._seen[path, row.label]} and was skipped"
            self.problems.append(Problem(ProblemKind.SKIPPED, row.name, message))
            return
        self._seen[path, row.label] = row_name
        self.rows.append(IndexRow(row.name, path, row.label, row.split))

    def require_mapped_buckets(self) -> None:
        """Raise DatasetError if rows name buckets without a local copy."""
        if self._unmapped:
            raise DatasetError(
                f"{self.index} lists {sum(self._unmapped.values())} pictures in {', '.join(self._unmapped)}, which has "
                f"no local copy; copy the bucket to a folder and pass --gs {next(iter(self._unmapped))}=FOLDER"
            )


def read_rows(index: Path, gs_folders: Mapping[str, Path]) -> tuple[list[IndexRow], list[Problem]]:
    """Read a CSV index.

    Args:
        index: The CSV, UTF-8.
        gs_folders: gs://bucket, or gs://bucket/folder → the folder of its local copy.

    Returns:
        The valid rows, and the problems of the other rows.

    Raises:
        DatasetError: The file cannot be read, is not CSV, or refers to a bucket that is not in `gs_folders`.
    """
    reader = _RowReader(index, gs_folders)
    columns: _Columns | None = None
    for line, cells in _read_cells(index):
        if columns is None and (columns := _parse_header(cells)):
            continue
        columns = columns or _Columns(0, None, None, has_header=False)
        reader.add(line, cells, columns)
    reader.require_mapped_buckets()
    return reader.rows, reader.problems


def _read_cells(index: Path) -> list[tuple[int, list[str]]]:
    """Return (line number, stripped cells) of each row that is not empty."""
    try:
        if index.stat().st_size > MAX_INDEX_BYTES:
            raise DatasetError(f"{index} is larger than {MAX_INDEX_BYTES // 1_000_000} MB, the limit for a CSV index")
        text = index.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{index} cannot be read: {describe_os_error(error)}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{index} is not UTF-8 text; save it as UTF-8") from error
    reader = csv.reader(text.splitlines(keepends=True), skipinitialspace=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise DatasetError(f"{index}, line {reader.line_num}: not CSV: {error}") from error
    return [(line, cells) for line, cells in rows if any(cells)]


def _parse_header(cells: list[str]) -> _Columns | None:
    """Return the columns that a first row names; None if the row is not a header."""
    words = [cell.lower() for cell in cells]
    path = next((index for index, word in enumerate(words) if word in _PATH_WORDS), None)
    names = [word for word in words if word]  # spreadsheets add empty columns, and some exports leave columns unnamed
    if path is None or len(set(names)) < len(names) or ("label" not in words and not _SET_WORDS & set(words)):
        return None
    label = words.index("label") if "label" in words else None
    set_index = next((index for index, word in enumerate(words) if word in _SET_WORDS), None)
    return _Columns(path, label, set_index, has_header=True)


def _parse_row(cells: list[str], columns: _Columns) -> _Cells:
    """Return the content of a row.

    Raises:
        _RowError: The row is invalid.
    """
    if columns.has_header:
        cells = cells + [""] * (max(columns.path, columns.label or 0, columns.set or 0) + 1 - len(cells))
        set_word = cells[columns.set] if columns.set is not None else ""
        name, labels = cells[columns.path], [cells[columns.label]] if columns.label is not None else []
    else:
        # The word is enough to tell a split from a picture: no picture is named TRAIN without a suffix.
        has_set = cells[0] == "" or parse_split(cells[0]) is not None or cells[0].upper() == _UNASSIGNED
        set_word, (name, *labels) = (cells[0], cells[1:] or [""]) if has_set else ("", cells)
    split = parse_split(set_word)
    if split is None and set_word and set_word.upper() != _UNASSIGNED:
        raise _RowError(f"has {set_word!r} instead of TRAIN, VALIDATION, TEST, or UNASSIGNED")
    if not name:
        raise _RowError("contains no picture")
    if not is_printable(name):
        raise _RowError(f"contains a picture name with characters that cannot be printed: {name!r}")
    labels = list(dict.fromkeys(label for label in labels if label))
    if len(labels) > 1:
        raise _RowError(f"gives {name} {len(labels)} labels ({', '.join(labels[:3])}); a picture has one")
    return _Cells(name, labels[0] if labels else None, split)


def _resolve_path(name: str, folder: Path, gs_folders: Mapping[str, Path]) -> Path:
    """Return the path of the picture in a row.

    Raises:
        _UnmappedBucketError: Its bucket has no local copy.
        _RefusedPathError: It points outside the folder, is on another machine, or cannot be looked up.
    """
    try:
        path = _locate(name, folder, gs_folders)
        os.fsencode(path)  # reading the file would fail later
        _require_no_link_loop(path)
        return path
    except (OSError, RuntimeError) as error:  # a file name that is too long, an unreadable folder; a loop of links
        reason = error.strerror if isinstance(error, OSError) else None
        raise _RefusedPathError(f"{name} cannot be looked up: {reason or 'its links form a loop'}") from error
    except UnicodeEncodeError as error:
        raise _RefusedPathError(
            f"{name} cannot be looked up: file names are {error.encoding} here; use a UTF-8 locale"
        ) from error


def _require_no_link_loop(path: Path) -> None:
    """Raise OSError if links form a loop; from Python 3.13 on, Path.resolve no longer does."""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise


def _locate(name: str, folder: Path, gs_folders: Mapping[str, Path]) -> Path:
    if not name.startswith("gs://"):
        if "://" in name:
            raise _RefusedPathError(f"{name} is on another machine; copy it here, or use a gs:// URL and --gs")
        path = Path(name)
        return path if path.is_absolute() else _join_inside(folder, name, name)
    prefix = max((key for key in gs_folders if f"{name}/".startswith(f"{key.rstrip('/')}/")), key=len, default=None)
    if prefix is None:
        raise _UnmappedBucketError(name)
    encoded = name[len(prefix.rstrip("/")) + 1 :]
    decoded = _join_inside(gs_folders[prefix], unquote(encoded), name)
    if decoded.exists():
        return decoded
    # A name in a bucket may contain a percent sign, and the CSV may contain that name without encoding.
    literal = _join_inside(gs_folders[prefix], encoded, name)
    return literal if literal.exists() else decoded


def _join_inside(folder: Path, relative: str, name: str) -> Path:
    """Return the path in `folder`.

    Raises:
        _RefusedPathError: The path, or the target of a link on it, is outside.
    """
    path = folder / relative
    if "\x00" in relative or Path(relative).is_absolute() or not path.resolve().is_relative_to(folder.resolve()):
        raise _RefusedPathError(f"{name} points outside {folder} and is refused")
    return path
