"""Rows of a table that are refused, and why."""

from collections.abc import Callable

import numpy as np

from streams.logs.columns import Ints, Mask
from streams.logs.model import SHOWN, Rejected


class Refusals:
    """Every row is refused at most once, for the first reason found."""

    def __init__(self, numbers: Ints, skipped: list[tuple[int, str]]) -> None:
        """`numbers`: of the rows, as the user counts; `skipped`: rows that did not even make it into the table."""
        self._numbers = numbers
        self.refused: Mask = np.zeros(len(numbers), dtype=np.bool_)
        self._skipped = len(skipped)
        self._why = skipped[:SHOWN]

    def refuse(self, where: Mask, reason: Callable[[int], str]) -> None:
        """Refuse the rows where the mask is true; `reason` is asked, by index, for the few that are shown."""
        new = np.flatnonzero(where & ~self.refused)
        self.refused[new] = True
        self._why += [(int(self._numbers[index]), reason(int(index))) for index in new[:SHOWN]]

    def summary(self) -> Rejected:
        shown = sorted(self._why)[:SHOWN]
        count = self._skipped + int(self.refused.sum())
        return Rejected(count, [f"row {number}: {reason}"[:300] for number, reason in shown])
