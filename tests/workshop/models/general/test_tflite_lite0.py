"""The written files: int8 follows float32, names are the sums of their classes, and old readers can run them."""

import numpy as np
import pytest

from appliance.labeling.interpreter import LoadedModel
from appliance.workshop.models.general.fine_classes import CLASSES_TENSOR
from appliance.workshop.models.general.names import read_plan
from appliance.workshop.models.general.tflite_lite0 import write_labeler
from appliance.workshop.training import tflite_schema as schema
from appliance.workshop.training.lite0.layers import write_layers
from appliance.workshop.training.lite0.ranges import measure_ranges
from appliance.workshop.training.stages import find_pooled
from appliance.workshop.training.tflite_graph import Graph


@pytest.fixture(scope="module")
def ranges(network, pictures):
    return measure_ranges(network, pictures)


@pytest.fixture(scope="module")
def files(network, ranges):
    plan = read_plan()
    return write_labeler(network, plan, None, "float32"), write_labeler(network, plan, ranges, "int8")


def run(content, picture):
    model = LoadedModel(content, "a test", "auto", 1)
    model.write(picture[None])
    model.invoke()
    return model.read()


def test_every_layer_has_a_range(network, ranges):
    layers = LoadedModel(write_layers(network), "a test", "auto", 1)
    # Stem, top, pool, and classifier, 47 convolutions of the blocks, and nine additions.
    assert len(ranges) == len(layers.outputs) == 4 + 47 + 9
    assert all(each.least <= 0 < each.greatest for each in ranges)


def test_int8_features_follow_float32(files, pictures):
    trunks = []
    for content in files:
        graph = Graph.parse(content, "a test")
        trunks.append(graph.pack(graph.cut(find_pooled(graph, "a test").tensor), "features"))
    for picture in pictures:
        of_float, of_int8 = (run(trunk, picture).reshape(-1) for trunk in trunks)
        assert of_float @ of_int8 / np.linalg.norm(of_float) / np.linalg.norm(of_int8) > 0.97


def test_int8_is_a_quarter_of_float32(files):
    assert len(files[1]) < 5_500_000 < len(files[0]) / 3


def test_names_are_the_sums_of_their_classes(files, pictures):
    plan = read_plan()
    graph = Graph.parse(files[1], "a test")
    classes = run(graph.pack(graph.cut(graph.find_tensor(CLASSES_TENSOR)), "classes"), pictures[0]).reshape(-1)
    sums = np.bincount(plan.groups, classes, len(plan.labels))
    assert run(files[1], pictures[0])[0] / 256 == pytest.approx(sums, abs=1 / 256)


def test_old_runtimes_support_its_operators(files):
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(files[1]))
    assert all(code.version <= 3 and not code.customCode for code in model.operatorCodes)
    assert all(code.builtinCode == code.deprecatedBuiltinCode for code in model.operatorCodes)


def test_features_can_be_found(files):
    pooled = find_pooled(Graph.parse(files[1], "a test"), "a test")
    assert pooled.shape == (1, 1, 1, 1280) and pooled.stored.dtype == np.float32
