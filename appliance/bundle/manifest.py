"""A bundle's manifest.json: which file is the model, which the labels, and what the bundle says of itself.

The form is that of AutoML Vision Edge's export (`modelType`, `modelFile`, `labelsFile`) with optional keys beside
Google's. Google ships manifests with a trailing comma, so those are read. Keys that are not known are somebody
else's and are left alone; a known key with a wrong value refuses the bundle, because guessing would label wrongly.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from appliance.bundle.version import is_version
from appliance.errors import BundleError

MAX_BYTES = 1024 * 1024

# A string as a whole (so that commas inside it stay), or a comma that only a closing bracket follows. What begins as a
# string always matches, to the end of the text where it has none: each byte is looked at once, whatever is sent.
_STRING_OR_TRAILING_COMMA = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|,(?=\s*+[}\]])', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says, checked; the labels it names are checked where the labels are known.

    Attributes:
        model_file: The .tflite, a path inside the bundle.
        labels_file: One label a line; None where the model carries its labels.
        name: The bundle's name.
        version: By PEP 440.
        confidence_threshold: Scores below it should not be reported, 0–1.
        label_thresholds: The same for single labels.
        background_label: The label that means nothing is there.
        sha256: File → hash in lower-case hex.
        created: When the bundle was made, as written.
    """

    model_file: str
    labels_file: str | None = None
    name: str | None = None
    version: str | None = None
    confidence_threshold: float | None = None
    label_thresholds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    background_label: str | None = None
    sha256: Mapping[str, str] = dataclasses.field(default_factory=dict)
    created: str | None = None


def load_json(text: bytes, where: str) -> Any:
    """JSON as found in practice: with a byte order mark, with trailing commas.

    Args:
        text: The file's bytes.
        where: What to call it in errors.

    Raises:
        BundleError: It is not JSON.
    """
    try:
        decoded = text.decode("utf-8-sig")
        try:
            return json.loads(decoded)
        except json.JSONDecodeError:
            without = _STRING_OR_TRAILING_COMMA.sub(lambda match: "" if match[0] == "," else match[0], decoded)
            return json.loads(without)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BundleError(f"{where} is not JSON: {error}.") from error
    except ValueError as error:  # Python makes no number of thousands of digits
        raise BundleError(f"{where} is not JSON that can be read: it holds a number of too many digits.") from error
    except RecursionError as error:
        raise BundleError(f"{where} is not JSON that can be read: it is nested too deep.") from error


def parse_manifest(text: bytes, where: str) -> Manifest:
    """Reads and checks a manifest.

    Args:
        text: The file's bytes.
        where: What to call it in errors.

    Raises:
        BundleError: It is not JSON, names no model file, is of another kind of model, or a value is wrong.
    """
    values = load_json(text, where)
    if not isinstance(values, dict):
        raise BundleError(f"{where} must be a JSON object, not {_kind(values)}.")
    kind = values.get("modelType", "IMAGE_LABELING")
    if kind != "IMAGE_LABELING":
        raise BundleError(f"{where} is not of an image classifier: its modelType is {kind!r}, not IMAGE_LABELING.")
    model_file = _file_inside(values, "modelFile", where)
    if model_file is None:
        raise BundleError(f"{where} names no model: modelFile is missing.")
    version = _text(values, "version", where)
    if version is not None and not is_version(version):
        raise BundleError(f"{where}: version {version!r} is not a version by PEP 440, such as 1.2.0.")
    own = _object(values, "labelThresholds", where)
    threshold = values.get("confidenceThreshold")
    return Manifest(
        model_file=model_file,
        labels_file=_file_inside(values, "labelsFile", where),
        name=_text(values, "name", where),
        version=version,
        confidence_threshold=None if threshold is None else _score(threshold, "confidenceThreshold", where),
        label_thresholds={label: _score(value, f"labelThresholds of {label!r}", where) for label, value in own},
        background_label=_text(values, "backgroundLabel", where),
        sha256={file: _sha256(value, file, where) for file, value in _object(values, "sha256", where)},
        created=_text(values, "created", where),
    )


def is_inside(path: str) -> bool:
    """Whether a path as written in a manifest or a zip stays inside its folder, on any system."""
    parts = PurePosixPath(path.replace("\\", "/"))
    plain = bool(path) and "\0" not in path and not re.match(r"[A-Za-z]:", path)
    return plain and not parts.is_absolute() and ".." not in parts.parts


def _file_inside(values: dict, key: str, where: str) -> str | None:
    path = _text(values, key, where)
    if path is not None and not is_inside(path):
        raise BundleError(f"{where}: {key} {path!r} leads out of the bundle; it must name a file inside it.")
    return path


def _text(values: dict, key: str, where: str) -> str | None:
    value = values.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise BundleError(f"{where}: {key} must be a text, not {_kind(value)}.")
    return value


def _object(values: dict, key: str, where: str) -> list[tuple[str, Any]]:
    value = values.get(key)
    if value is None:
        return []
    if not isinstance(value, dict):
        raise BundleError(f"{where}: {key} must be an object, not {_kind(value)}.")
    return list(value.items())


def _score(value: Any, what: str, where: str) -> float:
    # bool is an int in Python; NaN, which Python's JSON reads, is within no bounds.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BundleError(f"{where}: {what} must be a number from 0 to 1, not {_kind(value)}.")
    if not 0 <= value <= 1:
        raise BundleError(f"{where}: {what} must be from 0 to 1, not {value}.")
    return float(value)


def _sha256(value: Any, file: str, where: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-fA-F]{64}", value):
        raise BundleError(f"{where}: sha256 of {file!r} must be 64 hex digits.")
    if not is_inside(file):
        raise BundleError(f"{where}: sha256 names {file!r}, which leads out of the bundle.")
    return value.lower()


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return f"the text {value!r}"
    return {dict: "an object", list: "a list", bool: "true or false", type(None): "null"}.get(
        type(value), f"the number {value}"
    )
