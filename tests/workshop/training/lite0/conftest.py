"""Random weights with the shapes of EfficientNet-Lite0."""

import pytest

from appliance.workshop.training.lite0.architecture import build_network
from support.lite0_weights import make_weights


@pytest.fixture(scope="session")
def weights():
    return make_weights()


@pytest.fixture(scope="session")
def network(weights):
    return build_network(weights)
