"""What the shop sold in a batch, for people to look at. Nothing is decided by it."""

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
        self._revenue: dict[str, float] = {}
        self._currency: str | None = None
        self._total = 0.0
        """Of orders in this currency; it is not among `_revenue` before another one is looked at."""

    def add(self, total: float, currency: str, at: int, before: int | None) -> None:
        """An order at `at`; `before`: the customer's newest one so far. A late order has a gap of 0. Epoch ms."""
        if before is None:
            self._first += 1
        else:
            self._again += 1
            if at > before:
                self._gap += at - before
        if currency != self._currency:  # most shops have one
            self._turn_to(currency)
        self._total += total

    def take(self) -> Sold:
        """What has gathered; it starts anew."""
        self._turn_to(None)
        sold = Sold(self._first, self._again, self._gap, self._revenue)
        self._first = self._again = self._gap = 0
        self._revenue = {}
        return sold

    def _turn_to(self, currency: str | None) -> None:
        if self._currency is not None:
            self._revenue[self._currency] = self._total
        self._currency = currency
        self._total = 0.0 if currency is None else self._revenue.get(currency, 0.0)
