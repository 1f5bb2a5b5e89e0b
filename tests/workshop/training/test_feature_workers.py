"""The number and kind of workers does not change the features."""

import numpy as np
import pytest

from appliance.workshop.training import feature_workers
from appliance.workshop.training.feature_workers import compute_features
from support.training import open_pictures


def compute(base, examples, workers):
    found = dict(compute_features(base, iter(list(enumerate(examples))), len(examples), workers))
    return np.stack([found[index] for index in range(len(examples))])


def test_threads_give_the_same_bytes(opened_base, tmp_path):
    examples = open_pictures(tmp_path / "all", red=20, green=20)
    assert compute(opened_base, examples, 3).tobytes() == compute(opened_base, examples, 1).tobytes()


@pytest.mark.slow
def test_processes_give_the_same_bytes(opened_base, tmp_path, monkeypatch):
    examples = open_pictures(tmp_path / "all", red=20, green=20)
    expected = compute(opened_base, examples, 1)
    monkeypatch.setattr(feature_workers, "MIN_FOR_PROCESSES", 0)
    assert compute(opened_base, examples, 2).tobytes() == expected.tobytes()


def test_picture_that_cannot_be_read_has_a_reason(opened_base, tmp_path, monkeypatch):
    examples = open_pictures(tmp_path / "all", red=3)
    path = sorted((tmp_path / "all" / "red").iterdir())[1]
    path.write_bytes(path.read_bytes()[:60])
    found = dict(compute_features(opened_base, enumerate(examples), 3, 1))
    assert path.name in found[1] and isinstance(found[0], np.ndarray)
