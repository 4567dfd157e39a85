"""What customers do, for as long as wanted: the same lines for the same seed, in the merge of the three topics.

The population is bounded, so that what is remembered reaches a plateau. Customers come in seasons: at any time a
quarter of them is active, for about 150 days, and then away for 450. So all that can be forgotten is forgotten within a
turn: carts and views after 100 days, the names of orders and events after 400 (`tables/retention.py`). Some are erased.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from streams.logs import LogLine
from streams.logs.merge import merge
from tables.events import SOURCES
from tables.orders import DAY

BEGIN = 662_688_000_000
"""Event time of the first line, epoch ms: 1991, so that there is room for 20 turns before now."""
TURN_DAYS = 600
"""After so long in event time everybody has been here, and away."""
_ACTIVE = 0.25
_HOUR = 3_600_000
_SHARES = {"customers": 0.05, "purchases": 0.3, "carts": 0.65}
"""Of all lines."""

Action = tuple[str, dict[str, Any]]
"""An event's type, and the fields of its own."""


@dataclass(frozen=True)
class Shop:
    """An endless log. `turn`: how many lines there are in a turn of the population, about."""

    seed: int
    customers: int
    turn: int

    def lines(self) -> Iterator[LogLine]:
        """From the first on, each time the same."""
        return merge([self._topic(source) for source in SOURCES])

    def _topic(self, source: str) -> Iterator[LogLine]:
        """A topic's lines: one in twenty late by hours, one in thirty a second time."""
        random, act = Random(f"{self.seed} {source}"), _ACTS[source]
        apart = 2 * TURN_DAYS * DAY / (self.turn * _SHARES[source])
        clock, reached = float(BEGIN), 0
        for number in itertools.count():
            clock += random.random() * apart
            at = round(clock) - (random.randrange(3 * _HOUR) if random.random() < 0.05 else 0)
            reached = max(reached, at)
            kind, fields = act(random, number)
            who = self._who(random, clock)
            told = {"type": kind, "event_id": f"{source[0]}{number}", "customer_id": who, "occurred_at": at, **fields}
            line = LogLine(source, who.encode(), json.dumps(told).encode(), at, reached)
            yield line
            if random.random() < 0.03:
                yield line

    def _who(self, random: Random, clock: float) -> str:
        turns = (clock - BEGIN) / (TURN_DAYS * DAY)
        place = (turns + _ACTIVE * random.random()) % 1.0
        return f"c{int(place * self.customers)}"


def _profile(random: Random, _number: int) -> Action:
    if random.random() < 0.2:
        return "customer.erased", {}
    return "customer.updated", {"consent": {"email": random.random() < 0.8}, "country": random.choice(("DE", "AT"))}


def _purchase(random: Random, number: int) -> Action:
    if random.random() < 0.1:
        return "order.refunded", {"order_id": f"o{max(0, number - random.randrange(1, 200))}"}
    items = [{"product_id": f"p{random.randrange(5)}", "quantity": random.randrange(1, 4), "price": 5}]
    total = round(random.lognormvariate(3, 0.7), 2)
    return "order.completed", {"order_id": f"o{number}", "total": total, "currency": "EUR", "items": items}


def _cart(random: Random, _number: int) -> Action:
    product = {"product_id": f"p{random.randrange(5)}"}
    match random.randrange(8):
        case 0:
            return "checkout.started", {"total": 10}
        case 1 | 2 | 3:
            return "product.viewed", product
        case 4:
            return "cart.item_removed", {**product, "quantity": 1}
        case 5:
            return "cart.cleared", {}
        case _:
            return "cart.item_added", {**product, "quantity": random.randrange(1, 4), "price": 3.5}


_ACTS: dict[str, Callable[[Random, int], Action]] = {"customers": _profile, "purchases": _purchase, "carts": _cart}
