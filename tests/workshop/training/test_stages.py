"""Earlier stages of a base: found by the structure of the graph, averaged by operators of the model."""

from pathlib import Path

import numpy as np
import pytest

from appliance.workshop.training import tflite_schema as schema
from appliance.workshop.training.base import open_base
from appliance.workshop.training.stages import find_pooled, find_stages
from appliance.workshop.training.tflite_graph import Graph, Op
from appliance.workshop.training.tflite_head import write_model
from support.heads import features_of, full_input, random_head
from support.staged_base import SIDE_PX, compute_features, staged_graph, write_staged_base
from support.training import write_base


def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int8"])
def test_features_are_the_means_of_quarters_and_layers(tmp_path, dtype):
    base = open_base(write_staged_base(tmp_path / "base.tflite", dtype))
    assert [(group.stage, group.grid, group.size) for group in base.groups] == [
        (0, 1, 3), (1, 2, 12), (1, 1, 3), (2, 2, 12), (2, 1, 3),
    ]  # fmt: skip
    assert [group.layer for group in base.groups[:3]] == ["3 pooled", "5×5×3 in quarters", "5×5×3"]
    tolerance = 1e-5 if dtype == "float32" else 8 / 255
    np.testing.assert_allclose(features_of(base, [noise()])[0], compute_features(noise()), atol=tolerance)


def test_stage_ends_with_its_last_sum_on_every_path():
    graph, (first, second, pooled, output) = staged_graph()
    graph.pack([output], "made")
    assert find_pooled(graph, "made").tensor == pooled
    assert [stage.tensor for stage in find_stages(graph, pooled)] == [second, first]
    # A sum that another path bypasses, and one with a constant, end no stage.
    side = graph.add(Op.ADD, [second, second], (1, 5, 5, 3), "inner", schema.AddOptionsT())
    outer = graph.add(Op.ADD, [second, side], (1, 5, 5, 3), "outer", schema.AddOptionsT())
    one = graph.add_constant(np.ones((1, 5, 5, 3), np.float32), "one")
    shifted = graph.add(Op.ADD, [outer, one], (1, 5, 5, 3), "shifted", schema.AddOptionsT())
    axes = graph.add_constant(np.array([1, 2], np.int32), "axes")
    mean = graph.add(Op.MEAN, [shifted, axes], (1, 3), "mean", schema.ReducerOptionsT())
    assert [stage.tensor for stage in find_stages(graph, mean)] == [outer, first]


def test_network_without_sums_ends_stages_with_convolutions():
    graph = Graph.create("plain")
    x = graph.add_input((1, 8, 8, 3), "picture")
    layers = []
    for side, channels in ((8, 4), (8, 4), (4, 6), (2, 5)):
        options = schema.Conv2DOptionsT()
        options.strideW = options.strideH = graph.get_shape(x)[1] // side
        weights = graph.add_constant(np.ones((channels, 1, 1, graph.get_shape(x)[3]), np.float32), "weights")
        bias = graph.add_constant(np.zeros(channels, np.float32), "bias")
        x = graph.add(Op.CONV_2D, [x, weights, bias], (1, side, side, channels), "layer", options)
        layers.append(x)
    axes = graph.add_constant(np.array([1, 2], np.int32), "axes")
    mean = graph.add(Op.MEAN, [x, axes], (1, 5), "mean", schema.ReducerOptionsT())
    # Of the first two, which have the same size, the second; the last one is what the mean is of.
    assert [stage.tensor for stage in find_stages(graph, mean)] == [layers[2], layers[1]]


def test_trained_model_with_stages_can_be_a_base(tmp_path):
    base = open_base(write_staged_base(tmp_path / "base.tflite"))
    head_input = full_input(base)
    (tmp_path / "new.tflite").write_bytes(
        write_model(base, head_input, random_head(np.ones((2, head_input.size))), "new")
    )
    again = open_base(tmp_path / "new.tflite")
    assert [group.layer for group in again.groups] == [group.layer for group in base.groups]
    np.testing.assert_array_equal(features_of(again, [noise()]), features_of(base, [noise()]))


def test_model_contains_only_the_chosen_stages(tmp_path):
    base = open_base(write_staged_base(tmp_path / "base.tflite"))
    sizes = {}
    for name, groups in (("all", base.groups), ("pooled", base.groups[:1])):
        head_input = full_input(base).choose(groups)
        model = write_model(base, head_input, random_head(np.ones((2, head_input.size)), gate=False), "new")
        graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0)).subgraphs[0]
        sizes[name] = len(graph.operators)
    assert sizes["all"] - sizes["pooled"] == 2 * 2 * 2 + 1  # for each stage and grid AVERAGE_POOL_2D and RESHAPE


def test_base_without_stages_has_its_pooled_features(tmp_path):
    base = open_base(write_base(tmp_path / "base.tflite"))
    assert [(group.layer, group.columns) for group in base.groups] == [("3 pooled", slice(0, 3))]


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("automl_mlkit_android", "7×7×56"),
        ("mobilenet_v1_1.0_224_quant_embedding_extractor.tflite", "14×14×512"),
        ("tf2_mobilenet_v2_1.0_224_ptq.tflite", "7×7×160"),
        ("tfls_mobilenet_v1_0.25_224_1_metadata_1.tflite", "7×7×256"),
    ],
)
def test_published_bases_have_stages(data, name, last):
    assert open_base(data / "models" / name).groups[2].layer == last


def test_general_labeler_offers_blocks_15_11_and_8():
    layers = [group.layer for group in open_base(Path("bundled:general")).groups]
    assert layers[2::2] == ["7×7×192", "14×14×112", "14×14×80"]
