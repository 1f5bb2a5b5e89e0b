"""Rows that are copied only when they are used equal their copy."""

import numpy as np

from appliance.workshop.training.rows import ChosenColumns, ChosenRows, JoinedRows


def test_joined_rows_equal_their_copy():
    coordinates, others = np.arange(20.0).reshape(10, 2), -np.arange(6.0).reshape(3, 2)
    chosen = np.array([1, 2, 5, 9])
    rows = JoinedRows(ChosenRows(coordinates, chosen), others)
    whole = np.concatenate([coordinates[chosen], others])
    assert len(rows) == 7
    for part in (slice(0, 2), slice(2, 6), slice(4, 9), slice(0, 100), slice(None)):
        np.testing.assert_array_equal(rows[part], whole[part])


def test_chosen_columns_equal_their_copy():
    values = np.arange(30.0).reshape(10, 3)
    columns = ChosenColumns(values, slice(1, None))
    assert len(columns) == 10
    np.testing.assert_array_equal(columns[2:7], values[2:7, 1:])
