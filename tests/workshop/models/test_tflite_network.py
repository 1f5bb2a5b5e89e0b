"""The written file computes what the trained network computes, within the steps of int8; only with torch."""

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.labeling.interpreter import LoadedModel
from appliance.workshop.models.evidence_gate import compute_scores
from appliance.workshop.models.paths import BACKGROUND, LABELS
from support.tiny_models import RUNTIMES

torch = pytest.importorskip("torch", reason="torch is not installed (scripts/train-bundled makes an environment)")
from appliance.workshop.models.calibration import measure_ranges  # noqa: E402 - it imports torch
from appliance.workshop.models.network import SIDE_PX, Network, center  # noqa: E402
from appliance.workshop.models.tflite_network import write_network  # noqa: E402


@pytest.fixture(scope="module")
def pixels():
    """Eight smooth pictures of different colors."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (8, 4, 4, 3), np.uint8)
    return coarse.repeat(SIDE_PX // 4, axis=1).repeat(SIDE_PX // 4, axis=2)


@pytest.fixture(scope="module")
def network(pixels):
    torch.manual_seed(0)
    network = Network()
    signal = center(torch.from_numpy(pixels.astype(np.float32)).permute(0, 3, 1, 2))
    with torch.no_grad():
        for _ in range(20):
            network(signal)  # the normalizations learn these pictures
        network.head.weight.mul_(10)
    return network.eval()


@pytest.fixture(scope="module")
def ranges(network, pixels):
    return measure_ranges(network, pixels)


@pytest.fixture(scope="module")
def logits(network, pixels):
    with torch.no_grad():
        return network(center(torch.from_numpy(pixels.astype(np.float32)).permute(0, 3, 1, 2)))[0].numpy()


def run_model(content, pixels, runtime="litert"):
    model = LoadedModel(content, "made", runtime, 1)
    outputs = []
    for picture in pixels:
        model.write(picture[None])
        model.invoke()
        outputs.append(model.read()[0].copy())
    return model, np.stack(outputs)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_logits_are_those_of_the_network(network, ranges, pixels, logits, runtime):
    model, given = run_model(write_network(network, ranges, None, "logits"), pixels, runtime)
    assert model.outputs[0].dtype == np.float32
    assert given.shape == logits.shape
    assert np.abs(given - logits).max() < 0.1 * logits.std()


def test_scores_are_those_of_the_gate_in_steps(network, ranges, pixels):
    _, logits = run_model(write_network(network, ranges, None, "logits"), pixels)
    model, given = run_model(write_network(network, ranges, 1.2, "scores"), pixels)
    assert (model.inputs[0].dtype, model.outputs[0].dtype) == (np.uint8, np.uint8)
    assert model.outputs[0].scale == pytest.approx(1 / 256)
    assert given / 256 == pytest.approx(compute_scores(logits, 1.2), abs=1 / 256)


def test_file_has_its_labels_inside(network, ranges, tmp_path):
    (tmp_path / "model.tflite").write_bytes(write_network(network, ranges, 1.0, "scores"))
    assert read_bundle(tmp_path / "model.tflite").labels == (*LABELS, BACKGROUND)


def test_same_network_gives_the_same_bytes(network, ranges):
    assert write_network(network, ranges, 1.0, "scores") == write_network(network, ranges, 1.0, "scores")
