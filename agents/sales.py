"""What the shop sold in a batch, for people to look at. Nothing is decided by it."""

from collections import defaultdict
from typing import NamedTuple


class Sold(NamedTuple):
    """Orders that came, without imports and repeated ones."""

    first: int
    """Of customers that had none."""
    again: int
    """Of customers that had one."""
    gap: int
    """Of the latter, milliseconds since the customer's newest order before, in all."""
    revenue: dict[str, float]
    """The totals by currency, in its major units."""


class Sales:
    """Gathers while a batch is worked on."""

    def __init__(self) -> None:
        self._first = self._again = self._gap = 0
        self._revenue: defaultdict[str, float] = defaultdict(float)

    def add(self, total: float, currency: str, at: int, before: int | None) -> None:
        """An order at `at`; `before`: the customer's newest one so far. A late order has a gap of 0. Epoch ms."""
        if before is None:
            self._first += 1
        else:
            self._again += 1
            if at > before:
                self._gap += at - before
        self._revenue[currency] += total

    def take(self) -> Sold:
        """What has gathered; it starts anew."""
        sold = Sold(self._first, self._again, self._gap, dict(self._revenue))
        self._first = self._again = self._gap = 0
        self._revenue.clear()
        return sold
