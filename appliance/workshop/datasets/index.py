"""Read an index file of any form and find its pictures."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import DatasetError
from appliance.workshop.datasets.csv_columns import is_picture_name
from appliance.workshop.datasets.csv_index import parse_csv
from appliance.workshop.datasets.index_paths import IndexRow, RowResolver
from appliance.workshop.datasets.index_text import IndexRecord, read_index_text
from appliance.workshop.datasets.json_index import EDGE_IMPULSE_NAME, parse_json, parse_jsonl
from appliance.workshop.datasets.problems import Problem, ProblemKind

# If more rows than this share are invalid, the index as a whole is misunderstood.
_MAX_INVALID_SHARE = 0.1
_MIN_RECORDS = 3
INDEX_SUFFIXES = {".csv", ".tsv", ".jsonl", ".ndjson", ".json"}


@dataclass(frozen=True, slots=True)
class IndexContent:
    """The rows of an index, the problems of the other rows, and the labels of refused rows."""

    rows: Sequence[IndexRow]
    problems: Sequence[Problem]
    lost_labels: set[str | None]


def read_index(index: Path, gs_folders: Mapping[str, Path]) -> IndexContent:
    """Read an index and find its pictures.

    Args:
        index: The file.
        gs_folders: gs://bucket, or gs://bucket/folder → the folder of its local copy.

    Raises:
        DatasetError: The file cannot be read or parsed, or refers to a bucket that is not in `gs_folders`.
    """
    records, problems = parse_index(read_index_text(index), str(index), index.name)
    resolver = RowResolver(index, gs_folders)
    for record in records:
        resolver.add(record)
    resolver.require_mapped_buckets()
    problems = [*problems, *_drop_names_of_columns(records, resolver)]
    resolver.merge_rows()
    if not records and not problems:
        raise DatasetError(f"{index} lists no pictures; it needs a row with path and label for each picture")
    invalid = [problem for problem in problems if problem.kind == ProblemKind.WRONG_ROW]
    if len(invalid) > _MAX_INVALID_SHARE * (len(records) + len(invalid)):
        message = f"{len(invalid)} of {len(records) + len(invalid)} rows are invalid: {invalid[0].message}"
        problems = [*problems, Problem(ProblemKind.MISREAD, index.name, message)]
    return IndexContent(resolver.rows, [*problems, *resolver.problems], resolver.lost_labels)


def find_names_of_columns(records: Sequence[IndexRecord], with_picture: Collection[str]) -> str | None:
    """Return a sentence if the first row of an index rather names the columns in words that are not known.

    Its first cell is neither a picture nor the name of one, and no other row has its label.

    Args:
        records: All rows.
        with_picture: The rows whose pictures exist.
    """
    if len(records) < _MIN_RECORDS or is_picture_name(records[0].name) or records[0].row in with_picture:
        return None
    first, *others = records
    if first.label is None or others[0].row not in with_picture:
        return None
    if {first.label, *first.others} & {label for each in others for label in (each.label, *each.others)}:
        return None
    listed = ", ".join((first.name, first.label, *first.others))
    return f"{first.row} is taken as names of columns, because {first.name} is no picture: {listed}"


def _drop_names_of_columns(records: Sequence[IndexRecord], resolver: RowResolver) -> list[Problem]:
    """Remove the first row if it names the columns; return a remark about it."""
    there = {row.name for row in resolver.rows[:_MIN_RECORDS] if row.path.is_file()}
    message = find_names_of_columns(records, {each.row for each in records[:_MIN_RECORDS] if each.name in there})
    if message is None:
        return []
    resolver.rows = [row for row in resolver.rows if row.name != records[0].name]
    return [Problem(ProblemKind.UNUSED, resolver.index.name, f"{resolver.index.name}: {message}")]


def parse_index(text: str, source: str, name: str) -> tuple[list[IndexRecord], list[Problem]]:
    """Return what an index states, by the form that its name shows (see parse_csv, parse_jsonl, parse_json)."""
    suffix = Path(name).suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        return parse_jsonl(text, name)
    if suffix == ".json" or name == EDGE_IMPULSE_NAME:
        return parse_json(text, source, name)
    return parse_csv(text, source, name)
