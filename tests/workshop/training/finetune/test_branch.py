"""Fine-tuned blocks beside the published ones: they add features and change none."""

from pathlib import Path

import numpy as np

from appliance.workshop.training.base import open_base
from appliance.workshop.training.finetune.branch import add_tuned_features
from appliance.workshop.training.lite0.ranges import measure_ranges
from support.heads import features_of


def test_published_features_stay_as_they_are(network):
    rng = np.random.default_rng(2)
    pictures = [np.repeat(np.repeat(rng.integers(0, 256, (7, 7, 3)), 32, 0), 32, 1).astype(np.uint8) for _ in range(2)]
    published = open_base(Path("bundled:general"))
    base = add_tuned_features(published, network, measure_ranges(network, pictures), 11)
    assert base.published is published and base.groups[:-1] == published.groups
    assert base.groups[-1].columns == slice(published.size, published.size + 1280)
    assert base.sha256 != published.sha256 and base.display_name == "bundled:general, fine-tuned"
    values = features_of(base, pictures)
    np.testing.assert_array_equal(values[:, : published.size], features_of(published, pictures))
    tuned = values[:, published.size :]
    assert base.classifier.compute_logits(tuned).shape == (2, len(network.bias)) and tuned.std() > 0
