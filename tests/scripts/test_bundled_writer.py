"""What makes the bundled model: a written file computes what it says, and the gate asks for evidence."""

import sys

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from appliance.labeling.interpreter import LoadedModel
from support.paths import ROOT

FOLDER = ROOT / "scripts" / "bundled"


@pytest.fixture(scope="module", autouse=True)
def scripts():
    """The modules of scripts/bundled import each other by their bare names."""
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))


def test_a_written_model_computes_what_it_says():
    """(byte − 128) / 128 through int8 and a fully connected layer of float32, in the runtime that serves."""
    from writer import INT8, UINT8, Writer

    writer = Writer()
    picture = writer.tensor("picture", (1, 8), UINT8, 1 / 128, 128)
    centred = writer.tensor("centred", (1, 8), INT8, 1 / 128)
    writer.operator("QUANTIZE", [picture], centred, schema.QuantizeOptionsT())
    values = writer.operator("DEQUANTIZE", [centred], writer.tensor("values", (1, 8)), schema.DequantizeOptionsT())
    rng = np.random.default_rng(0)
    weights, bias = rng.standard_normal((3, 8)).astype(np.float32), rng.standard_normal(3).astype(np.float32)
    constants = [writer.constant("weights", weights), writer.constant("bias", bias)]
    output = writer.operator(
        "FULLY_CONNECTED", [values, *constants], writer.tensor("sums", (1, 3)), schema.FullyConnectedOptionsT()
    )
    file = writer.finish([picture], [output], "test", ("a", "b", "c"))
    model = LoadedModel(file, "test", "litert", 1)
    pixels = rng.integers(0, 256, (1, 8), np.uint8)
    model.write(pixels)
    model.invoke()
    assert model.read()[0] == pytest.approx(weights @ ((pixels[0].astype(np.float32) - 128) / 128) + bias, abs=1e-5)


@pytest.mark.parametrize("bias", [0.0, 1.5])
def test_the_written_head_gives_the_scores_that_the_threshold_was_chosen_on(bias):
    """From logits that are sure of a flower to such as are sure of none: never NaN, and always 1 in all."""
    from evidence import gated
    from head import gated_head
    from writer import Writer

    rng = np.random.default_rng(1)
    weights, offsets = rng.standard_normal((6, 4)), rng.standard_normal(6)
    writer = Writer()
    pooled = writer.tensor("pooled", (1, 4))
    file = writer.finish([pooled], [gated_head(writer, pooled, weights, offsets, bias)], "test")
    model = LoadedModel(file, "test", "litert", 1)
    for scale in (0.0, 1.0, 5.0, 200.0):
        features = (scale * rng.standard_normal((1, 4))).astype(np.float32)
        model.write(features)
        model.invoke()
        expected = gated(features @ weights.T + offsets, bias)
        assert model.read() == pytest.approx(expected, abs=1e-4)
        assert expected.sum() == pytest.approx(1)


def test_a_rose_that_may_be_a_tulip_is_let_in_where_a_rose_that_may_be_nothing_is_not():
    from evidence import gated

    doubtful_kind = np.array([[5.0, 4.0, 0.0, 0.0, 0.0, 0.0]])
    doubtful_flower = np.array([[5.0, 0.0, 0.0, 0.0, 0.0, 4.0]])
    assert gated(doubtful_kind, 2.0)[0, 0] > 0.7
    assert gated(doubtful_flower, 2.0)[0, 0] < 0.2


def test_the_bias_goes_as_high_as_precision_allows():
    """Of labels that are all right any bias will do; where half are wrong, none will, and 0 is taken."""
    from evidence import BIASES, choose_bias

    truth = np.arange(100) % 5
    right = np.zeros((100, 6))
    right[np.arange(100), truth] = np.linspace(4, 9, 100)
    assert choose_bias(right, truth) == max(BIASES)
    assert choose_bias(right, (truth + np.arange(100) % 2) % 5) == 0.0
