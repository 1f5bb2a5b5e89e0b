"""The feature cache: damaged, unusable and full files never stop a training."""

import sqlite3
from contextlib import closing

from appliance.workshop.datasets.open import open_dataset
from appliance.workshop.training.feature_cache import FeatureCache, default_cache_file
from appliance.workshop.training.features import extract_features
from support.training import open_pictures, write_pictures


def test_damaged_cache_is_replaced(opened_base, tmp_path, caplog):
    file = tmp_path / "features.sqlite"
    file.write_bytes(b"this is no database" * 100)
    examples = open_pictures(tmp_path / "all", red=12)
    assert extract_features(opened_base, examples, FeatureCache(file)).computed == 12
    assert "is damaged" in caplog.text
    assert extract_features(opened_base, examples, FeatureCache(file)).computed == 0


def test_wrong_checksum_begins_the_cache_anew(opened_base, tmp_path, caplog):
    file = tmp_path / "features.sqlite"
    examples = open_pictures(tmp_path / "all", red=12)
    first = extract_features(opened_base, examples, FeatureCache(file)).values
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE features SET stored = X'FF' || substr(stored, 2)")
    again = extract_features(opened_base, examples, FeatureCache(file))
    assert (again.values == first).all() and again.computed == 12
    assert "is damaged" in caplog.text
    assert extract_features(opened_base, examples, FeatureCache(file)).computed == 0


def test_cache_of_another_form_is_not_used(opened_base, tmp_path):
    file = tmp_path / "features.sqlite"
    examples = open_pictures(tmp_path / "all", red=12)
    extract_features(opened_base, examples, FeatureCache(file))
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA user_version = 1")
    assert extract_features(opened_base, examples, FeatureCache(file)).computed == 12


def test_unusable_cache_is_reported_once(opened_base, tmp_path, caplog):
    (tmp_path / "file").write_text("not a folder")
    features = extract_features(
        opened_base, open_pictures(tmp_path / "all", red=12), FeatureCache(tmp_path / "file" / "features.sqlite")
    )
    assert len(features.values) == 12
    assert caplog.text.count("features are not cached") == 1


def test_oldest_features_are_pruned(opened_base, tmp_path):
    file = tmp_path / "features.sqlite"
    old = open_pictures(tmp_path / "old", red=20)
    extract_features(opened_base, old, FeatureCache(file))
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE features SET used = used - 1000")
    new = open_dataset(write_pictures(tmp_path / "new", {"red": 20}, seed=500)).examples
    extract_features(opened_base, new, FeatureCache(file, max_bytes=4000))
    with closing(sqlite3.connect(file)) as connection, connection:
        (count,) = connection.execute("SELECT count(*) FROM features").fetchone()
    assert 20 <= count < 31  # 139 bytes each
    assert extract_features(opened_base, new, FeatureCache(file)).computed == 0


def test_default_file_is_in_the_users_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_file() == tmp_path / "appliance" / "features.sqlite"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_cache_file() == tmp_path / "home" / ".cache" / "appliance" / "features.sqlite"
