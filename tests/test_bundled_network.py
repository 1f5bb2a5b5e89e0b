"""The network that makes the bundled model: its gradients are right, and what is written computes what was trained."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

PATH = Path(__file__).resolve().parent.parent / "scripts" / "bundled_network.py"


@pytest.fixture(scope="module")
def bundled_network():
    spec = importlib.util.spec_from_file_location("bundled_network", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pictures(side: int, number: int = 4) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (number, side, side, 3), np.uint8)


def test_gradients_are_those_of_the_loss(bundled_network):
    """Against the loss's difference when one weight moves a little."""
    rng = np.random.default_rng(1)
    network = bundled_network.Network(6, rng)
    network.weights = [values.astype(np.float64) for values in network.weights]
    network.biases = [values.astype(np.float64) for values in network.biases]
    batch, labels = pictures(bundled_network.SIDE_PX), np.array([0, 2, 5, 1])
    gradients = network.gradients(batch, labels)[1]
    for values, gradient in zip(network.parameters, gradients, strict=True):
        at = np.unravel_index(int(np.abs(gradient).argmax()), values.shape)
        before, step = values[at], 1e-4
        values[at] = before + step
        above = network.gradients(batch, labels)[0]
        values[at] = before - step
        below = network.gradients(batch, labels)[0]
        values[at] = before
        assert (above - below) / (2 * step) == pytest.approx(gradient[at], rel=0.02)


def test_the_written_model_gives_the_same_scores(bundled_network, tmp_path):
    network = bundled_network.Network(6, np.random.default_rng(2))
    file = tmp_path / "model.tflite"
    file.write_bytes(bundled_network.write_tflite(network, "test"))
    interpreter = Interpreter(str(file))
    interpreter.allocate_tensors()
    for picture in pictures(bundled_network.SIDE_PX):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture[None])
        interpreter.invoke()
        scores = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        assert scores == pytest.approx(network.scores(picture[None]), abs=1e-5)


def test_the_same_weights_give_the_same_bytes(bundled_network):
    first, second = (bundled_network.Network(6, np.random.default_rng(3)) for _ in range(2))
    assert bundled_network.write_tflite(first, "test") == bundled_network.write_tflite(second, "test")
