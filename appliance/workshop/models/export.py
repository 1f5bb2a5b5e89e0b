"""Run the fourth stage: convert trained weights into a bundle.

The input is the picture as plain uint8 bytes, and the output is uint8 scores, as in AutoML's export. In between, the
convolutions are int8; the pooled features, the small head, and the evidence gate are float32.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch

from appliance.labeling.interpreter import LoadedModel
from appliance.workshop.models.augmentation import STORED_PX, stretch
from appliance.workshop.models.calibration import measure_ranges
from appliance.workshop.models.evidence_gate import choose_bias, choose_threshold, compute_scores, quantize_scores
from appliance.workshop.models.network import SIDE_PX, Network
from appliance.workshop.models.paths import BACKGROUND, LABELS, WORK
from appliance.workshop.models.photographs import read_photographs
from appliance.workshop.models.prepare import load_pictures
from appliance.workshop.models.tflite_network import write_network

NAME, VERSION, CREATED = "flowers", "0.2.0", "2026-11-25"
CALIBRATED_ON = 384


def export_run(name: str, folder: Path) -> None:
    """Write the bundle of the weights in <name>.pt to a folder; choose bias and threshold on flowers val."""
    network = Network().eval()
    network.load_state_dict(torch.load(WORK / f"{name}.pt"))
    pictures = load_pictures()
    edge = (STORED_PX - SIDE_PX) // 2
    middle = slice(edge, edge + SIDE_PX)
    rng = np.random.default_rng(0)
    sample = np.sort(rng.choice(len(pictures.label), CALIBRATED_ON, replace=False))
    ranges = measure_ranges(network, pictures.pixels[sample][:, middle, middle])
    logits, truth = _compute_val_logits(write_network(network, ranges, None, "logits"))
    bias = choose_bias(logits, truth)
    threshold = choose_threshold(quantize_scores(compute_scores(logits, bias)), truth)
    write_bundle(write_network(network, ranges, bias, f"{NAME} {VERSION}: five flowers"), folder, threshold)
    print(f"{name}: bias {bias:.1f}, threshold {threshold:.2f}", flush=True)


def _compute_val_logits(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Run a model without a gate on flowers val; return logits (n, labels + 1) and label indices (n,)."""
    model = LoadedModel(content, "logits", "litert", 1)
    logits, truth = [], []
    for photograph in read_photographs("flowers", "val"):
        model.write(stretch(photograph.pixels, SIDE_PX)[None])
        model.invoke()
        logits.append(model.read()[0])
        truth.append(LABELS.index(photograph.label))
    return np.stack(logits), np.array(truth)


def write_bundle(model: bytes, folder: Path, threshold: float) -> None:
    """Write a bundle in AutoML's format: model.tflite, dict.txt, manifest.json."""
    labels = "".join(f"{label}\n" for label in (*LABELS, BACKGROUND)).encode()
    manifest = {
        "modelType": "IMAGE_LABELING",
        "modelFile": "model.tflite",
        "labelsFile": "dict.txt",
        "name": NAME,
        "version": VERSION,
        "confidenceThreshold": threshold,
        "backgroundLabel": BACKGROUND,
        "sha256": {"model.tflite": hashlib.sha256(model).hexdigest(), "dict.txt": hashlib.sha256(labels).hexdigest()},
        "created": CREATED,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.tflite").write_bytes(model)
    (folder / "dict.txt").write_bytes(labels)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    print(f"wrote {folder}: {len(model):,} bytes")
