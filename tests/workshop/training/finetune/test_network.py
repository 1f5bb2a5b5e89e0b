"""The network in training computes what the written file computes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra torch)")

from appliance.labeling.interpreter import LoadedModel  # noqa: E402 - it imports torch
from appliance.workshop.training.finetune.augmentation import center  # noqa: E402
from appliance.workshop.training.finetune.network import Lite0Network  # noqa: E402
from appliance.workshop.training.lite0.architecture import build_network  # noqa: E402
from appliance.workshop.training.lite0.layers import write_layers  # noqa: E402


def test_network_equals_the_written_file(weights):
    network = Lite0Network(7)
    network.load_published(weights)
    network.eval()
    coarse = np.random.default_rng(3).integers(0, 256, (1, 14, 14, 3))
    picture = np.repeat(np.repeat(coarse, 16, 1), 16, 2).astype(np.uint8)
    with torch.inference_mode():
        expected = network(center(picture)).numpy()
    loaded = LoadedModel(write_layers(build_network(network.export_weights())), "layers", "auto", 1)
    loaded.write(picture)
    loaded.invoke()
    assert loaded.read(len(loaded.outputs) - 1).reshape(1, 7) == pytest.approx(expected, abs=1e-3)
