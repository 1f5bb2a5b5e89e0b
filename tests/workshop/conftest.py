"""A network of random weights with the shapes of EfficientNet-Lite0."""

import numpy as np
import pytest

from appliance.workshop.training.lite0.architecture import Lite0, build_network
from support.lite0_weights import make_weights


@pytest.fixture(scope="session")
def weights() -> dict[str, np.ndarray]:
    return make_weights()


@pytest.fixture(scope="session")
def network(weights: dict[str, np.ndarray]) -> Lite0:
    return build_network(weights)
