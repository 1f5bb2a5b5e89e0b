"""The gradient of a batch is that of its pictures together, whatever thread computed it."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra torch)")

from appliance.workshop.training.finetune.gradient import ParallelGradient, keep_freed_memory  # noqa: E402
from appliance.workshop.training.finetune.network import FROZEN_BLOCKS, Lite0Network  # noqa: E402


class Drawn:
    """Pictures of noise in two colors."""

    def __init__(self, count):
        self._values = np.random.default_rng(0).integers(0, 60, (count, 40, 40, 3)).astype(np.uint8)
        self._values[::2, ..., 0] += 180

    def __len__(self):
        return len(self._values)

    def get(self, indexes):
        return self._values[indexes]


def prepare(weights):
    network = Lite0Network(2)
    network.load_published(weights)
    return network


def compute(network, indexes, step=0):
    gradient = ParallelGradient(network, 0, True)
    gradient.compute(Drawn(8), np.arange(8) % 2, np.array(indexes), step, 64)
    gradient.close()
    return {name: each.grad for name, each in network.named_parameters() if each.grad is not None}


def test_gradient_repeats_with_its_seed(weights):
    network = prepare(weights)
    copied = copy.deepcopy(network)
    first, second = compute(network, range(8)), compute(copied, range(8))
    other = compute(prepare(weights), range(8), step=1)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.allclose(first["_conv_head.weight"], other["_conv_head.weight"])


def test_parts_of_a_batch_add_up(weights):
    # Each thread takes every second picture; a batch of one picture leaves the other thread nothing to do.
    both = compute(prepare(weights), [1, 2])["_fc.bias"]
    # A gradient of the smoothed cross-entropy of two labels adds up to 0 for each picture.
    assert float(both.sum()) == pytest.approx(0, abs=1e-6)
    assert compute(prepare(weights), [1]).keys() == compute(prepare(weights), [1, 2]).keys()


def test_first_blocks_are_not_trained(weights):
    names = compute(prepare(weights), range(8)).keys()
    assert "_conv_stem.weight" not in names and f"_blocks.{FROZEN_BLOCKS - 1}._project_conv.weight" not in names
    assert f"_blocks.{FROZEN_BLOCKS}._expand_conv.weight" in names and "_fc.weight" in names


def test_replicas_share_weights_and_join_statistics(weights):
    network = prepare(weights)
    replica = network.make_replica()
    with torch.no_grad():
        network._fc.bias += 1
    assert torch.equal(replica._fc.bias, network._fc.bias)
    gradient = ParallelGradient(network, 0, True)
    gradient.compute(Drawn(8), np.arange(8) % 2, np.arange(8), 0, 64)
    before = network._bn1.running_mean.clone()
    gradient.join_statistics()
    gradient.close()
    assert not torch.equal(before, network._bn1.running_mean)


def test_memory_settings_end_with_an_error():
    with pytest.raises(ValueError), keep_freed_memory():
        raise ValueError
