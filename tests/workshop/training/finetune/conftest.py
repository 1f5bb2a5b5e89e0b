"""Random weights with the shapes of EfficientNet-Lite0."""

import pytest

from support.lite0_weights import make_weights


@pytest.fixture(scope="session")
def weights():
    return make_weights()
