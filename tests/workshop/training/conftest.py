"""Fixtures of the training tests: a cache, a base and a dataset of their own."""

from pathlib import Path

import pytest

from appliance.workshop.training.base import Base, open_base
from support.training import write_base, write_pictures


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_base(tmp_path / "base.tflite")


@pytest.fixture
def opened_base(base: Path) -> Base:
    return open_base(base)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "pictures", {"red": 40, "green": 40, "blue": 40})
