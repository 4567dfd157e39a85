"""False alarms of the basket rules on shops whose customers do not change: `python -m tests.bench.baskets`.

Shops of several shapes, each customer with a level of their own, and CDNOW's regular customers with their own amounts
in any order. What is counted: of the years in which a customer ordered after the third order, those with a trigger.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from agents.decisions import Trigger
from agents.emitter import Emitter
from agents.fit.fitting import fit
from agents.fit.histories import Orders, orders_of
from agents.rulebook.rules import Rules
from agents.triggers.basket import Baskets
from tables.customer import Customer
from tables.orders import DAY
from tables.parameters import BUILTIN, BasketPrior
from tests.bench.fit_builtin import read_cdnow
from tests.support.core import order

Floats = NDArray[np.float64]
Rng = np.random.Generator
YEARS = 3
EARLIER = 3
TYPES = ("basket.shrunk", "basket.shrinking", "basket.grown")


@dataclass(frozen=True)
class Buyer:
    """One customer's orders: days from the shop's first day, and amounts."""

    days: Floats
    amounts: Floats


def _buyer(rng: Rng, amounts: Callable[[Rng, int], Floats], a_year: float = 10.0) -> Buyer:
    days = np.sort(rng.uniform(0, YEARS * 365, rng.poisson(YEARS * rng.gamma(4, a_year / 4))))
    return Buyer(days, np.maximum(amounts(rng, days.size), 0.01).round(2))


def _level(rng: Rng) -> float:
    return float(rng.lognormal(3.5, 0.5))


def _lognormal(rng: Rng, size: int, scatter: float = 0.4) -> Floats:
    return _level(rng) * rng.lognormal(0, scatter, size)


def _gamma(rng: Rng, size: int) -> Floats:
    return _level(rng) * rng.gamma(3, 1 / 3, size)


def _heavy(rng: Rng, size: int) -> Floats:
    return _level(rng) * np.exp(np.clip(0.3 * rng.standard_t(3, size), -6, 6))


def _whole(rng: Rng, size: int) -> Floats:
    return np.ceil(_level(rng) / 4 * rng.lognormal(0, 0.5, size))


def _price_list(rng: Rng, size: int) -> Floats:
    """One to four of two products that the customer likes."""
    liked = rng.choice([9.99, 14.99, 19.99, 49.0], 2)
    return np.array([rng.choice(liked, rng.integers(1, 5)).sum() for _ in range(size)])


def _subscription(rng: Rng, size: int) -> Floats:
    """The same every time, but for one order in thirty."""
    return _level(rng) * np.where(rng.random(size) < 1 / 30, rng.choice([0.5, 2.0], size), 1.0)


def _giants(rng: Rng, size: int) -> Floats:
    return _lognormal(rng, size) * np.where(rng.random(size) < 0.01, 100.0, 1.0)


SHAPES: Mapping[str, Callable[[Rng], Buyer]] = {
    "log-normal": lambda rng: _buyer(rng, _lognormal),
    "log-normal, wide": lambda rng: _buyer(rng, lambda r, n: _lognormal(r, n, 0.9)),
    "log-normal, weekly": lambda rng: _buyer(rng, _lognormal, 52),
    "gamma": lambda rng: _buyer(rng, _gamma),
    "heavy tails": lambda rng: _buyer(rng, _heavy),
    "whole euros": lambda rng: _buyer(rng, _whole),
    "price list": lambda rng: _buyer(rng, _price_list),
    "subscription": lambda rng: _buyer(rng, _subscription, 12),
    "one in a hundred is 100 times as large": lambda rng: _buyer(rng, _giants),
}
"""Customers of a stable shop, by its shape."""


def buyers_of(name: str, size: int, seed: int) -> list[Buyer]:
    """Customers of one of SHAPES, or of `CDNOW, shuffled`."""
    rng = np.random.default_rng([seed, *name.encode()])
    return list(_cdnow(rng)) if name == "CDNOW, shuffled" else [SHAPES[name](rng) for _ in range(size)]


def _cdnow(rng: Rng) -> Iterator[Buyer]:
    paid = read_cdnow()
    paid = paid.take(paid.total > 0)
    borders = [0, *(np.flatnonzero(np.diff(paid.customer)) + 1), paid.customer.size]
    begin = int(paid.at.min())
    for start, end in pairwise(borders):
        if end - start > EARLIER:
            yield Buyer((paid.at[start:end] - begin) / DAY, rng.permutation(paid.total[start:end]))


def log_of(buyers: list[Buyer]) -> Orders:
    """What `fit` reads."""
    customer = np.repeat(np.arange(len(buyers)), [buyer.days.size for buyer in buyers])
    at = np.rint(np.concatenate([buyer.days for buyer in buyers]) * DAY).astype(np.int64)
    total = np.concatenate([buyer.amounts for buyer in buyers])
    return orders_of(customer, at, total, np.zeros_like(at))


def told_a_year(buyers: list[Buyer], prior: BasketPrior) -> dict[str, float]:
    """Per type, the share of the years of customers in which they were told."""
    years, told = 0, dict.fromkeys(TYPES, 0)
    for number, buyer in enumerate(buyers):
        if buyer.days.size <= EARLIER:
            continue
        year = ((buyer.days - buyer.days[EARLIER]) // 365).astype(int)
        years += len(set(year[EARLIER:].tolist()))
        found = set(_told(f"c{number}", buyer, prior, year.tolist()))
        for name, _ in found:
            told[name] += 1
    return {name: count / years for name, count in told.items()}


def _told(customer_id: str, buyer: Buyer, prior: BasketPrior, year: list[int]) -> Iterator[tuple[str, int]]:
    emitter, customer = Emitter(), Customer()
    agent = Baskets(Rules(), prior, emitter)
    for place, (day, amount) in enumerate(zip(buyer.days.tolist(), buyer.amounts.tolist(), strict=True)):
        at = round(day * DAY)
        agent.add(customer_id, customer, order(at, amount, customer=customer_id), at)
        for decision in emitter.take():
            assert isinstance(decision, Trigger)
            yield decision.type, year[place]


def row(name: str, size: int) -> list[str]:
    """A line of the table: by the built-in figures, and by those that are fitted to other customers of the shop."""
    learned = buyers_of(name, size, 1)
    fitted = fit(log_of(learned), int(log_of(learned).at.max())).parameters.basket
    fresh = buyers_of(name, size, 2)
    cells = []
    for prior in (BUILTIN.basket, fitted):
        found = told_a_year(fresh, prior)
        cells.append(" / ".join(f"{found[kind]:.1%}".replace("%", " %") for kind in TYPES))
    return [name, *cells, f"{fitted.strict_down:g}, {fitted.strict_up:g}"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.baskets", description=__doc__)
    parser.add_argument("--customers", type=int, default=1500)
    parser.add_argument("shapes", nargs="*", metavar="SHAPE")
    options = parser.parse_args()
    print("| customers' amounts | built in | fitted | limits times |")
    print("|---|---|---|---|")
    for name in options.shapes or (*SHAPES, "CDNOW, shuffled"):
        print("| " + " | ".join(row(name, options.customers)) + " |", flush=True)


if __name__ == "__main__":
    main()
