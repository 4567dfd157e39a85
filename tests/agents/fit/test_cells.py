"""Customers who are alike become one cell: what that keeps and what it may lose."""

import numpy as np
import pytest

from agents.fit import cells


def test_equal_columns_are_counted() -> None:
    columns = np.array([[1.0, 2.0, 1.0, 1.0], [5.0, 6.0, 5.0, 7.0]])
    found, counts = cells.merged(columns, columns)
    told = [(*cell, count) for cell, count in zip(found.T.tolist(), counts.tolist(), strict=True)]
    assert sorted(told) == [(1.0, 5.0, 2.0), (1.0, 7.0, 1.0), (2.0, 6.0, 1.0)]


def test_more_than_may_be_are_merged_with_their_neighbours_and_sums_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "CELLS", 300)
    columns = np.random.default_rng(1).normal(0, 1, (2, 5000))
    found, counts = cells.merged(columns, columns)
    assert 50 < counts.size <= 300
    assert counts.sum() == 5000
    np.testing.assert_allclose(found @ counts, columns.sum(axis=1), atol=1e-9)
    # who is merged is alike: what lies between cells is nearly all that there is
    assert np.average(np.square(found), axis=1, weights=counts) == pytest.approx(
        np.square(columns).mean(axis=1), rel=0.02
    )


def test_nobody_is_no_cell() -> None:
    found, counts = cells.merged(np.zeros((3, 0)), np.zeros((3, 0)))
    assert found.shape == (3, 0)
    assert counts.size == 0
