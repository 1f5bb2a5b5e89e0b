"""The head that is appended to the network computes what the threshold was chosen on."""

import numpy as np
import pytest

from appliance.labeling.interpreter import LoadedModel
from appliance.workshop.models.evidence_gate import compute_scores
from appliance.workshop.models.gated_head import add_gated_head
from appliance.workshop.training.tflite_graph import Graph


@pytest.mark.parametrize("bias", [0.0, 1.5])
def test_written_head_gives_the_scores_of_the_gate(bias):
    """From logits that are sure of a flower to those that are sure of none: never NaN, and always 1 in all."""
    rng = np.random.default_rng(1)
    weights, offsets = rng.standard_normal((6, 4)), rng.standard_normal(6)
    graph = Graph.create("test")
    pooled = graph.add_input((1, 4), "pooled")
    file = graph.pack([add_gated_head(graph, pooled, weights, offsets, bias)], "test")
    model = LoadedModel(file, "test", "litert", 1)
    for scale in (0.0, 1.0, 5.0, 200.0):
        features = (scale * rng.standard_normal((1, 4))).astype(np.float32)
        model.write(features)
        model.invoke()
        expected = compute_scores(features @ weights.T + offsets, bias)
        assert model.read() == pytest.approx(expected, abs=1e-4)
        assert expected.sum() == pytest.approx(1)
