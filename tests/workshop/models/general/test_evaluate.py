"""The figures: agreement of two models, and the share of garments that get their name."""

from types import SimpleNamespace

import numpy as np
import pytest

from appliance.workshop.models.general import evaluate
from appliance.workshop.models.general.names import read_plan
from appliance.workshop.models.general.tflite_lite0 import write_labeler


def test_model_agrees_with_itself(network, pictures):
    model = write_labeler(network, read_plan(), None, "a test")
    assert evaluate.compare(model, model, iter(pictures)) == evaluate.Agreement(len(pictures), 1.0, 1.0)


def test_garments_count_only_what_is_reported(monkeypatch):
    shown = [("dress", 0.9), ("hat", 0.9), ("pants", 0.2), ("shorts", 0.9)]
    photographs = [SimpleNamespace(label=label, pixels=score) for label, score in shown]
    monkeypatch.setattr(evaluate, "read_photographs", lambda *_: photographs)
    bundle = SimpleNamespace(confidence_threshold=0.5, background_label="none")
    labeler = SimpleNamespace(
        labels=("dress", "none"), bundle=bundle, score=lambda score: np.array([score, 1.0], np.float32)
    )
    precision, recall = evaluate.measure_garments(labeler)
    assert precision == pytest.approx(1 / 2)  # the dress is right, the hat is not
    assert recall == pytest.approx(1 / 3)  # shorts have no name
