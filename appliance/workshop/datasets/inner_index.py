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
from appliance.workshop.datasets.index import INDEX_SUFFIXES, parse_index
from appliance.workshop.datasets.index_text import MAX_INDEX_BYTES, IndexRecord, decode_index
from appliance.workshop.datasets.json_index import EDGE_IMPULSE_NAME
from appliance.workshop.datasets.layout import Layout, PathMeaning, parse_split_folder
from appliance.workshop.datasets.name_lookup import NameLookup
from appliance.workshop.datasets.problems import Problem, ProblemKind
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
    container: FolderContainer | ZipContainer, names: Sequence[str], pictures: Sequence[str]
) -> IndexBeside | None:
    """Return what indexes of any name state about the pictures; None if no index gives labels to them.

    An index counts if at least half of its rows are pictures of the container. The name of an index, such as train.csv,
    gives the split that its rows do not give.
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
        own: dict[str, IndexRecord] = {}
        for record in found:
            place = lookup.find(str(path.parent / record.name.replace("\\", "/"))) or lookup.find(record.name)
            if place is not None:
                own[place] = record if record.split else dataclasses.replace(record, split=split)
        if 2 * len(own) < len(found) or not any(record.label for record in own.values()):
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


def _parse(container: FolderContainer | ZipContainer, index: str) -> tuple[list[IndexRecord], list[Problem]]:
    content = container.read(index, MAX_INDEX_BYTES + 1)
    if len(content) > MAX_INDEX_BYTES:
        raise DatasetError(f"{index} is larger than {MAX_INDEX_BYTES // 1_000_000} MB, the limit for an index")
    return parse_index(decode_index(content, index), index, PurePosixPath(index).name)


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
