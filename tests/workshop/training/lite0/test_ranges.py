"""The ranges: rare extremes are clipped, and every range includes 0."""

import numpy as np

from appliance.workshop.training.lite0.ranges import measure_ranges


def test_ranges_hold_the_values_of_relu6(network):
    coarse = np.random.default_rng(1).integers(0, 256, (2, 7, 7, 3))
    pictures = np.repeat(np.repeat(coarse, 32, 1), 32, 2).astype(np.uint8)
    ranges = measure_ranges(network, pictures)
    assert all(each.least <= 0 for each in ranges)
    assert max(each.greatest for each in ranges[:2]) <= 6
