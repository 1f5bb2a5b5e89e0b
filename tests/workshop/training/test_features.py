"""Features are computed once, and whatever is wrong with a picture or the cache costs only itself."""

import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest

from appliance.workshop.datasets.open import open_dataset
from appliance.workshop.training.base import open_base
from appliance.workshop.training.feature_cache import FeatureCache, default_cache_file
from appliance.workshop.training.features import extract_features
from support.tiny_models import metadata
from support.training import write_base, write_pictures


@pytest.fixture
def base(tmp_path: Path):
    return open_base(write_base(tmp_path / "base.tflite"))


def pictures(folder: Path, **counts: int):
    return open_dataset(write_pictures(folder, counts)).examples


def test_adding_5_pictures_to_40_costs_5(base, tmp_path):
    cache = FeatureCache(tmp_path / "cache" / "features.sqlite")
    first = extract_features(base, pictures(tmp_path / "all", red=20, green=20), cache)
    assert (first.computed, len(first.kept)) == (40, 40)
    more = extract_features(base, pictures(tmp_path / "all", red=20, green=25), cache)
    assert (more.computed, len(more.kept)) == (5, 45)


def test_what_is_remembered_is_what_was_computed(base, tmp_path):
    cache = FeatureCache(tmp_path / "features.sqlite")
    examples = pictures(tmp_path / "all", red=20, green=20)
    first, second = extract_features(base, examples, cache), extract_features(base, examples, cache)
    assert second.computed == 0
    np.testing.assert_array_equal(first.values, second.values)


def test_another_base_does_not_take_the_features_of_this_one(base, tmp_path):
    cache = FeatureCache(tmp_path / "features.sqlite")
    examples = pictures(tmp_path / "all", red=20)
    extract_features(base, examples, cache)
    other = open_base(write_base(tmp_path / "other.tflite", input_shape=(1, 10, 10, 3)))
    assert extract_features(other, examples, cache).computed == 20


def test_a_base_that_normalises_otherwise_does_not_take_them_either(tmp_path):
    cache = FeatureCache(tmp_path / "features.sqlite")
    examples = pictures(tmp_path / "all", red=5)
    values = []
    for number, (mean, std) in enumerate((((127.5,), (127.5,)), ((0.0,), (127.5,)), ((0.0,), (255.0,)))):
        file = write_base(tmp_path / f"{number}.tflite", "float32", metadata=metadata(mean, std))
        found = extract_features(open_base(file), examples, cache)
        assert found.computed == 5
        values.append(found.values)
    np.testing.assert_allclose(values[1], values[0] + 1, atol=1e-5)
    np.testing.assert_allclose(values[2], values[1] * 127.5 / 255, atol=1e-5)


def test_the_same_picture_is_looked_at_once(base, tmp_path):
    examples = pictures(tmp_path / "all", red=3)
    seen = extract_features(base, [*examples, *examples], FeatureCache(None))
    assert (seen.computed, len(seen.kept)) == (3, 6)
    np.testing.assert_array_equal(seen.values[:3], seen.values[3:])


def test_unreadable_pictures_cost_only_themselves(base, tmp_path):
    examples = pictures(tmp_path / "all", red=12)
    names = sorted((tmp_path / "all" / "red").iterdir())
    names[3].write_bytes(names[3].read_bytes()[:60])
    names[7].unlink()
    seen = extract_features(base, examples, FeatureCache(None))
    assert len(seen.values) == 10
    assert set(seen.kept.tolist()) == set(range(12)) - {3, 7}
    assert {Path(name).name for name, _ in seen.unreadable} == {names[3].name, names[7].name}
    assert all(names[place].name in reason for place, (_, reason) in zip((3, 7), seen.unreadable, strict=True))


def test_a_damaged_cache_is_begun_anew(base, tmp_path, caplog):
    file = tmp_path / "features.sqlite"
    file.write_bytes(b"this is no database" * 100)
    examples = pictures(tmp_path / "all", red=12)
    assert extract_features(base, examples, FeatureCache(file)).computed == 12
    assert "is damaged" in caplog.text
    assert extract_features(base, examples, FeatureCache(file)).computed == 0


def test_a_cache_that_cannot_be_written_does_not_stop_anything(base, tmp_path, caplog):
    (tmp_path / "file").write_text("not a folder")
    seen = extract_features(base, pictures(tmp_path / "all", red=12), FeatureCache(tmp_path / "file" / "features.sqlite"))
    assert len(seen.values) == 12
    assert caplog.text.count("Features are not remembered") == 1


def test_the_cache_stays_within_its_size_and_forgets_the_oldest(base, tmp_path):
    file = tmp_path / "features.sqlite"
    old = pictures(tmp_path / "old", red=20)
    extract_features(base, old, FeatureCache(file))
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE features SET used = used - 1000")
    new = open_dataset(write_pictures(tmp_path / "new", {"red": 20}, seed=500)).examples
    extract_features(base, new, FeatureCache(file, max_bytes=4000))
    with sqlite3.connect(file) as connection:
        (count,) = connection.execute("SELECT count(*) FROM features").fetchone()
    assert 20 <= count < 31  # 131 bytes each
    assert extract_features(base, new, FeatureCache(file)).computed == 0


def test_when_the_time_is_up_the_rest_is_left_out(base, tmp_path):
    seen = extract_features(base, pictures(tmp_path / "all", red=12), FeatureCache(None), deadline_s=time.monotonic() - 1)
    assert (len(seen.values), seen.left_out, seen.unreadable) == (0, 12, ())


def test_progress_tells_how_many_are_done(base, tmp_path):
    told = []
    extract_features(
        base, pictures(tmp_path / "all", red=12), FeatureCache(None), lambda done, total: told.append((done, total))
    )
    assert told[0] == (0, 12)
    assert told[-1] == (12, 12)


def test_the_cache_lies_where_caches_lie(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_file() == tmp_path / "appliance" / "features.sqlite"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_cache_file() == tmp_path / "home" / ".cache" / "appliance" / "features.sqlite"
