"""Read what the export files of Lobe and Custom Vision state about a model's input and labels.

Lobe writes signature.json: `classes.Label` lists the labels, `filename` names the model. Its example programs feed 0–1
to the center square of the picture. Custom Vision writes metadata_properties.json with the keys of ONNX's image
metadata: `Image.BitmapPixelFormat` (Rgb8, Bgr8, Gray8) and `Image.NominalPixelRange` (NominalRange_0_255,
Normalized_0_1, Normalized_1_1), and `CustomVision.Preprocess.*`.

A file of another program may have the same name, so what is not understood is ignored, never an error.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.bundle.input_spec import ChannelOrder, DeclaredInput, ResizeMode, check_normalization, convert_range
from appliance.bundle.manifest import MAX_BYTES, load_json
from appliance.errors import BundleError

LOBE_FILE, CUSTOM_VISION_FILE = "signature.json", "metadata_properties.json"
_RANGES = {"nominalrange_0_255": (0, 255), "normalized_0_1": (0, 1), "normalized_1_1": (-1, 1)}
_CROPS = {"centercrop", "fullimageshorterside"}


@dataclass(frozen=True, slots=True)
class ExportFacts:
    """The statements of an export's file.

    Attributes:
        input: The statements about the input.
        labels: The labels in the order of the output; None if the file has none.
    """

    input: DeclaredInput
    labels: tuple[str, ...] | None = None


def read_export_file(folder: Path, model_name: str) -> ExportFacts | None:
    """Return what the export's file in a model's folder states; None if there is no such file.

    Args:
        folder: The folder of the model file.
        model_name: The name of the model file in it.
    """
    signature = _load_object(folder / LOBE_FILE)
    if signature is not None and "classes" in signature:
        return _parse_lobe(signature, model_name)
    properties = _load_object(folder / CUSTOM_VISION_FILE)
    if properties is not None and any(key.startswith(("CustomVision.", "Image.")) for key in properties):
        return _parse_custom_vision(properties)
    return None


def _load_object(file: Path) -> Mapping[str, Any] | None:
    try:
        if not file.is_file() or file.stat().st_size > MAX_BYTES:
            return None
        values = load_json(file.read_bytes(), file.name)
    except (OSError, BundleError):
        return None
    return values if isinstance(values, dict) else None


def _parse_lobe(signature: Mapping[str, Any], model_name: str) -> ExportFacts | None:
    if signature.get("filename", model_name) != model_name:
        return None
    classes = signature["classes"]
    labels = classes.get("Label") if isinstance(classes, dict) else None
    is_text = isinstance(labels, list) and labels and all(isinstance(label, str) for label in labels)
    mean, std = convert_range(0, 1)
    declared = DeclaredInput(mean, std, ChannelOrder.RGB, ResizeMode.CROP, LOBE_FILE)
    return ExportFacts(declared, tuple(labels) if labels and is_text else None)


def _parse_custom_vision(properties: Mapping[str, Any]) -> ExportFacts:
    mean = std = None
    limits = _RANGES.get(str(properties.get("Image.NominalPixelRange", "")).lower())
    if limits is not None:
        mean, std = convert_range(*limits)
        means, stds = (
            _parse_numbers(properties.get(f"CustomVision.Preprocess.Normalize{key}")) for key in ("Mean", "Std")
        )
        if means and stds and (any(means) or set(stds) != {1.0}) and check_normalization(means, stds) is None:
            # The two are in the unit of the pixels: 0–255 if one of them exceeds 1, else 0–1.
            unit = 1 if max(map(abs, (*means, *stds))) > 1 else 255
            mean, std = tuple(value * unit for value in means), tuple(value * unit for value in stds)
    pixel_format = str(properties.get("Image.BitmapPixelFormat", "")).lower()
    order = ChannelOrder.BGR if pixel_format.startswith("bgr") else ChannelOrder.RGB
    crop = str(properties.get("CustomVision.Preprocess.CropMethod", "")).lower()
    resize = ResizeMode.CROP if crop in _CROPS else ResizeMode.STRETCH
    return ExportFacts(DeclaredInput(mean, std, order, resize, CUSTOM_VISION_FILE))


def _parse_numbers(value: Any) -> tuple[float, ...] | None:
    """Parse a list of numbers, which Custom Vision writes as a string: "[0.0, 0.0, 0.0]"."""
    try:
        values = json.loads(value) if isinstance(value, str) else value
        return tuple(map(float, values)) if isinstance(values, list) else None
    except (ValueError, TypeError, RecursionError, OverflowError):
        return None
