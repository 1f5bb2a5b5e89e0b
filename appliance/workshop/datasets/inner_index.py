"""Read the indexes that lie inside a folder or zip, beside the pictures that they list.

- Roboflow writes one _classes.csv into each split's folder, with a column for each class.
- Edge Impulse writes one info.labels beside the folders training and testing.
- Any other index (labels.csv, train.csv, metadata.csv, …) counts if the folders themselves give no labels.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from appliance.errors import DatasetError, PictureError
from appliance.workshop.datasets.containers import FolderContainer, ZipContainer
from appliance.workshop.datasets.index import INDEX_SUFFIXES, find_names_of_columns, parse_index
from appliance.workshop.datasets.index_text import MAX_INDEX_BYTES, IndexRecord, decode_index
from appliance.workshop.datasets.json_index import EDGE_IMPULSE_NAME
from appliance.workshop.datasets.layout import Layout, PathMeaning
from appliance.workshop.datasets.name_lookup import NameLookup
from appliance.workshop.datasets.problems import Problem, ProblemKind
from appliance.workshop.datasets.split_folders import parse_split_folder
from appliance.workshop.datasets.split_names import SPLITS

_ROBOFLOW_NAME = "_classes.csv"
# An example of what a competition expects, with made-up labels.
_EXAMPLE = re.compile(r"submission|sample|example", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class IndexBeside:
    """What the indexes beside pictures state: path → record, the indexes, and their problems."""

    records: Mapping[str, IndexRecord]
    indexes: frozenset[str]
    problems: Sequence[Problem]


def is_inner_index(name: str) -> bool:
    """Return whether a file is an index that belongs to its folder."""
    return PurePosixPath(name).name in (_ROBOFLOW_NAME, EDGE_IMPULSE_NAME)


def read_inner_indexes(
    container: FolderContainer | ZipContainer, names: Sequence[str]
) -> tuple[dict[str, IndexRecord] | None, list[Problem]]:
    """Return what the indexes in a container state: path → record; None if it has no index.

    Raises:
        DatasetError: An index cannot be read or parsed.
    """
    indexes = [name for name in names if is_inner_index(name)]
    if not indexes:
        return None, []
    known = set(names)
    records: dict[str, IndexRecord] = {}
    problems: list[Problem] = []
    for index in indexes:
        folder = PurePosixPath(index).parent
        found, faults = _parse(container, index)
        problems += faults
        for record in found:
            path = str(folder / record.name.replace("\\", "/"))
            if path in known:
                records[path] = record
            else:
                message = f"{record.row} of {index}: {record.name} does not exist"
                problems.append(Problem(ProblemKind.UNREADABLE, record.name, message))
    return records, problems


def read_index_beside(
    container: FolderContainer | ZipContainer,
    names: Sequence[str],
    pictures: Sequence[str],
    *,
    needs_labels: bool = True,
) -> IndexBeside | None:
    """Return what indexes of any name state about the pictures; None if no index gives labels to them.

    An index counts if at least half of its rows are pictures of the container. The name of an index, such as train.csv,
    gives the split that its rows do not give.

    Args:
        container: Contains the files.
        names: The files among which indexes are looked for.
        pictures: The pictures.
        needs_labels: Whether an index must give labels; otherwise, splits are enough.
    """
    lookup = NameLookup(pictures)
    records: dict[str, IndexRecord] = {}
    indexes: set[str] = set()
    problems: list[Problem] = []
    for index in names:
        path = PurePosixPath(index)
        if path.suffix.lower() not in INDEX_SUFFIXES or is_inner_index(index) or _EXAMPLE.search(path.name):
            continue
        try:
            found, faults = _parse(container, index)
        except (DatasetError, PictureError):
            continue  # it is reported as a file that is not a picture
        split = next((split for split in SPLITS if split == parse_split_folder(path.stem)), None)
        places = {record.row: _find_place(lookup, path.parent, record) for record in found}
        with_picture = {row for row, place in places.items() if place is not None}
        if message := find_names_of_columns(found, with_picture):
            faults = [*faults, Problem(ProblemKind.UNUSED, index, f"{index}: {message}")]
            found = found[1:]
        own: dict[str, IndexRecord] = {}
        for record in found:
            if (place := places[record.row]) is not None:
                own[place] = record if record.split else dataclasses.replace(record, split=split)
        has_use = any(record.label or (record.split and not needs_labels) for record in own.values())
        if 2 * len(own) < len(found) or not has_use:
            continue
        if records.keys() & own.keys():
            message = f"{', '.join(sorted([*indexes, index]))} list the same pictures; give the one to use"
            problems.append(Problem(ProblemKind.MISREAD, index, message))
        records |= own
        indexes.add(index)
        problems += faults
        if missing := len(found) - len(own):
            message = f"{missing} of the {len(found)} pictures in {index} do not exist, or have a name that others have"
            problems.append(Problem(ProblemKind.UNREADABLE, index, message))
    return IndexBeside(records, frozenset(indexes), problems) if records else None


def _find_place(lookup: NameLookup, folder: PurePosixPath, record: IndexRecord) -> str | None:
    """Return the picture of a record: beside its index, or the only one with this name."""
    names = record.paths or (record.name,)
    ends = [end for name in names for end in (str(folder / name.replace("\\", "/")), name)]
    return next((found for end in ends if (found := lookup.find(end)) is not None), None)


def _parse(container: FolderContainer | ZipContainer, index: str) -> tuple[list[IndexRecord], list[Problem]]:
    content = container.read(index, MAX_INDEX_BYTES + 1)
    if len(content) > MAX_INDEX_BYTES:
        raise DatasetError(f"{index} is larger than {MAX_INDEX_BYTES // 1_000_000} MB, the limit for an index")
    return parse_index(decode_index(content, index), index, PurePosixPath(index).name)


def compare_with_indexes(
    container: FolderContainer | ZipContainer,
    names: Sequence[str],
    pictures: Sequence[str],
    layout: Layout,
    problems: Sequence[Problem],
) -> tuple[Layout, list[Problem]]:
    """Compare the labels that the folders give with those of indexes beside them.

    Folders that cut across the labels of an index are no labels, which is a problem. Splits are taken from an index if
    the folders give none.

    Returns:
        The layout, and the problems.
    """
    found = read_index_beside(container, names, pictures, needs_labels=False)
    if found is None or any(problem.kind == ProblemKind.MISREAD for problem in found.problems):
        return layout, list(problems)
    index = ", ".join(sorted(found.indexes))
    by_folder: dict[str, set[str]] = {}
    by_index: dict[str, set[str]] = {}
    for path, meaning in zip(pictures, layout.meanings, strict=True):
        stated = found.records[path].label if path in found.records else None
        if stated is not None and meaning.label is not None:
            by_folder.setdefault(meaning.label, set()).add(stated)
            by_index.setdefault(stated, set()).add(meaning.label)
    mixed = [label for label, stated in by_folder.items() if len(stated) > 1]
    if mixed:
        crosses = any(len(folders) > 1 for folders in by_index.values())
        message = (
            f"{index} gives other labels than the folders ({mixed[0]} has {', '.join(sorted(by_folder[mixed[0]])[:3])})"
        )
        remedy = (
            "give the index itself, or remove it" if crosses else "the folders are used; else give the index itself"
        )
        kind = ProblemKind.MISREAD if crosses else ProblemKind.UNUSED
        return layout, [*problems, Problem(kind, index, f"{message}; {remedy}")]
    if any(meaning.split for meaning in layout.meanings) or not any(each.split for each in found.records.values()):
        return layout, list(problems)
    meanings = [
        dataclasses.replace(meaning, split=found.records[path].split) if path in found.records else meaning
        for path, meaning in zip(pictures, layout.meanings, strict=True)
    ]
    rest = [problem for problem in problems if problem.name not in found.indexes]
    note = Problem(ProblemKind.UNUSED, index, f"only the splits of {index} are used; the labels are the folders")
    return dataclasses.replace(layout, meanings=meanings), [*rest, note]


def apply_records(records: Mapping[str, IndexRecord], usable: Sequence[str], unusable: Sequence[str]) -> Layout:
    """Return the meaning of each path by its record; the folders give the splits that the records do not."""
    meanings = []
    for path in [*usable, *unusable]:
        record = records.get(path)
        parents = [parse_split_folder(part) for part in PurePosixPath(path).parent.parts]
        by_folder = next((split for split in SPLITS if split in parents), None)
        split = record.split if record is not None and record.split else by_folder
        label, others = (record.label, record.others) if record is not None else (None, ())
        meanings.append(PathMeaning(label, split, others))
    return Layout(meanings, [])
