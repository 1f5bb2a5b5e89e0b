"""Pictures of random fields."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def pictures():
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (4, 7, 7, 3))
    return np.repeat(np.repeat(coarse, 32, 1), 32, 2).astype(np.uint8)
