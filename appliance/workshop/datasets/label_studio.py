"""Read the tasks of Label Studio's export JSON (labelstud.io/guide/export), and find their pictures.

Label Studio stores the path of a picture on its server, with eight hexadecimal digits before the name of an upload.
"""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from appliance.workshop.datasets.index_text import IndexRecord, make_record
from appliance.workshop.datasets.json_objects import find_picture, read_labels

_UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-")
_SERVER_FOLDERS = ("/data/upload/", "/data/local-files/")


def is_task(value: Mapping[str, Any]) -> bool:
    """Return whether an object is a task of the full form; the short one (JSON-MIN) is an object like any other."""
    return isinstance(value.get("data"), Mapping)


def read_task(row: str, task: Mapping[str, Any]) -> IndexRecord:
    """Return what a task states.

    Raises:
        ValueError: It has contradictory annotations, or boxes; the message completes "entry 7 of export.json …".
        TypeError: It names no picture.
    """
    name = find_picture(task["data"])
    annotations = task.get("annotations") or task.get("completions") or []
    results = [each.get("result") or [] for each in annotations if not each.get("was_cancelled")]
    found = [{label for result in each for label in _read_result(name, result)} for each in results]
    answers = [answer for answer in found if answer]
    if any(answer != answers[0] for answer in answers):
        listed = " and ".join(", ".join(sorted(answer)) for answer in answers[:2])
        raise ValueError(f"gives {name} different labels in different annotations ({listed}); keep one annotation")
    uploaded = task.get("file_upload")
    places = locate_picture(name, uploaded if isinstance(uploaded, str) else None)
    return make_record(row, name, sorted(answers[0]) if answers else [], None, places)


def is_on_server(name: str) -> bool:
    """Return whether a path is one on the server of Label Studio."""
    return name.startswith(_SERVER_FOLDERS)


def locate_picture(name: str, uploaded: str | None) -> tuple[str, ...]:
    """Return where the picture of a task may be.

    Args:
        name: The path or URL in the task.
        uploaded: The file name of an upload; None if the task does not give it.
    """
    parts = urlsplit(name)
    local = parse_qs(parts.query).get("d", [""])[0] if "local-files" in parts.path else ""
    if name.startswith("gs://"):
        return (name,)
    path = local or unquote(parts.path if parts.scheme else name)
    base = PurePosixPath(uploaded or path).name
    plain = _UPLOAD_PREFIX.sub("", base, count=1)
    own = [] if path.startswith("/") or parts.scheme else [path]
    return tuple(dict.fromkeys([*own, f"images/{base}", base, f"images/{plain}", plain]))


def _read_result(name: str, result: Mapping[str, Any]) -> list[str]:
    value = result.get("value", {})
    if kind := next((key for key in value if key != "labels" and key.endswith("labels")), None):
        raise ValueError(f"gives {name} boxes or outlines ({kind}); export choices for the whole picture")
    return read_labels(name, value.get("choices", []))
