"""Read the indexes of other programs that are JSON: Vertex AI, Label Studio, and Edge Impulse.

- Vertex AI's import file (.jsonl): one object per line with imageGcsUri, classificationAnnotation.displayName, and
  dataItemResourceLabels (cloud.google.com/vertex-ai/docs/image-data/classification/prepare-data)
- Label Studio's exports JSON and JSON-MIN (.json): a list of tasks (labelstud.io/guide/export)
- Edge Impulse's info.labels, which lies beside the folders training and testing
  (docs.edgeimpulse.com, "Edge Impulse exporter format")
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from appliance.errors import DatasetError
from appliance.workshop.datasets.annotations import REMEDY
from appliance.workshop.datasets.index_text import IndexRecord, make_record
from appliance.workshop.datasets.layout import parse_split
from appliance.workshop.datasets.problems import Problem, ProblemKind, is_printable

EDGE_IMPULSE_NAME = "info.labels"
ML_USE = "aiplatform.googleapis.com/ml_use"
_UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-")


def parse_jsonl(text: str, name: str) -> tuple[list[IndexRecord], list[Problem]]:
    """Return what the lines of Vertex AI's import file state, and the problems of invalid lines."""
    lines = [(f"row {number}", line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    return _collect(((row, _load(line, row, name)) for row, line in lines), _read_vertex, name)


def parse_json(text: str, source: str, name: str) -> tuple[list[IndexRecord], list[Problem]]:
    """Return what the tasks of a Label Studio export, or the files of an info.labels, state.

    Raises:
        DatasetError: The text is not JSON, or is something else.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{source} is not JSON: {error}") from error
    if isinstance(value, dict) and isinstance(value.get("files"), list):
        return _collect(_number(value["files"]), _read_edge_impulse, name)
    if isinstance(value, list) and all(isinstance(task, dict) for task in value):
        return _collect(_number(value), _read_task, name)
    if isinstance(value, dict) and "images" in value and "annotations" in value:
        raise DatasetError(f"{source} contains boxes in the form of COCO; {REMEDY}")
    raise DatasetError(
        f"{source} is neither a Label Studio export (a list of tasks) nor an Edge Impulse info.labels; "
        "export it as JSON or CSV"
    )


def _number(values: list[Any]) -> Iterator[tuple[str, Any]]:
    return ((f"entry {number}", value) for number, value in enumerate(values, 1))


def _load(line: str, row: str, name: str) -> Any:
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
            records.append(record)
        except ValueError as error:
            problems.append(Problem(ProblemKind.WRONG_ROW, row, f"{row} of {name} {error}"))
        except (KeyError, TypeError, AttributeError, IndexError):
            problems.append(Problem(ProblemKind.WRONG_ROW, row, f"{row} of {name} does not name a picture"))
    return records, problems


def _read_vertex(row: str, value: Mapping[str, Any]) -> IndexRecord:
    name = _require_text(value["imageGcsUri"])
    if "boundingBoxAnnotations" in value:
        raise ValueError(f"gives {name} boxes; an index of labels has none")
    single = value.get("classificationAnnotation") or {}
    several = value.get("classificationAnnotations") or []
    labels = [_require_text(each["displayName"]) for each in [single, *several] if each]
    use = (value.get("dataItemResourceLabels") or {}).get(ML_USE) or value.get("ml_use") or ""
    split = parse_split(use)
    if use and split is None and use.lower() != "unassigned":
        raise ValueError(f"has {use!r} instead of training, validation, or test")
    return make_record(row, name, labels, split)


def _read_task(row: str, task: Mapping[str, Any]) -> IndexRecord:
    """Read a task of Label Studio, in its full form (data, annotations) or the short one (image, choice)."""
    data = task.get("data", task)
    name = _require_text(
        next(data[key] for key in ("image", "img", "picture", "photo", "url", "captioning") if key in data)
    )
    answers: list[set[str]] = []
    for annotation in task.get("annotations") or task.get("completions") or []:
        if not annotation.get("was_cancelled"):
            results = annotation.get("result") or []
            answers.append({choice for result in results for choice in result.get("value", {}).get("choices", [])})
    answers = [answer for answer in answers if answer]
    if any(answer != answers[0] for answer in answers):
        listed = " and ".join(", ".join(sorted(map(str, answer))) for answer in answers[:2])
        raise ValueError(f"gives {name} different labels in different annotations ({listed}); keep one annotation")
    labels = list(answers[0]) if answers else []
    if "data" not in task:
        choice: Any = next((task[key] for key in ("choice", "label", "choices", "class") if key in task), [])
        choice = choice.get("choices", []) if isinstance(choice, dict) else choice
        labels += choice if isinstance(choice, list) else [choice]
    uploaded = task.get("file_upload")
    labels = [_require_text(label) for label in labels]
    return make_record(row, name, labels, None, _locate_task(name, uploaded if isinstance(uploaded, str) else None))


def _locate_task(name: str, uploaded: str | None) -> tuple[str, ...]:
    """Return where the picture of a task may be: Label Studio stores the path on its server."""
    parts = urlsplit(name)
    local = parse_qs(parts.query).get("d", [""])[0] if "local-files" in parts.path else ""
    if name.startswith("gs://"):
        return (name,)
    path = local or unquote(parts.path if parts.scheme else name)
    base = PurePosixPath(uploaded or path).name
    plain = _UPLOAD_PREFIX.sub("", base, count=1)
    own = [] if path.startswith("/") or parts.scheme else [path]
    return tuple(dict.fromkeys([*own, f"images/{base}", base, f"images/{plain}", plain]))


def _read_edge_impulse(row: str, value: Mapping[str, Any]) -> IndexRecord:
    name = _require_text(value["path"])
    label = value.get("label") or {}
    if label.get("type") == "multi-label":
        raise ValueError(f"gives {name} labels that change with time; a picture has one")
    if value.get("boundingBoxes"):
        raise ValueError(f"gives {name} boxes; an index of labels has none")
    text = label.get("label") if label.get("type") != "unlabeled" else None
    category = value.get("category") or ""
    return IndexRecord(row, name, _require_text(text) if text else None, parse_split(category))


def _require_text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TypeError
    return value.strip()
