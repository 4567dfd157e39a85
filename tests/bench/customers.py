"""Customers with a past: the states that years of a shop leave behind, under as many keys as asked for.

Orders follow a power law (three in five customers have one, the mean is between three and four), the last of them is
three months back on the average; what is ordered was looked at and lay in the cart before. One customer in ten has a
cart of two to six products, left at any time of the last month. Event ids are UUIDs.
"""

from bisect import bisect
from collections.abc import Iterator, Sequence
from itertools import accumulate
from random import Random
from typing import TypedDict
from uuid import UUID

from agents.core import Core
from agents.rulebook.rules import Rules
from tables.customer import NEVER
from tables.customerform import read_head, with_wake
from tables.events import CARTS, PURCHASES, SOURCES, AnyEvent, CartItemAdded, OrderCompleted, OrderItem, ProductViewed
from tables.orders import DAY
from tables.parameters import BUILTIN
from tables.states import Change
from tests.bench.load import SEED, customer_id

DISTINCT = 5_000
"""Different states; where there are more customers, they share them."""
MOST_ORDERS = 200
WITH_CART = 0.1
_MINUTE = 60_000
_HOUR = 60 * _MINUTE
_BATCH = 3 * _HOUR
"""Of event time: less than a cart is left alone for, so that states are packed between the two as in a live worker."""
_NO_LIMIT = 1 << 62
_SPREAD = 10 * DAY
_STRIDE = 7919 * 1009
"""Ms; it does not divide _SPREAD, all of which is covered so."""
_WEIGHTS = list(accumulate(n**-2.0 for n in range(1, MOST_ORDERS + 1)))

Step = tuple[int, str, AnyEvent]
"""Event time (epoch ms), source, event."""


class _Common(TypedDict):
    event_id: str
    customer_id: str
    occurred_at: int


class _Pasts:
    """Invents what customers have done up to `now`, one customer after the other."""

    def __init__(self, seed: int, now: int) -> None:
        self._random, self._now, self._orders = Random(seed), now, 0

    def of(self, customer: str) -> Iterator[Step]:
        random = self._random
        usual, spends = random.lognormvariate(3.2, 0.6), random.lognormvariate(3.6, 0.7)
        count = 1 + bisect(_WEIGHTS, random.random() * _WEIGHTS[-1])
        gaps = [int(DAY * usual * random.lognormvariate(0, 0.4)) for _ in range(count - 1)]
        last = self._now - _HOUR - int(DAY * random.expovariate(1 / 90))
        at = last - sum(gaps)
        for gap in (*gaps, 0):
            yield from self._order(customer, at, spends * random.lognormvariate(0, 0.3))
            at += gap
        if random.random() < WITH_CART:
            left = max(last + _MINUTE, self._now - int(30 * DAY * random.random()))
            for _ in range(random.randint(2, 6)):
                yield self._added(customer, left, self._product())

    def _order(self, customer: str, at: int, total: float) -> Iterator[Step]:
        self._orders += 1
        products = [self._product() for _ in range(self._random.randint(1, 4))]
        for before, product in enumerate(products, 1):
            looked = at - before * _MINUTE
            yield looked, CARTS, ProductViewed(**self._common(customer, looked), product_id=product, category="c7")
            yield self._added(customer, looked, product)
        items = [OrderItem(product_id=product, quantity=1) for product in products]
        event = OrderCompleted(
            **self._common(customer, at),
            order_id=f"h{self._orders:09d}",
            total=round(total, 2),
            currency="EUR",
            items=items,
        )
        yield at, PURCHASES, event

    def _added(self, customer: str, at: int, product: str) -> Step:
        price = round(80 * self._random.random(), 2)
        common = self._common(customer, at)
        return at, CARTS, CartItemAdded(**common, product_id=product, quantity=1, price=price, category="c7")

    def _product(self) -> str:
        return f"p{self._random.randrange(9999):05d}"

    def _common(self, customer: str, at: int) -> _Common:
        event_id = str(UUID(int=self._random.getrandbits(128)))
        return {"event_id": event_id, "customer_id": customer, "occurred_at": at}


def packed_states(count: int, now: int, *, seed: int = SEED) -> list[bytes]:
    """The packed states of `count` customers at `now` (epoch ms), each different; all that was due is told."""
    pasts = _Pasts(seed, now)
    steps = [step for number in range(count) for step in pasts.of(customer_id(number))]
    steps.sort(key=lambda step: step[0])
    core, settled = Core(Rules(), BUILTIN), 0
    found: dict[bytes, bytes | None] = {}

    def settle() -> None:
        found.update(core.settle().changes)
        core.adopt()

    for number, (at, source, event) in enumerate(steps):
        core.advance(at, _NO_LIMIT)
        core.emitter.now = at
        core.take(SOURCES.index(source), number, event.customer_id.encode(), event, at)
        if at - settled > _BATCH:
            settle()
            settled = at
    core.emitter.now = now
    core.advance(now, _NO_LIMIT)
    settle()
    return [packed for packed in found.values() if packed is not None]


def everybody(packed: Sequence[bytes], customers: int) -> Iterator[Change]:
    """A state for each customer that the standard load draws from so many.

    Timers lie as those of so many do: who shares a state wakes at an instant of their own, some days after it says.
    """
    heads = [(state, read_head(state)[1]) for state in packed]
    for number in range(customers):
        state, wake = heads[number % len(heads)]
        turn = number // len(heads)
        if turn and wake < NEVER:
            state = with_wake(state, wake + turn * _STRIDE % _SPREAD)
        yield customer_id(number).encode(), state
