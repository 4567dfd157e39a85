"""Where a shop's customers stand among each other, from its orders: what `tables.standing` holds."""

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np

from agents.fit.histories import Floats, Ints, Mask, Occasions, Orders, occasions_of
from agents.models.outlook import sight_of
from agents.models.value import HORIZON_DAYS, Amounts, Expected, amounts, expected_orders, expected_value, orders_a_day
from tables.clock import Clock
from tables.orders import DAY
from tables.parameters import Parameters
from tables.standing import LEVELS, MOST, Quantiles, Standing, top

MIN_CUSTOMERS = 50
"""With an amount in a currency; a tenth of fewer is hardly anybody."""
_ENOUGH = 200_000
"""Customers; of more, every so-manieth is looked at: the top tenth of them is known to half a percent."""
_BLOCK = 50_000
"""Customers at a time: an outlook takes some 2 kB each."""


def standing_of(orders: Orders, currencies: Sequence[str], parameters: Parameters, end: int) -> Standing | None:
    """Quantiles of what customers have spent by `end` (epoch ms) and are worth from then on; None: too few.

    `currencies` are the names of `orders.currency`. A customer has the currency of the first order, as in the worker's
    states; other orders' amounts do not count.
    """
    if not currencies:
        return None
    every = np.unique(orders.customer).size // _ENOUGH + 1
    purses = Purses(orders.take(orders.customer % every == 0) if every > 1 else orders)
    ahead = purses.foretold(parameters, end).value.mean
    revenue: dict[str, Quantiles] = {}
    value: dict[str, Quantiles] = {}
    for number, name in enumerate(currencies):
        mine = (purses.currency == number) & (purses.n > 0)
        if np.count_nonzero(mine) >= MIN_CUSTOMERS and len(revenue) < MOST:
            revenue[name], value[name] = _quantiles(purses.revenue[mine]), _quantiles(ahead[mine])
    return Standing(revenue, value) if revenue else None


class Foretold(NamedTuple):
    """Of each customer."""

    orders: Expected
    value: Expected
    """In the customer's currency; of who has no amount yet, as the population."""


class Purses:
    """What is known of each customer's money after some orders. Columns have one element per customer."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self.customer, first, who = np.unique(orders.customer, return_index=True, return_inverse=True)
        self.currency: Ints = orders.currency[first]
        """Of the first order."""
        self.orders: Ints = np.bincount(who, minlength=first.size)
        paid = (orders.total > 0) & (orders.currency == self.currency[who])
        whose, total = who[paid], orders.total[paid]
        ln = np.log(total)
        self.n: Floats = _sums(whose, np.ones(total.size), first.size)
        """Orders with an amount in that currency."""
        self.revenue: Floats = _sums(whose, total, first.size)
        self.mean_ln: Floats = _sums(whose, ln, first.size) / np.maximum(self.n, 1.0)
        self.ss: Floats = _sums(whose, np.square(ln - self.mean_ln[whose]), first.size)

    def newest(self, clock: Clock) -> Occasions:
        """The last day with an order of each customer."""
        return occasions_of(self._orders, clock).newest()

    def foretold(self, parameters: Parameters, at: int, horizon_days: float = HORIZON_DAYS) -> Foretold:
        """Orders and money from an instant (epoch ms) on; what is known are the orders before it."""
        clock = Clock(parameters.clock)
        newest = self.newest(clock)
        worth = amounts(parameters.basket, self.n, self.mean_ln, self.ss)
        a_day = orders_a_day(self.orders, newest.x + 1)
        ages = (clock.at(at) - clock.all_at(newest.last_at)) / DAY
        sight = sight_of(parameters.timing)
        orders, value = np.empty((3, len(newest))), np.empty((3, len(newest)))
        for begin in range(0, len(newest), _BLOCK):
            some = slice(begin, begin + _BLOCK)
            block = newest.take(some)
            rhythm = sight.rhythm(block.x, block.s1, block.s2, block.e1, block.e2)
            ahead = sight.of(block.x, rhythm, ages[some], horizon_days)
            orders[:, some] = expected_orders(ahead, a_day[some])
            value[:, some] = expected_value(ahead, a_day[some], Amounts(*(part[some] for part in worth)))
        return Foretold(Expected(*orders), Expected(*value))


def loyal_customers(orders: Orders, currencies: Sequence[str], standing: Standing, share: float, least: int) -> Mask:
    """Which customers, by their number, belong to the upper `share` by revenue, with `least` orders or more."""
    purses, reached = Purses(orders), top(standing.revenue, share)
    limits = np.array([reached.get(name, np.inf) for name in currencies])
    loyal = (purses.revenue >= limits[purses.currency]) & (purses.orders >= least)
    found = np.zeros(int(orders.customer.max(initial=-1)) + 1, dtype=np.bool_)
    found[purses.customer[loyal]] = True
    return found


def _sums(whose: Ints, values: Floats, size: int) -> Floats:
    return np.bincount(whose, values, size).astype(np.float64)


def _quantiles(values: Floats) -> Quantiles:
    return cast("Quantiles", tuple(float(f"{value:.6g}") for value in np.quantile(values, LEVELS)))
