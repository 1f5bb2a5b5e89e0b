"""Read the indexes that some exports put inside a folder or zip: Roboflow's _classes.csv, Edge Impulse's info.labels.

Roboflow writes one _classes.csv into each split's folder, with a column for each class. Edge Impulse writes one
info.labels beside the folders training and testing.
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from appliance.errors import DatasetError
from appliance.workshop.datasets.containers import FolderContainer, ZipContainer
from appliance.workshop.datasets.index import parse_index
from appliance.workshop.datasets.index_text import MAX_INDEX_BYTES, IndexRecord, decode_index
from appliance.workshop.datasets.json_index import EDGE_IMPULSE_NAME
from appliance.workshop.datasets.layout import Layout, PathMeaning, parse_split_folder
from appliance.workshop.datasets.problems import Problem, ProblemKind
from appliance.workshop.datasets.split_names import SPLITS

_ROBOFLOW_NAME = "_classes.csv"


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
        content = container.read(index, MAX_INDEX_BYTES + 1)
        if len(content) > MAX_INDEX_BYTES:
            raise DatasetError(f"{index} is larger than {MAX_INDEX_BYTES // 1_000_000} MB, the limit for an index")
        folder = PurePosixPath(index).parent
        found, faults = parse_index(decode_index(content, index), index, PurePosixPath(index).name)
        problems += faults
        for record in found:
            path = str(folder / record.name.replace("\\", "/"))
            if path in known:
                records[path] = record
            else:
                message = f"{record.row} of {index}: {record.name} does not exist"
                problems.append(Problem(ProblemKind.UNREADABLE, record.name, message))
    return records, problems


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
