"""Read the indexes of other programs that are JSON: Vertex AI, Label Studio, Edge Impulse, and lists of objects.

- Vertex AI's import file (.jsonl): one object per line with imageGcsUri, classificationAnnotation.displayName, and
  dataItemResourceLabels (cloud.google.com/vertex-ai/docs/image-data/classification/prepare-data)
- Label Studio's exports JSON (label_studio.py) and JSON-MIN, and other lists of objects (json_objects.py)
- Edge Impulse's info.labels, which lies beside the folders training and testing
  (docs.edgeimpulse.com, "Edge Impulse exporter format")
"""

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from appliance.errors import DatasetError
from appliance.workshop.datasets.annotations import REMEDY
from appliance.workshop.datasets.index_text import IndexRecord, make_record
from appliance.workshop.datasets.json_objects import list_objects, read_object, require_text
from appliance.workshop.datasets.label_studio import is_on_server, is_task, locate_picture, read_task
from appliance.workshop.datasets.problems import Problem, ProblemKind, is_printable
from appliance.workshop.datasets.split_folders import parse_split

_LIST = re.compile(r"\s*\[\s*\{")
EDGE_IMPULSE_NAME = "info.labels"
ML_USE = "aiplatform.googleapis.com/ml_use"


def parse_jsonl(text: str, name: str) -> tuple[list[IndexRecord], list[Problem]]:
    """Return what the lines of Vertex AI's import file, or other objects, state; and the problems of invalid lines."""
    if _LIST.match(text):
        return parse_json(text, name, name)
    lines = [(f"row {number}", line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    return _collect(((row, _load(line)) for row, line in lines), _read_line, name)


def parse_json(text: str, source: str, name: str) -> tuple[list[IndexRecord], list[Problem]]:
    """Return what the tasks of a Label Studio export, the files of an info.labels, or other objects state.

    Raises:
        DatasetError: The text is not JSON, or is something else.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        if "Extra data" in str(error) and text.lstrip().startswith("{"):
            return parse_jsonl(text, name)
        raise DatasetError(f"{source} is not JSON: {error}") from error
    if isinstance(value, dict) and isinstance(value.get("files"), list):
        return _collect(_number(value["files"]), _read_edge_impulse, name)
    if isinstance(value, list) and all(isinstance(task, dict) for task in value):
        return _collect(_number(value), _read_entry, name)
    if isinstance(value, dict) and "images" in value and "annotations" in value:
        raise DatasetError(f"{source} contains boxes in the form of COCO; {REMEDY}")
    if isinstance(value, dict) and (objects := list_objects(value)) is not None:
        return _collect(_number(objects), _read_entry, name)
    raise DatasetError(
        f"{source} is neither a Label Studio export, nor a list of objects with path and label, nor an Edge Impulse "
        "info.labels; export it as JSON or CSV"
    )


def _number(values: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    return ((f"entry {number}", value) for number, value in enumerate(values, 1))


def _load(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _collect(values: Any, read: Any, name: str) -> tuple[list[IndexRecord], list[Problem]]:
    records: list[IndexRecord] = []
    problems: list[Problem] = []
    for row, value in values:
        try:
            record = read(row, value)
            if not is_printable(record.name):
                raise ValueError(f"contains a picture name with characters that cannot be printed: {record.name!r}")
            if unprintable := next((each for each in _list_labels(record) if not is_printable(each)), None):
                raise ValueError(f"gives {record.name} a label with line breaks or control characters: {unprintable!r}")
            records.append(record)
        except ValueError as error:
            problems.append(Problem(ProblemKind.WRONG_ROW, row, f"{row} of {name} {error}"))
        except (KeyError, TypeError, AttributeError, IndexError):
            problems.append(Problem(ProblemKind.WRONG_ROW, row, f"{row} of {name} does not name a picture"))
    return records, problems


def _list_labels(record: IndexRecord) -> tuple[str, ...]:
    return () if record.label is None else (record.label, *record.others)


def _read_line(row: str, value: Mapping[str, Any]) -> IndexRecord:
    return _read_vertex(row, value) if "imageGcsUri" in value else read_object(row, value)


def _read_entry(row: str, value: Mapping[str, Any]) -> IndexRecord:
    if is_task(value):
        return read_task(row, value)
    record = read_object(row, value)
    is_studio = is_on_server(record.name) or "annotation_id" in value
    return dataclasses.replace(record, paths=locate_picture(record.name, None)) if is_studio else record


def _read_vertex(row: str, value: Mapping[str, Any]) -> IndexRecord:
    name = require_text(value["imageGcsUri"])
    if "boundingBoxAnnotations" in value or "segmentationAnnotation" in value or "polygonAnnotations" in value:
        raise ValueError(f"gives {name} boxes or outlines; an index of labels has none")
    single = value.get("classificationAnnotation") or {}
    several = value.get("classificationAnnotations") or []
    labels = [require_text(each["displayName"]) for each in [single, *several] if each]
    use = (value.get("dataItemResourceLabels") or {}).get(ML_USE) or value.get("ml_use") or ""
    split = parse_split(use)
    if use and split is None and use.lower() != "unassigned":
        raise ValueError(f"has {use!r} instead of training, validation, or test")
    return make_record(row, name, labels, split)


def _read_edge_impulse(row: str, value: Mapping[str, Any]) -> IndexRecord:
    name = require_text(value["path"])
    label = value.get("label") or {}
    if label.get("type") == "multi-label":
        raise ValueError(f"gives {name} labels that change with time; a picture has one")
    if value.get("boundingBoxes"):
        raise ValueError(f"gives {name} boxes; an index of labels has none")
    text = label.get("label") if label.get("type") != "unlabeled" else None
    category = value.get("category") or ""
    return IndexRecord(row, name, require_text(text) if text else None, parse_split(category))
