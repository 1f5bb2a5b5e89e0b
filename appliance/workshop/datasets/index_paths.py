"""Find the files that an index lists: beside the index, or in a local copy of a bucket.

Nothing outside the index's folder and these local copies is read, unless an index contains an absolute path.
"""

import errno
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from appliance.errors import DatasetError
from appliance.workshop.datasets.containers import FolderContainer
from appliance.workshop.datasets.index_text import IndexRecord
from appliance.workshop.datasets.name_lookup import NameLookup
from appliance.workshop.datasets.problems import Problem, ProblemKind
from appliance.workshop.datasets.split_names import Split

# The beginning of an absolute path, also of Windows (C:/Users).
_FOREIGN_ROOT = re.compile(r"/|[A-Za-z]:/")
# An index has one row for each label of a picture if at least this many and this share of its pictures have several.
_MIN_REPEATED, _REPEATED_SHARE = 3, 0.1


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A valid row; the file need not exist."""

    name: str
    path: Path
    label: str | None
    split: Split | None
    others: tuple[str, ...] = ()


class _RefusedPathError(ValueError):
    """A row refers to a picture that must not or cannot be opened."""


class _UnmappedBucketError(Exception):
    """A gs:// URL names a bucket without a local copy."""


@dataclass(slots=True)
class RowResolver:
    """Find the files of rows one by one and collect their problems.

    Attributes:
        index: The index file.
        gs_folders: gs://bucket, or gs://bucket/folder → the folder of its local copy.
        rows: The rows whose files were found, or are only missing.
        problems: The problems of the other rows.
        lost_labels: The labels of refused rows.
    """

    index: Path
    gs_folders: Mapping[str, Path]
    rows: list[IndexRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    lost_labels: set[str | None] = field(default_factory=set)
    _lookup: NameLookup | None = None
    _foreign_root: str | None = None
    _unmapped: dict[str, int] = field(default_factory=dict)
    _seen: dict[tuple[Path, tuple[str | None, ...]], str] = field(default_factory=dict)

    def add(self, record: IndexRecord) -> None:
        """Resolve one row into an IndexRow or a problem."""
        prefix = f"{record.row} of {self.index.name}"
        try:
            path = self._resolve(record)
        except _UnmappedBucketError:
            bucket = "/".join(record.name.split("/")[:3])
            self._unmapped[bucket] = self._unmapped.get(bucket, 0) + 1
            return
        except _RefusedPathError as error:
            self.problems.append(Problem(ProblemKind.REFUSED, record.name, f"{prefix}: {error}"))
            self.lost_labels |= {record.label, *record.others}
            return
        labels = (record.label, *record.others)
        if (path, labels) in self._seen:
            message = f"{prefix} repeats {self._seen[path, labels]} and was skipped"
            self.problems.append(Problem(ProblemKind.SKIPPED, record.name, message))
            return
        self._seen[path, labels] = record.row
        self.rows.append(IndexRow(record.name, path, record.label, record.split, record.others))

    def merge_rows(self) -> None:
        """Join the rows of each picture if the index has one row for each label of a picture.

        This is so if some rows have several labels, or if many pictures have several rows; a few pictures with two
        rows are rather mistakes, which are reported later.
        """
        members: dict[Path, list[IndexRow]] = {}
        for row in self.rows:
            members.setdefault(row.path, []).append(row)
        repeated = [rows for rows in members.values() if len({row.label for row in rows}) > 1]
        has_several = any(row.others for row in self.rows)
        many = max(_MIN_REPEATED, _REPEATED_SHARE * len(members))
        if not has_several and len(repeated) < many:
            return
        self.rows = [row for rows in members.values() for row in _merge(rows)]

    def require_mapped_buckets(self) -> None:
        """Raise DatasetError if rows name buckets without a local copy."""
        if self._unmapped:
            raise DatasetError(
                f"{self.index} lists {sum(self._unmapped.values())} pictures in {', '.join(self._unmapped)}, which has "
                f"no local copy; copy the bucket to a folder and pass --gs {next(iter(self._unmapped))}=FOLDER"
            )

    def _resolve(self, record: IndexRecord) -> Path:
        """Return the first of the record's paths that exists, else the first one."""
        names: Iterable[str] = record.paths or (record.name,)
        if any("\\" in name for name in names):
            names = [variant for name in names for variant in (name, name.replace("\\", "/"))]
        names = list(names)
        paths = [_resolve_path(name, self.index.parent, self.gs_folders) for name in names]
        if (found := next((path for path in paths if path.exists()), None)) is not None:
            return found
        return next((below for name in names if (below := self._find_below(name)) is not None), paths[-1])

    def _find_below(self, name: str) -> Path | None:
        """Return the only file below the index's folder that ends with this path, or with it and a suffix."""
        name = name.replace("\\", "/")
        if "://" in name or ".." in PurePosixPath(name).parts:
            return None
        if self._lookup is None:
            self._lookup = NameLookup(FolderContainer(self.index.parent).list_files()[0])
        if _FOREIGN_ROOT.match(name):
            return self._find_foreign(name, self._lookup)
        found = self._lookup.find(name)
        return None if found is None else self.index.parent / found

    def _find_foreign(self, name: str, lookup: NameLookup) -> Path | None:
        """Return the file for an absolute path of the computer on which the index was written.

        The first path that is found below the index's folder shows the folder there; all others must be in it, too.
        """
        parts = name.split("/")
        if self._foreign_root is None:
            ends = (("/".join(parts[:at]), lookup.find("/".join(parts[at:]))) for at in range(1, len(parts)))
            self._foreign_root, found = next(((root, end) for root, end in ends if end is not None), (None, None))
        else:
            inner = name.removeprefix(f"{self._foreign_root}/")
            found = lookup.find(inner) if inner != name else None
        return None if found is None else self.index.parent / found


def _merge(rows: list[IndexRow]) -> list[IndexRow]:
    """Join rows of one picture into one with all labels; rows in different splits stay apart."""
    if len({row.split for row in rows}) > 1:
        return rows
    labels = sorted({label for row in rows for label in (row.label, *row.others) if label})
    first = rows[0]
    return [IndexRow(first.name, first.path, labels[0] if labels else None, first.split, tuple(labels[1:]))]


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
