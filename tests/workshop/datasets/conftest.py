"""Datasets that several tests use."""

import pytest

from appliance.workshop.datasets.open import open_dataset
from support.datasets import make_copies, make_files, write_folder


@pytest.fixture
def mixed(tmp_path):
    """150 pictures with two labels: 100 that are there once, and ten that are there five times."""
    files = make_files({"a": 50, "b": 50})
    for seed in range(5):
        files |= {f"a/{seed}-{name}": content for name, content in make_copies(500 + seed).items()}
        files |= {f"b/{seed}-{name}": content for name, content in make_copies(600 + seed).items()}
    return open_dataset(write_folder(tmp_path / "set", files))


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
