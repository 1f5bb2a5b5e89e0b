"""Read what objects of any JSON index state: one object for each picture, with the names of columns in CSV indexes.

- {"file_name": "1.jpg", "label": "cat"}: the metadata.jsonl of Hugging Face, and whatever programs write themselves
- {"image": "1.jpg", "annotations": [{"label": "cat"}]}: Apple's Create ML (without coordinates, which are boxes)
- {"image": "/data/upload/1/1a2b3c4d-1.jpg", "choice": "cat"}: Label Studio's JSON-MIN
- {"1.jpg": "cat"}, and FiftyOne's {"classes": ["cat"], "labels": {"1": 0}}
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from appliance.workshop.datasets.csv_columns import LABEL_WORDS, PATH_WORDS, SET_WORDS, is_picture_name, is_split_word
from appliance.workshop.datasets.index_text import IndexRecord, make_record
from appliance.workshop.datasets.split_folders import parse_split

_BOX_KEYS = {"bbox", "bndbox", "box", "coordinates", "points", "polygon", "regions", "segmentation", "shapes"}
_PICTURE_WORDS = ("imagefilename", "imagepath", *PATH_WORDS, "captioning")


def read_object(row: str, value: Mapping[str, Any]) -> IndexRecord:
    """Return what an object states about its picture.

    Raises:
        ValueError: It has boxes, or an unknown split; the message completes "entry 7 of labels.json …".
        TypeError: It names no picture, or its labels are no text.
    """
    name = find_picture(value)
    _require_no_boxes(name, value)
    words = {_normalize(key): each for key, each in value.items()}
    key = next((word for word in LABEL_WORDS if words.get(word) not in (None, "", [], {})), None)
    labels = read_labels(name, words[key]) if key is not None else []
    use = next((words[word] for word in SET_WORDS if words.get(word)), "")
    if use and not (isinstance(use, str) and is_split_word(use)):
        raise ValueError(f"has {use!r} instead of training, validation, or test")
    return make_record(row, name, labels, parse_split(use) if use else None)


def list_objects(value: Mapping[str, Any]) -> Iterator[Mapping[str, Any]] | None:
    """Return an object for each picture of a mapping from pictures to labels; None for any other mapping."""
    classes, labels = value.get("classes"), value.get("labels")
    if isinstance(classes, list) and isinstance(labels, Mapping):
        return ({"path": name, "label": _name_class(classes, each)} for name, each in labels.items())
    if value and all(is_picture_name(name) for name in value):
        return (
            {"path": name, **each} if isinstance(each, Mapping) else {"path": name, "label": each}
            for name, each in value.items()
        )
    return None


def find_picture(value: Mapping[str, Any]) -> str:
    """Return the path or URL of the picture in an object.

    Raises:
        TypeError: It names none, or several.
    """
    words = {_normalize(key): each for key, each in value.items()}
    named = next((words[word] for word in _PICTURE_WORDS if isinstance(words.get(word), str)), None)
    if named is None or not is_picture_name(named):
        others = [each for each in words.values() if isinstance(each, str) and is_picture_name(each)]
        named = others[0] if len(others) == 1 else named
    return require_text(named)


def read_labels(name: str, value: Any) -> list[str]:
    """Return the labels in a value: a text, a number, a list of them, or objects with a label.

    Raises:
        ValueError: The objects are boxes.
        TypeError: It contains something else.
    """
    if isinstance(value, Mapping):
        _require_no_boxes(name, value)
        value = next((value[key] for key in ("choices", *LABEL_WORDS) if key in value), None)
        return read_labels(name, value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [label for each in value for label in read_labels(name, each)]
    return [str(value)] if isinstance(value, int) and not isinstance(value, bool) else [require_text(value)]


def require_text(value: Any) -> str:
    """Return a text without the spaces around it.

    Raises:
        TypeError: It is empty, or no text.
    """
    if not isinstance(value, str) or not value.strip():
        raise TypeError
    return value.strip()


def _normalize(key: Any) -> str:
    return re.sub(r"[^a-z0-9]+", "_", str(key).lower()).strip("_")


def _name_class(classes: Sequence[Any], value: Any) -> Any:
    """Return the name of a class that a label gives by its number."""
    if isinstance(value, list):
        return [_name_class(classes, each) for each in value]
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return classes[value] if is_number and 0 <= value < len(classes) else value


def _require_no_boxes(name: str, value: Mapping[str, Any]) -> None:
    if key := next((key for key in value if _normalize(key) in _BOX_KEYS and value[key]), None):
        raise ValueError(f"gives {name} boxes or outlines ({key}); an index of labels has none")
