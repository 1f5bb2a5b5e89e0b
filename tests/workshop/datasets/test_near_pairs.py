"""Near duplicates are found by buckets, almost as completely as by comparing all pairs."""

import numpy as np
import pytest

from appliance.imaging.files import make_thumbnail
from appliance.workshop.datasets import near_pairs
from appliance.workshop.datasets.near_pairs import find_near_pairs
from support.datasets import make_copies


@pytest.fixture(scope="module")
def thumbnails():
    return np.stack([
        make_thumbnail(content, name, 16) for seed in range(60) for name, content in make_copies(seed).items()
    ])  # fmt: skip


def test_buckets_find_the_pairs_of_all_pairs(thumbnails, monkeypatch):
    every = set(find_near_pairs(thumbnails))
    assert len(every) > 500
    monkeypatch.setattr(near_pairs, "SMALL", 0)
    found = set(find_near_pairs(thumbnails))
    assert found <= every and len(found) >= 0.99 * len(every)


def test_plain_pictures_cost_no_comparison_of_all(monkeypatch):
    """Thumbnails of one kind share buckets; the number of comparisons is bounded."""
    random = np.random.default_rng(0)
    plain = np.clip(120 + random.integers(-40, 40, (1500, 1, 1, 3)) + random.integers(0, 3, (1500, 16, 16, 3)), 0, 255)
    monkeypatch.setattr(near_pairs, "_MAX_NEIGHBORS", 8)
    pairs = list(find_near_pairs(plain.astype(np.uint8)))
    assert len(pairs) < 1500 * 8 * 32 * 2
