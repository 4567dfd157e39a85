"""Customers with nearly the same figures, counted together: what a fit costs then depends on how they differ alone."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

CELLS = 60_000
"""A fit gains nothing from more: merged into 50,000, 300,000 invented customers lose less than 1 of ln likelihood."""
_FINEST = 0.02


def merged(columns: Floats, scale: Floats) -> tuple[Floats, Floats]:
    """Columns (k, n) as cells (k, m) with their counts (m,), m at most `CELLS`; a cell is the mean of what is in it.

    `scale` (k', n) is what decides who is alike: the same up to a step in each row, which is as small as the number of
    cells allows. Few customers stay as they are, but for those that are equal.
    """
    cells, counts = _grouped(columns, columns)
    step = _FINEST
    while counts.size > CELLS:
        cells, counts = _grouped(columns, np.floor(scale / step + 0.5))
        step *= 1.5
    return cells, counts


def _grouped(columns: Floats, keys: Floats) -> tuple[Floats, Floats]:
    order = np.lexsort(keys)
    keys = keys[:, order]
    new = np.ones(order.size, dtype=np.bool_)
    new[1:] = np.any(keys[:, 1:] != keys[:, :-1], axis=0)
    begins = np.flatnonzero(new)
    counts = np.diff(np.append(begins, order.size)).astype(np.float64)
    sums = np.add.reduceat(columns[:, order], begins, axis=1) if order.size else columns
    return sums / counts, counts
