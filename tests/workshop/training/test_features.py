"""Features are computed once per picture, and an unreadable picture affects only itself."""

import time
from pathlib import Path

import numpy as np

from appliance.workshop.training.base import open_base
from appliance.workshop.training.feature_cache import FeatureCache
from appliance.workshop.training.features import extract_features
from support.tiny_models import metadata
from support.training import open_pictures, write_base


def test_only_new_pictures_are_computed(opened_base, tmp_path):
    cache = FeatureCache(tmp_path / "cache" / "features.sqlite")
    first = extract_features(opened_base, open_pictures(tmp_path / "all", red=20, green=20), cache)
    assert (first.computed, len(first.kept)) == (40, 40)
    more = extract_features(opened_base, open_pictures(tmp_path / "all", red=20, green=25), cache)
    assert (more.computed, len(more.kept)) == (5, 45)


def test_cached_features_are_the_computed_ones(opened_base, tmp_path):
    cache = FeatureCache(tmp_path / "features.sqlite")
    examples = open_pictures(tmp_path / "all", red=20, green=20)
    first, second = extract_features(opened_base, examples, cache), extract_features(opened_base, examples, cache)
    assert second.computed == 0
    np.testing.assert_array_equal(first.values, second.values)


def test_another_base_has_its_own_features(opened_base, tmp_path):
    cache = FeatureCache(tmp_path / "features.sqlite")
    examples = open_pictures(tmp_path / "all", red=20)
    extract_features(opened_base, examples, cache)
    other = open_base(write_base(tmp_path / "other.tflite", input_shape=(1, 10, 10, 3)))
    assert extract_features(other, examples, cache).computed == 20


def test_another_normalization_has_its_own_features(tmp_path):
    cache = FeatureCache(tmp_path / "features.sqlite")
    examples = open_pictures(tmp_path / "all", red=5)
    values = []
    for number, (mean, std) in enumerate((((127.5,), (127.5,)), ((0.0,), (127.5,)), ((0.0,), (255.0,)))):
        file = write_base(tmp_path / f"{number}.tflite", "float32", metadata=metadata(mean, std))
        found = extract_features(open_base(file), examples, cache)
        assert found.computed == 5
        values.append(found.values)
    np.testing.assert_allclose(values[1], values[0] + 1, atol=1e-3)
    np.testing.assert_allclose(values[2], values[1] * 127.5 / 255, atol=1e-3)


def test_identical_pictures_are_computed_once(opened_base, tmp_path):
    examples = open_pictures(tmp_path / "all", red=3)
    features = extract_features(opened_base, [*examples, *examples], FeatureCache(None))
    assert (features.computed, len(features.kept)) == (3, 6)
    np.testing.assert_array_equal(features.values[:3], features.values[3:])


def test_unreadable_pictures_are_left_out(opened_base, tmp_path):
    examples = open_pictures(tmp_path / "all", red=12)
    names = sorted((tmp_path / "all" / "red").iterdir())
    names[3].write_bytes(names[3].read_bytes()[:60])
    names[7].unlink()
    features = extract_features(opened_base, examples, FeatureCache(None))
    assert len(features.values) == 10
    assert set(features.kept.tolist()) == set(range(12)) - {3, 7}
    assert {Path(name).name for name, _ in features.unreadable} == {names[3].name, names[7].name}
    assert all(names[index].name in reason for index, (_, reason) in zip((3, 7), features.unreadable, strict=True))


def test_pictures_after_the_deadline_are_left_out(opened_base, tmp_path):
    features = extract_features(
        opened_base, open_pictures(tmp_path / "all", red=12), FeatureCache(None), deadline_s=time.monotonic() - 1
    )
    assert (len(features.values), features.left_out, features.unreadable) == (0, 12, ())


def test_progress_reports_the_number_of_pictures(opened_base, tmp_path):
    reports = []
    extract_features(
        opened_base,
        open_pictures(tmp_path / "all", red=12),
        FeatureCache(None),
        lambda done, total: reports.append((done, total)),
    )
    assert reports[0] == (0, 12)
    assert reports[-1] == (12, 12)
