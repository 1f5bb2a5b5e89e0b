"""The network: 16 blocks, batch normalization folded, and a sentence for other weights."""

import numpy as np
import pytest

from appliance.errors import BaseModelError
from appliance.workshop.training.lite0.architecture import build_network


def test_network_has_its_blocks(network):
    assert len(network.blocks) == 16
    assert [block.is_residual for block in network.blocks].count(True) == 9
    assert sum(layer.stride == 2 for block in network.blocks for layer in block.convolutions) == 4


def test_normalization_is_folded(weights, network):
    # One output of the stem, computed as PyTorch does: convolution, then normalization.
    patch = np.random.default_rng(2).normal(size=(3, 3, 3))  # (inputs, height, width)
    plain = (weights["_conv_stem.weight"][5] * patch).sum()
    norm = {key: weights[f"_bn0.{key}"][5] for key in ("weight", "bias", "running_mean", "running_var")}
    expected = (plain - norm["running_mean"]) / np.sqrt(norm["running_var"] + 1e-3) * norm["weight"] + norm["bias"]
    folded = (network.stem.weights[5] * patch.transpose(1, 2, 0)).sum() + network.stem.bias[5]
    assert folded == pytest.approx(expected, abs=1e-5)


def test_other_weights_get_a_sentence(weights):
    with pytest.raises(BaseModelError, match=r"_blocks\.3\._bn1"):
        build_network({name: values for name, values in weights.items() if not name.startswith("_blocks.3._bn1")})
