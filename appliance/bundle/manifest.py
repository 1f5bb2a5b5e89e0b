"""Parse a bundle's manifest.json: its model file, its label file, and its name, version and thresholds.

The format is that of AutoML Vision Edge's export (`modelType`, `modelFile`, `labelsFile`) plus optional keys of this
project. Google's own manifests have trailing commas, so these are accepted. Unknown keys belong to other programs and
are ignored. If a known key has an invalid value, the bundle is rejected, because a guess could lead to wrong labels.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, TypeVar

from appliance.bundle.input_spec import (
    MANIFEST,
    ChannelOrder,
    DeclaredInput,
    ResizeMode,
    check_normalization,
    convert_range,
)
from appliance.bundle.provenance import Provenance, parse_provenance
from appliance.bundle.version import is_version
from appliance.errors import BundleError
from appliance.system.foreign_text import clean_text

MAX_BYTES = 1024 * 1024
_MAX_VERSION_CHARS = 64
_SHOWN_CHARS = 60
_MAX_PATH_CHARS = 500
# Of most file systems.
_MAX_NAME_BYTES = 255
_Choice = TypeVar("_Choice", bound=StrEnum)

# A complete string (so that commas inside it are kept), or a comma followed only by a closing bracket. The possessive
# quantifiers match an unterminated string up to the end of the text, so every input takes linear time.
_STRING_OR_TRAILING_COMMA = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|,(?=\s*+[}\]])', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The checked contents of a manifest; its labels are checked later, against the label file.

    Attributes:
        model_file: The .tflite file, a path inside the bundle.
        labels_file: The label file, with one label per line; None if the model contains its labels.
        name: The bundle's name.
        version: A PEP 440 version.
        confidence_threshold: Scores below this should not be reported, 0–1.
        label_thresholds: The same for individual labels.
        background_label: The label for pictures without any of the other labels.
        sha256: File → SHA-256 in lower-case hex.
        created: When the bundle was made, as written.
        input: The statements about the model's input.
        description: What the model knows and does not know, for people.
        provenance: Where the model is from.
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
    input: DeclaredInput = dataclasses.field(default_factory=DeclaredInput)
    description: str | None = None
    provenance: Provenance | None = None


def load_json(text: bytes, source: str) -> Any:
    """Parse JSON leniently: a byte order mark and trailing commas are accepted.

    Args:
        text: The file's bytes.
        source: How to refer to it in errors.

    Raises:
        BundleError: The text is not JSON.
    """
    try:
        decoded = text.decode("utf-8-sig")
        try:
            return json.loads(decoded)
        except json.JSONDecodeError:
            without = _STRING_OR_TRAILING_COMMA.sub(lambda match: "" if match[0] == "," else match[0], decoded)
            return json.loads(without)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BundleError(f"{source} is not JSON: {error}") from error
    except ValueError as error:  # Python limits the digits of an integer
        raise BundleError(f"{source} cannot be read as JSON: a number has too many digits") from error
    except RecursionError as error:
        raise BundleError(f"{source} cannot be read as JSON: it is nested too deeply") from error


def parse_manifest(text: bytes, source: str) -> Manifest:
    """Parse and check a manifest.

    Args:
        text: The file's bytes.
        source: How to refer to it in errors.

    Raises:
        BundleError: The text is not JSON, has no model file, describes another kind of model, or has an invalid value.
    """
    values = load_json(text, source)
    if not isinstance(values, dict):
        raise BundleError(f"{source} must be a JSON object, not {_describe_value(values)}")
    model_type = values.get("modelType", "IMAGE_LABELING")
    if model_type != "IMAGE_LABELING":
        raise BundleError(
            f"{source} does not describe an image classifier: modelType is "
            f"{_describe_value(model_type).removeprefix('the string ')}, not IMAGE_LABELING"
        )
    model_file = _get_path(values, "modelFile", source)
    if model_file is None:
        raise BundleError(f"{source} has no modelFile")
    version = _get_text(values, "version", source)
    if version is not None and len(version) > _MAX_VERSION_CHARS:
        raise BundleError(f"{source}: version has {len(version)} characters; the limit is {_MAX_VERSION_CHARS}")
    if version is not None and not is_version(version):
        raise BundleError(f"{source}: version {version!r} is not a PEP 440 version such as 1.2.0")
    thresholds = _get_items(values, "labelThresholds", source)
    threshold = values.get("confidenceThreshold")
    return Manifest(
        model_file=model_file,
        labels_file=_get_path(values, "labelsFile", source),
        name=_get_text(values, "name", source),
        version=version,
        confidence_threshold=None if threshold is None else _check_score(threshold, "confidenceThreshold", source),
        label_thresholds={
            label: _check_score(value, f"labelThresholds of {clean_text(label, _SHOWN_CHARS)!r}", source)
            for label, value in thresholds
        },
        background_label=_get_text(values, "backgroundLabel", source),
        sha256={file: _check_sha256(value, file, source) for file, value in _get_items(values, "sha256", source)},
        created=_get_text(values, "created", source),
        input=_parse_input(values, source),
        description=_get_text(values, "description", source),
        provenance=parse_provenance(values.get("training")),
    )


def _parse_input(values: Mapping[str, Any], source: str) -> DeclaredInput:
    """Parse inputRange, or inputMean and inputStd; channelOrder; resize; and inputSource."""
    mean, std = (_get_numbers(values, key, source) for key in ("inputMean", "inputStd"))
    limits = _get_numbers(values, "inputRange", source)
    if (mean is None) != (std is None):
        raise BundleError(f"{source}: inputMean and inputStd must be given together")
    if limits is not None and mean is not None:
        raise BundleError(f"{source}: inputRange and inputMean exclude each other; give one of them")
    if limits is not None:
        try:
            mean, std = convert_range(*limits)
        except (ValueError, TypeError):
            raise BundleError(
                f"{source}: inputRange must be two different numbers such as [0, 255], not {list(limits)[:5]}"
            ) from None
    if mean is not None and std is not None and (error := check_normalization(mean, std)):
        raise BundleError(f"{source}: inputMean and inputStd: {error}")
    stated_by = _get_text(values, "inputSource", source)
    return DeclaredInput(
        mean,
        std,
        _get_choice(values, "channelOrder", ChannelOrder, source),
        _get_choice(values, "resize", ResizeMode, source),
        clean_text(stated_by, _SHOWN_CHARS) if stated_by else MANIFEST,
    )


def _get_numbers(values: Mapping[str, Any], key: str, source: str) -> tuple[float, ...] | None:
    value = values.get(key)
    if value is None:
        return None
    items = value if isinstance(value, list) else [value]
    try:
        if any(isinstance(item, bool) or not isinstance(item, int | float) for item in items):
            raise TypeError
        return tuple(map(float, items))
    except (TypeError, OverflowError):
        raise BundleError(f"{source}: {key} must be numbers, not {_describe_value(value)}") from None


def _get_choice(values: Mapping[str, Any], key: str, choices: type[_Choice], source: str) -> _Choice | None:
    value = values.get(key)
    if value is None:
        return None
    by_name = {str(choice).lower(): choice for choice in choices}
    if not isinstance(value, str) or value.lower() not in by_name:
        raise BundleError(f"{source}: {key} must be {' or '.join(choices)}, not {_describe_value(value)}")
    return by_name[value.lower()]


def is_inside(path: str) -> bool:
    """Return whether a path from a manifest or a zip stays inside its folder, on any operating system."""
    parts = PurePosixPath(path.replace("\\", "/"))
    plain = bool(path) and "\0" not in path and not re.match(r"[A-Za-z]:", path)
    return plain and not parts.is_absolute() and ".." not in parts.parts


def _get_path(values: Mapping[str, Any], key: str, source: str) -> str | None:
    path = _get_text(values, key, source)
    if path is not None:
        _check_path(path, key, source)
    return path


def _check_path(path: str, key: str, source: str) -> None:
    """Reject a path that points outside of the bundle, or that no file system can store."""
    shown = clean_text(path, _SHOWN_CHARS)
    if not is_inside(path):
        raise BundleError(f"{source}: {key} {shown!r} points outside of the bundle; it must be a file inside it")
    is_too_long = any(len(part.encode(errors="replace")) > _MAX_NAME_BYTES for part in path.split("/"))
    if is_too_long or path.strip() != clean_text(path, _MAX_PATH_CHARS):
        raise BundleError(f"{source}: {key} {shown!r} cannot be the name of a file; rename the file, and correct {key}")


def _get_text(values: Mapping[str, Any], key: str, source: str) -> str | None:
    value = values.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise BundleError(f"{source}: {key} must be a string, not {_describe_value(value)}")
    return value


def _get_items(values: Mapping[str, Any], key: str, source: str) -> list[tuple[str, Any]]:
    value = values.get(key)
    if value is None:
        return []
    if not isinstance(value, dict):
        raise BundleError(f"{source}: {key} must be an object, not {_describe_value(value)}")
    return list(value.items())


def _check_score(value: Any, key: str, source: str) -> float:
    # bool is an int in Python; NaN, which Python's JSON decoder accepts, fails the comparison.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BundleError(f"{source}: {key} must be a number from 0 to 1, not {_describe_value(value)}")
    if not 0 <= value <= 1:
        raise BundleError(f"{source}: {key} must be from 0 to 1, not {value}")
    return float(value)


def _check_sha256(value: Any, file: str, source: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-fA-F]{64}", value):
        raise BundleError(f"{source}: sha256 of {clean_text(file, _SHOWN_CHARS)!r} must be 64 hex digits")
    _check_path(file, "sha256", source)
    return value.lower()


def _describe_value(value: Any) -> str:
    if isinstance(value, str):
        return f"the string {clean_text(value, _SHOWN_CHARS)!r}"
    return {dict: "an object", list: "a list", bool: "true or false", type(None): "null"}.get(
        type(value), "a number" if isinstance(value, int) and abs(value) > 10**18 else f"the number {value}"
    )
