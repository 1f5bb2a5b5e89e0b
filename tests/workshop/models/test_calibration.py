"""The range of each layer, in the order of the file; only with torch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (scripts/train-bundled makes an environment)")
from appliance.workshop.models.calibration import measure_ranges  # noqa: E402 - it imports torch
from appliance.workshop.models.network import Network, Residual  # noqa: E402


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Network().eval()


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)


def test_every_convolution_and_addition_has_a_range(network, pixels):
    ranges = measure_ranges(network, pixels)
    assert len(ranges) == sum(3 if isinstance(part, Residual) else 1 for part in network.body)
    assert all(span.least <= 0 < span.greatest for span in ranges)


def test_only_what_is_added_may_be_negative(network, pixels):
    """Every other layer ends with ReLU."""
    negative = [index for index, span in enumerate(measure_ranges(network, pixels)) if span.least < 0]
    kinds = []
    for part in network.body:
        kinds += ["inner", "added", "sum"] if isinstance(part, Residual) else ["inner"]
    assert [kinds[index] for index in negative] == ["added"] * 3


def test_range_is_that_of_the_values(network, pixels):
    with torch.no_grad():
        network.body[0].normal.weight.mul_(10)
    wide = measure_ranges(network, pixels)[0].greatest
    with torch.no_grad():
        network.body[0].normal.weight.div_(10)
    assert wide == pytest.approx(10 * measure_ranges(network, pixels)[0].greatest, rel=0.01)


def test_measuring_changes_nothing_in_the_network(network, pixels):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    measure_ranges(network, pixels)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
