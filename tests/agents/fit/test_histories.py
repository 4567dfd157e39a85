"""Columns of orders against the state that the worker keeps of each customer."""

from datetime import date
from random import Random

import numpy as np
import pytest

from agents.fit.histories import Occasions, occasions_of, orders_of
from tables.clock import Clock
from tables.orderchanges import add_order
from tables.orders import DAY, RecentOrder
from tables.orders import Orders as State

CLOCK = Clock(((date(1972, 10, 1), 0.5), (date(1973, 1, 1), 2.0), (date(1973, 6, 1), 0.8)))
"""In the midst of the orders, of which the first ones come in the autumn of 1972."""


def random_orders(seed: int) -> list[tuple[int, int]]:
    """(customer, time): hours to months apart, some on one day."""
    rng = Random(seed)
    made = []
    for customer in range(40):
        at = 1_000 * DAY + rng.randrange(300 * DAY)
        for _ in range(rng.randrange(1, 12)):
            made.append((customer * 3, at))
            at += round(DAY * rng.choice([0.0, 0.1, 0.4, 1, 3, 30, 200]) * rng.random())
    rng.shuffle(made)
    return made


def columns(made: list[tuple[int, int]]) -> Occasions:
    customer, at = np.array(made, dtype=np.int64).reshape(-1, 2).T
    return occasions_of(orders_of(customer, at, np.ones(at.size), np.zeros(at.size, dtype=np.int64)), CLOCK)


@pytest.mark.parametrize("seed", range(5))
def test_after_each_occasion_it_is_the_worker_s_state(seed: int) -> None:
    made = random_orders(seed)
    found = columns(made)
    rows = iter(range(len(found)))
    for customer in sorted({customer for customer, _ in made}):
        times = sorted(at for who, at in made if who == customer)
        state: State | None = None
        for place, at in enumerate(times):
            state = add_order(state, RecentOrder(f"o{place}", "e", at, 1.0), CLOCK)
            if place + 1 < len(times) and times[place + 1] // DAY == at // DAY:
                continue
            row = next(rows)
            assert (found.customer[row], found.last_at[row], found.x[row]) == (customer, at, state.gaps)
            assert (found.s1[row], found.s2[row]) == pytest.approx((state.s1, state.s2), abs=1e-9)
            assert (found.e1[row], found.e2[row]) == pytest.approx(state.fast, abs=1e-9)
            after = times[place + 1 :]
            assert found.gap[row] == (max((after[0] - at) / DAY, 1.0) if after else np.inf)
    assert next(rows, None) is None


def test_what_was_known_does_not_depend_on_what_came_later() -> None:
    made = random_orders(9)
    middle = sorted(at for _, at in made)[len(made) // 2] // DAY * DAY
    whole, early = columns(made), columns([(who, at) for who, at in made if at < middle])
    same = whole.take(whole.last_at < middle)
    for name in ("customer", "first_at", "last_at", "x"):
        np.testing.assert_array_equal(getattr(same, name), getattr(early, name))
    np.testing.assert_allclose(same.s1, early.s1, atol=1e-9)
    assert len(early.newest()) == np.unique(early.customer).size


def test_no_orders_are_no_occasions() -> None:
    assert len(columns([])) == len(columns([]).newest()) == 0
