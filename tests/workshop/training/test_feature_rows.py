"""Features in a file that is mapped into memory."""

import numpy as np
import pytest

from appliance.errors import TrainingError
from appliance.workshop.training import feature_rows
from appliance.workshop.training.feature_rows import FeatureFile, FeatureRows


@pytest.mark.parametrize("folder", ["there", "absent"])
def test_rows_leave_no_file_and_are_converted_on_use(folder, tmp_path):
    (tmp_path / "there").mkdir()
    file = FeatureFile(4, 3, tmp_path / folder)
    for index in range(3):
        file.write(index, np.arange(3) / 2 + index)
    file.copy(2, 3)
    rows = FeatureRows(file, np.array([3, 1, 0]))
    np.testing.assert_array_equal(rows[0:2], [[2, 2.5, 3], [1, 1.5, 2]])
    assert rows[:].dtype == np.float64 and rows.is_finite()
    selected = rows.select(np.array([False, True, True]))
    assert len(selected) == 2 and selected[0:1].tolist() == [[1, 1.5, 2]]
    assert selected.convert_with(lambda stored: stored[:, :1] * 2.0)[:].tolist() == [[2], [0]]
    assert not list(tmp_path.rglob("*features*"))


def test_features_that_are_no_numbers_are_noticed():
    file = FeatureFile(3, 2, None)
    for index, features in enumerate(([1, 2], [np.nan, 3], [np.inf, 1])):
        file.write(index, np.array(features, np.float32))
    assert FeatureRows(file, np.arange(1)).is_finite()
    assert not FeatureRows(file, np.arange(2)).is_finite()
    assert not FeatureRows(file, np.array([0, 2])).is_finite()


def test_large_features_are_clipped_not_infinite():
    file = FeatureFile(1, 2, None)
    file.write(0, np.array([1e6, -1e6], np.float32))
    assert FeatureRows(file, np.arange(1))[:].tolist() == [[65504, -65504]]


def test_rows_keep_their_values_when_memory_is_released(monkeypatch):
    monkeypatch.setattr(feature_rows, "_KEPT_ROWS", 4)
    file = FeatureFile(20, 3000, None)
    for index in range(20):
        file.write(index, np.full(3000, index))
    assert FeatureRows(file, np.arange(20))[:].mean(axis=1).tolist() == list(range(20))


def test_full_disk_is_reported_before_the_work(tmp_path):
    with pytest.raises(TrainingError, match="cannot be used.*; free space there"):
        FeatureFile(2**40, 2**20, tmp_path)
