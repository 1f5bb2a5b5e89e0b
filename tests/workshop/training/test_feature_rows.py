"""Features in a file that is mapped into memory."""

import numpy as np
import pytest

from appliance.workshop.training.feature_rows import FeatureRows, create_rows
from appliance.workshop.training.tflite_graph import Pooled

POOLED = Pooled(0, (1, 3), np.dtype(np.uint8), 0.5, 10)


@pytest.mark.parametrize("folder", ["there", "absent"])
def test_rows_leave_no_file_and_are_converted_on_use(folder, tmp_path):
    (tmp_path / "there").mkdir()
    stored = create_rows(4, POOLED, tmp_path / folder)
    stored[:] = np.arange(12).reshape(4, 3) + 10
    rows = FeatureRows(stored, np.array([3, 1, 0]), POOLED)
    np.testing.assert_array_equal(rows[0:2], [[4.5, 5, 5.5], [1.5, 2, 2.5]])
    assert rows[:].dtype == np.float64 and rows.is_finite()
    selected = rows.select(np.array([False, True, True]))
    assert len(selected) == 2 and selected[0:1].tolist() == [[1.5, 2, 2.5]]
    assert not list(tmp_path.rglob("*features*"))


def test_features_that_are_no_numbers_are_noticed():
    pooled = Pooled(0, (1, 2), np.dtype(np.float32), 0, 0)
    stored = np.array([[1, 2], [np.nan, 3]], np.float32)
    assert not FeatureRows(stored, np.arange(2), pooled).is_finite()
    assert FeatureRows(stored, np.arange(1), pooled).is_finite()
