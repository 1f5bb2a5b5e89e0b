"""What makes the bundled model: a written file computes what it says, and the gate shuts on what lies elsewhere."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from appliance.labeling.interpreter import LoadedModel

FOLDER = Path(__file__).resolve().parent.parent / "scripts" / "bundled"


def load(name: str) -> ModuleType:
    """A module of scripts/bundled, under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"scripts_bundled_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up there.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def gate() -> ModuleType:
    return load("gate")


def test_a_written_model_computes_what_it_says():
    """(byte − 128) / 128 through int8 and a fully connected layer of float32, in the runtime that serves."""
    writer_module = load("writer")
    writer = writer_module.Writer()
    picture = writer.tensor("picture", (1, 8), writer_module.UINT8, 1 / 128, 128)
    centred = writer.tensor("centred", (1, 8), writer_module.INT8, 1 / 128)
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


def flat_pictures(rng: np.random.Generator, count: int, basis: np.ndarray) -> np.ndarray:
    """Features that lie in a space of few directions, with a little noise; squared, because the gate takes the root."""
    return (5 + rng.standard_normal((count, len(basis))) @ basis + 0.05 * rng.standard_normal((count, basis.shape[1]))) ** 2


def test_the_gate_lets_in_what_is_like_the_training_pictures_and_nothing_else(gate):
    rng = np.random.default_rng(3)
    basis = 0.3 * rng.standard_normal((20, 96))
    trained = flat_pictures(rng, 300, basis)
    fitted = gate.fit_gate(trained, np.arange(300))

    def opened(features: np.ndarray) -> np.ndarray:
        far = gate.distance(np.sqrt(features), fitted.mean, fitted.axes)
        return 1 / (1 + np.exp(np.minimum((far - fitted.cut) / fitted.width, 50)))

    assert np.median(opened(flat_pictures(rng, 200, basis))) > 0.5
    assert opened(flat_pictures(rng, 200, 0.3 * rng.standard_normal((20, 96)))).max() < 0.01


def test_the_gate_is_the_same_each_time(gate):
    trained = flat_pictures(np.random.default_rng(4), 300, 0.3 * np.random.default_rng(5).standard_normal((20, 96)))
    first, second = (gate.fit_gate(trained, np.arange(300)) for _ in range(2))
    assert (first.axes == second.axes).all()
    assert first.cut == second.cut
