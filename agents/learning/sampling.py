"""Drawing a sample of a partition's customers, a little at a time, so that nothing waits for it."""

from array import array
from itertools import islice

import numpy as np
from xxhash import xxh3_64_intdigest, xxh32_intdigest

from agents.learning.sample import EVERYBODY, Customers, Sample
from tables.customer import Customer
from tables.orders import REMEMBERED, Orders
from tables.states import States

MOST = 3500
"""Customers in a partition's sample, at most."""
ORDERS_EACH = 7
"""Of their orders so many times as many: together less than MAX_BYTES, whatever they are."""
STEP = 10_000
"""Customers looked at in a step: about 2 ms."""
_OPENED = 20
"""Opening a customer takes as long as looking at so many."""
_REACH = 4
"""So many times as many as are wanted are kept in sight: customers without orders are none of the sample."""


def take_sample(states: States, until: int, most: int = MOST) -> Sample:
    """The sample at once: 0.1 s for a million customers and some 5 us for each that is in it."""
    sampler = Sampler(states, until, most)
    while not sampler.step():
        pass
    return sampler.sample()


class Sampler:
    """Draws a sample step by step, between batches. Who comes while it lasts is in the next sample."""

    def __init__(self, states: States, until: int, most: int = MOST) -> None:
        """`until` (epoch ms): what counts is how customers stood then; none of them is looked at before it."""
        self._states, self._until, self._most = states, until, most
        self._customers = len(states)
        self._keys = iter(list(states))
        self._seen: list[tuple[int, bytes]] = []
        self._sorted = 0
        """So many of them are in order."""
        self._limit = EVERYBODY
        self._ordered: list[tuple[int, bytes]] | None = None
        """By hash, descending: the next one is the last."""
        self._found = _Columns()
        self._threshold = EVERYBODY

    def step(self, many: int = STEP) -> bool:
        """Look at so many more customers; whether the sample is complete."""
        if self._ordered is None:
            return self._look(many)
        return self._open(self._ordered, max(1, many // _OPENED))

    def sample(self) -> Sample:
        """What was drawn; complete once `step` said so."""
        return self._found.sample(self._until, self._customers, self._threshold)

    def _look(self, many: int) -> bool:
        limit, keep = self._limit, self._most * _REACH
        keys = list(islice(self._keys, many))
        self._seen += [(number, key) for key in keys if (number := xxh3_64_intdigest(key)) < limit]
        if len(self._seen) - self._sorted > keep // 8:  # a few among many that are sorted: else it would take 20 ms
            self._seen.sort()
            if len(self._seen) > keep:
                self._limit = self._seen[keep][0]
                del self._seen[keep:]
            self._sorted = len(self._seen)
        if len(keys) < many:
            self._seen.sort(reverse=True)
            self._ordered, self._seen = self._seen, []
        return False

    def _open(self, left: list[tuple[int, bytes]], many: int) -> bool:
        found = self._found
        for _ in range(min(many, len(left))):
            number, key = left[-1]
            customer = self._states.read(key)
            if customer is not None and customer.orders is not None and customer.orders.recent:
                if len(found) == self._most or len(found.at) > self._most * ORDERS_EACH - REMEMBERED:
                    self._threshold = number
                    return True
                found.add(number, customer, customer.orders)
            left.pop()
        self._threshold = self._limit
        return not left


class _Columns:
    """A sample's columns as they grow."""

    def __init__(self) -> None:
        self.at = array("q")
        self._hash, self._sums, self._baskets = array("Q"), array("d"), array("d")
        self._counts = array("q")

    def __len__(self) -> int:
        return len(self._hash)

    def add(self, number: int, customer: Customer, orders: Orders) -> None:
        recent, basket = orders.recent, customer.basket
        self._hash.append(number)
        self.at.extend([order.at // 1000 * 1000 for order in recent])
        whole = orders.count == len(recent)
        sums = (0.0, 0.0, 0.0, 0.0) if whole else (orders.s1, orders.s2, *orders.fast)
        self._sums.extend(sums)
        paid = basket is not None and basket.n > 0
        self._baskets.extend((basket.mean_ln, basket.ss) if basket is not None and paid else (0.0, 0.0))
        currency = xxh32_intdigest(basket.currency) if basket is not None else 0
        self._counts.extend(
            (len(recent), -1 if whole else orders.gaps, basket.n if basket is not None else 0, currency)
        )

    def sample(self, until: int, customers: int, threshold: int) -> Sample:
        hashes = np.array(self._hash, dtype=np.uint64)
        orders, x, baskets, currency = np.array(self._counts, dtype=np.int64).reshape(-1, 4).T
        s1, s2, e1, e2 = np.array(self._sums, dtype=np.float64).reshape(-1, 4).T
        mean_ln, ss = np.array(self._baskets, dtype=np.float64).reshape(-1, 2).T
        of = Customers(hashes, orders, x, s1, s2, e1, e2, baskets, mean_ln, ss, currency)
        return Sample(until, customers, threshold, of, np.array(self.at, dtype=np.int64))
