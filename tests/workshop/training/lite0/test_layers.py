"""The written layers compute the same as the float network."""

import numpy as np
import pytest

from appliance.errors import BaseModelError
from appliance.labeling.interpreter import LoadedModel
from appliance.workshop.training.lite0.layers import Lite0Writer, add_body, add_branch, write_layers
from appliance.workshop.training.lite0.quantization import ValueRange
from appliance.workshop.training.tflite_graph import Graph


def run(model, picture):
    loaded = LoadedModel(model, "layers", "auto", 1)
    loaded.write(picture)
    loaded.invoke()
    return [loaded.read(index).copy() for index in range(len(loaded.outputs))]


@pytest.fixture(scope="module")
def picture():
    rng = np.random.default_rng(2)
    return np.repeat(np.repeat(rng.integers(0, 256, (1, 7, 7, 3)), 32, 1), 32, 2).astype(np.uint8)


@pytest.fixture(scope="module")
def layers(network, picture):
    """The values of each layer of the float network for the picture."""
    return run(write_layers(network), picture)


@pytest.fixture(scope="module")
def ranges(layers):
    return [ValueRange(min(0.0, float(each.min())), float(each.max())) for each in layers]


def test_int8_features_follow_the_float_features(network, picture, layers, ranges):
    graph = Graph.create("int8")
    (features,) = run(graph.pack([add_body(Lite0Writer(graph, ranges), network)], "int8"), picture)
    pooled = layers[-2]
    assert features.shape == pooled.shape == (1, 1, 1, 1280)
    assert np.corrcoef(features.ravel(), pooled.ravel())[0, 1] > 0.98


def test_branch_of_the_same_network_gives_the_same_features(network, picture, ranges):
    graph = Graph.create("int8")
    whole = add_body(Lite0Writer(graph, ranges), network)
    model = graph.pack([whole], "int8")
    again = Graph.parse(model, "int8")
    branch = add_branch(again, network, ranges, 11, "int8")
    both = again.pack([again.output, branch], "both")
    whole_features, branch_features = run(both, picture)
    np.testing.assert_array_equal(branch_features, whole_features)
    assert len(both) < 1.8 * len(model)  # both versions share the blocks before them


def test_branch_of_another_network_is_refused(network):
    graph = Graph.create("other")
    graph.pack([graph.add_input((1, 2), "picture")], "other")
    with pytest.raises(BaseModelError, match="other does not contain the layers of EfficientNet-Lite0"):
        add_branch(graph, network, [], 11, "other")
