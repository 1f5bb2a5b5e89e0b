"""A network of random weights with the shapes of EfficientNet-Lite0."""

import numpy as np
import pytest

from appliance.workshop.training.lite0.architecture import build_network
from support.lite0_weights import make_weights


@pytest.fixture(scope="session")
def weights():
    return make_weights()


@pytest.fixture(scope="session")
def network(weights):
    return build_network(weights)


@pytest.fixture(scope="session")
def pictures():
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (4, 7, 7, 3))
    return np.repeat(np.repeat(coarse, 32, 1), 32, 2).astype(np.uint8)
