"""An invented shop with known truth about products: coffee that is used up, furniture that is never needed again.

A customer of coffee has a rhythm of their own, buys one to three packs at a time, which last longer by the power of
`slope`, and comes back for the next when they are used up, more or less (`scatter`); between, orders of other things.
Every tenth customer buys coffee at any time, which is no rhythm.
"""

from dataclasses import dataclass
from math import exp, log

import numpy as np

from tables.events import OrderCompleted
from tests.support.core import day, item, order

SPAN = 720
"""Days."""
NO_RHYTHM = 10
"""Every so manieth customer."""


@dataclass(frozen=True)
class Pantry:
    """Days."""

    typical: float = 30.0
    between: float = 0.35
    """Standard deviation between customers, of the log of how long one pack lasts; `scatter`: of one customer's."""
    scatter: float = 0.15
    slope: float = 0.8


def orders(shop: Pantry, customers: int, seed: int) -> list[OrderCompleted]:
    """All orders, by time."""
    rng = np.random.default_rng(seed)
    found: list[OrderCompleted] = []

    def buy(customer: str, at: float, product: str, quantity: float, category: str) -> None:
        name = f"{customer}-{product}-{at:.3f}"
        items = [item(product, quantity, category)]
        found.append(order(day(at), 20.0, customer=customer, order_id=name, event_id=name, items=items))

    for number in range(customers):
        customer, own = f"c{number:04}", rng.normal(log(shop.typical), shop.between)
        at = float(rng.uniform(0, 60))
        while at < SPAN:
            packs = float(rng.integers(1, 4))
            buy(customer, at, "coffee", packs, "drinks")
            if number % NO_RHYTHM == 0:
                at += exp(rng.normal(own, 1.5))
            else:
                at += exp(own + shop.slope * log(packs) + rng.normal(0, shop.scatter))
        for _ in range(rng.poisson(4)):
            buy(customer, float(rng.uniform(0, SPAN)), f"furniture-{rng.integers(0, 5000)}", 1.0, "furniture")
    return sorted(found, key=lambda one: (one.occurred_at, one.order_id))
