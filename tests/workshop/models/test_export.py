"""Weights become a bundle that the appliance reads; only with torch."""

import hashlib
import json

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.labeling.labeler import Labeler
from appliance.workshop.models import prepare
from appliance.workshop.models.augmentation import STORED_PX
from appliance.workshop.models.paths import BACKGROUND, LABELS
from support.tiny_models import tiny_model

torch = pytest.importorskip("torch", reason="torch is not installed (scripts/train-bundled makes an environment)")
from appliance.workshop.models import export  # noqa: E402 - it imports torch
from appliance.workshop.models.network import Network  # noqa: E402


def test_bundle_has_the_facts_of_its_model(tmp_path):
    model = tiny_model("uint8")
    export.write_bundle(model, tmp_path / "new/bundle", 0.31)
    manifest = json.loads((tmp_path / "new/bundle/manifest.json").read_text())
    assert (manifest["name"], manifest["version"]) == (export.NAME, export.VERSION)
    assert (manifest["confidenceThreshold"], manifest["backgroundLabel"]) == (0.31, BACKGROUND)
    assert manifest["sha256"]["model.tflite"] == hashlib.sha256(model).hexdigest()
    assert (tmp_path / "new/bundle/model.tflite").read_bytes() == model
    assert (tmp_path / "new/bundle/dict.txt").read_text().split() == [*LABELS, BACKGROUND]


def test_exported_weights_label_pictures(few_photographs, tmp_path, monkeypatch):
    """Random weights: any threshold is right, and the labeler accepts what was written."""
    work = tmp_path / "work"
    work.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (6, STORED_PX, STORED_PX, 3), np.uint8)
    np.save(work / "pixels.npy", pixels)
    facts = {name: np.zeros(6, int) for name in ("label", "group", "photo", "whole")}
    np.savez(work / "facts.npz", **facts)
    for module in (prepare, export):
        monkeypatch.setattr(module, "WORK", work)
    monkeypatch.setattr(export, "CALIBRATED_ON", 4)
    torch.manual_seed(0)
    torch.save(Network().state_dict(), work / "seed-1.pt")

    export.export_run("seed-1", tmp_path / "exported")

    bundle = read_bundle(tmp_path / "exported")
    assert 0.01 <= bundle.confidence_threshold < 1
    assert bundle.background_label == BACKGROUND
    scores = Labeler(bundle).score(pixels[0])
    assert scores.shape == (6,)
    assert scores.sum() == pytest.approx(1, abs=6 / 256)
