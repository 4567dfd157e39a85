"""Customers who do exactly what the models say, so that a fit has a truth to find; and shops out of the ordinary."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from agents.fit.histories import Orders, orders_of
from tables.orders import DAY
from tables.parameters import SIGMAS, BasketPrior, TimingPrior
from tests.support.shops import KINDS
from tests.support.shops import orders_of as invented_orders

BEGIN = 1_600_000_000_000 // DAY * DAY
"""Epoch ms at which every shop here opens."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def invented(
    timing: TimingPrior, basket: BasketPrior, *, customers: int, days: int, seed: int = 1, joined_within: float = 1.0
) -> tuple[Orders, int]:
    """Orders of a shop of that population, and its end (epoch ms); who joins does so within a share of the time."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(timing.mu0, timing.tau2**0.5, customers)
    scatter = rng.choice(SIGMAS, customers, p=timing.weights)
    leaves = rng.beta(timing.a, timing.b, customers)
    variance = 1.0 / rng.gamma(basket.a0, 1.0 / basket.b0, customers)
    taste = rng.normal(basket.m0, np.sqrt(variance / basket.k0))
    here, at = np.arange(customers), rng.uniform(0, days * joined_within, customers)
    whose, when = [here], [at]
    while here.size:
        stay = rng.random(here.size) >= leaves[here]
        here, at = here[stay], at[stay]
        # two orders of one day would be one occasion to the shop, and no gap
        at = at + np.maximum(7 * np.exp(rng.normal(mean[here], scatter[here])), 1.0)
        here, at = here[at < days], at[at < days]
        whose, when = [*whose, here], [*when, at]
    customer = np.concatenate(whose)
    total = np.exp(rng.normal(taste[customer], np.sqrt(variance[customer])))
    return shop_of(customer, np.concatenate(when), total), BEGIN + days * DAY


def shop_of(customer: Ints, day: Floats, total: Floats | None = None) -> Orders:
    """Orders at times in days from BEGIN; without totals they are unknown."""
    size = customer.size
    amounts = np.zeros(size) if total is None else total
    return orders_of(customer, BEGIN + np.rint(day * DAY).astype(np.int64), amounts, np.zeros(size, dtype=np.int64))


def clockwork(gaps: Iterable[Sequence[float]]) -> Orders:
    """One customer each who orders on the first day and then after these gaps, in days."""
    lists = list(gaps)
    days = [np.concatenate([[0.0], np.cumsum(own)]) for own in lists]
    return shop_of(
        np.repeat(np.arange(len(lists)), np.array([own.size for own in days], dtype=np.int64)),
        np.concatenate([*days, []]),
    )


@dataclass(frozen=True)
class ShopLog:
    """An invented shop's orders, the middle of its time and its end, epoch ms."""

    orders: Orders
    middle: int
    end: int


@cache
def log_of(name: str, seed: int = 1, customers: int | None = None) -> ShopLog:
    """A kind of `tests.support.shops`, opened at BEGIN."""
    log = invented_orders(name, seed, customers=customers)
    orders = shop_of(log.customer, log.time, log.amount)
    end = BEGIN + KINDS[name].days * DAY
    return ShopLog(orders, (BEGIN + end) // 2, end)
