"""The orders of a log as columns, and the rhythm that each customer had after each of them: what is fitted and scored.

A column has one element per order or per occasion, by customer, then by time. The orders of one UTC day are one
occasion, and a gap runs from the last order of one to the first of the next, as in `tables.orders`.
"""

from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from agents.models.timing import Rhythm
from tables.clock import CALENDAR, Clock
from tables.orders import DAY, KEPT, WEEK
from tables.parameters import TimingPrior

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of equal length."""

    def take(self, rows: Mask | Ints | slice) -> Self:
        """The same columns at some rows."""
        return type(self)(*(getattr(self, column.name)[rows] for column in fields(self)))


@dataclass(frozen=True, slots=True)
class Orders(Columns):
    """One element per order, by customer, then by time."""

    customer: Ints
    """Counted from 0; a number that has no order is nobody."""
    at: Ints
    """Epoch milliseconds."""
    total: Floats
    """In the currency's major units; 0: unknown."""
    currency: Ints
    """Which one, counted from 0."""

    def __len__(self) -> int:
        return int(self.at.size)

    def before(self, moment: int) -> Self:
        """What was known at an instant (epoch ms): the orders before it."""
        return self.take(self.at < moment)


@dataclass(frozen=True, slots=True)
class Occasions(Columns):
    """One element per day on which a customer ordered, and per gap that begins there, by customer, then by time."""

    customer: Ints
    first_at: Ints
    """Of the day's orders; epoch ms."""
    last_at: Ints
    x: Ints
    """Gaps before it."""
    s1: Floats
    s2: Floats
    """Their sums of ln y and (ln y)^2, y in weeks of the population's clock."""
    e1: Floats
    e2: Floats
    """The same, in which each gap counts KEPT times as much as the one after it."""
    gap: Floats
    """Days to the next occasion, at least 1; inf: none has come."""

    def __len__(self) -> int:
        return int(self.last_at.size)

    def newest(self) -> Self:
        """The last one of each customer."""
        return self.take(np.isinf(self.gap))

    def rhythm(self, prior: TimingPrior) -> Rhythm:
        """What is known of each customer right after the occasion."""
        return Rhythm(prior, self.x, self.s1, self.s2, self.e1, self.e2)

    @property
    def closes(self) -> Floats:
        """When the next occasion comes, epoch ms; inf: it has not come."""
        return self.last_at + self.gap * DAY


@dataclass(frozen=True, slots=True)
class Sold(Columns):
    """One element per product of an order, by customer, then by time of the order."""

    customer: Ints
    at: Ints
    """Epoch milliseconds."""
    product: Ints
    """A hash of its id."""
    category: Ints
    """Which one, counted from 0; -1: none is given."""
    quantity: Floats

    def __len__(self) -> int:
        return int(self.at.size)

    def before(self, moment: int) -> Self:
        """What was known at an instant (epoch ms)."""
        return self.take(self.at < moment)


_NONE = np.empty(0, np.int64)
NOTHING_SOLD = Sold(_NONE, _NONE, _NONE, _NONE, np.empty(0))


def orders_of(customer: Ints, at: Ints, total: Floats, currency: Ints) -> Orders:
    """Columns in any order, put in order; orders of one customer and instant stay as they come."""
    given = Orders(customer, at, total, currency)
    return given.take(np.lexsort((at, customer)))


def occasions_of(orders: Orders, clock: Clock = CALENDAR) -> Occasions:
    """The days with orders, and what was known after each."""
    customer, at = orders.customer, orders.at
    new = differs(customer)
    begins = np.flatnonzero(new | differs(at // DAY))
    ends = np.append(begins[1:], len(orders)) - 1
    return _with_rhythm(customer[begins], at[begins], at[ends[: len(begins)]], clock)


def _with_rhythm(customer: Ints, first_at: Ints, last_at: Ints, clock: Clock) -> Occasions:
    first = differs(customer)
    begins = np.flatnonzero(first)
    of = np.cumsum(first) - 1  # the number of each one's customer among those who are there
    closes = np.maximum(first_at[1:], last_at[:-1] + DAY)
    gap = np.full(customer.size, np.inf)
    gap[:-1] = np.where(first[1:], np.inf, (closes - last_at[:-1]) / DAY)
    weeks = np.ones(customer.size)
    weeks[1:][~first[1:]] = ((clock.all_at(closes) - clock.all_at(last_at[:-1])) / WEEK)[~first[1:]]
    ln = np.log(weeks)
    x = np.arange(customer.size) - begins[of]
    s1, s2 = _running(ln, begins, of), _running(ln * ln, begins, of)
    return Occasions(customer, first_at, last_at, x, s1, s2, _fading(ln, x), _fading(ln * ln, x), gap)


def differs(column: Ints) -> Mask:
    """Where an element is another than the one before it; the first one is."""
    new = np.ones(column.size, dtype=np.bool_)
    new[1:] = column[1:] != column[:-1]
    return new


def _running(values: Floats, begins: Ints, of: Ints) -> Floats:
    """Sums from each customer's first element on; that one's value is 0."""
    total: Floats = np.cumsum(values)
    return total - total[begins][of]


def _fading(values: Floats, x: Ints) -> Floats:
    """E <- KEPT E + value within each customer, whose first value is 0: the k-th occasions of all at once."""
    total = values.copy()
    by_number = np.argsort(x, kind="stable")
    bounds = np.searchsorted(x[by_number], np.arange(1, int(x.max(initial=0)) + 2))
    for low, high in pairwise(bounds.tolist()):
        rows = by_number[low:high]
        total[rows] += KEPT * total[rows - 1]
    return total
