"""The input of a head: chosen, reduced, and standardized features."""

import numpy as np

from appliance.workshop.training.head_input import fit_head_input
from appliance.workshop.training.stages import FINE_TUNED, FeatureGroup

POOLED, STAGE = FeatureGroup(0, 0, 2, "2 pooled", 0, 1), FeatureGroup(1, 2, 3, "4×4×3", 1, 1)


def test_inputs_are_standardized_and_pooled_ones_rooted():
    random = np.random.default_rng(0)
    features = np.hstack([random.uniform(0, 9, (5000, 2)), random.normal(-7, 3, (5000, 3))])
    x = fit_head_input((POOLED, STAGE), features).convert(features)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(axis=0), 1, atol=1e-5)
    np.testing.assert_allclose(np.corrcoef(x[:, 0], np.sqrt(features[:, 0]))[0, 1], 1)


def test_chosen_groups_keep_their_means_in_any_order():
    features = np.random.default_rng(0).normal(5, 2, (100, 5))
    whole = fit_head_input((POOLED, STAGE), features)
    part = whole.choose([STAGE])
    assert part.size == 3
    np.testing.assert_array_equal(part.convert(features), whole.convert(features)[:, 2:])
    np.testing.assert_array_equal(
        whole.choose([STAGE, POOLED]).convert(features)[:, 3:], whole.convert(features)[:, :2]
    )


def test_feature_that_hardly_varies_is_not_enlarged():
    features = np.random.default_rng(0).normal(5, 2, (1000, 5))
    features[:, 4] = 1
    head_input = fit_head_input((POOLED, STAGE), features)
    assert head_input.convert(features)[:, 4].max() < 1e-5
    changed = features[:1].copy()
    changed[0, 4] = 2  # half a typical deviation
    assert 4 < head_input.convert(changed)[0, 4] < 8


def test_features_that_never_vary_give_numbers():
    features = np.full((20, 5), 3.0)
    assert np.isfinite(fit_head_input((POOLED, STAGE), features).convert(features)).all()


def test_appended_features_are_used_as_they_are():
    features = np.random.default_rng(0).normal(5, 2, (100, 7))
    whole = fit_head_input((POOLED, STAGE), features)
    x = whole.append_plain(FeatureGroup(2, 5, 2, "2 fine-tuned", FINE_TUNED, 1)).convert(features)
    np.testing.assert_array_equal(x[:, :5], whole.convert(features))
    np.testing.assert_array_equal(x[:, 5:], features[:, 5:])
