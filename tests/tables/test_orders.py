"""A customer's orders: the rhythm as it grows, in whatever order the orders become known."""

import math
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.orderchanges import add_order, find_order
from tables.orders import DAY, OVERDUE, REMEMBERED, WEEK, Orders, RecentOrder

T0 = 1_704_067_200_000


def taken(times: list[int]) -> Orders:
    orders: Orders | None = None
    for number, at in enumerate(times):
        orders = add_order(orders, RecentOrder(f"o{number}", f"e{number}", at, 10.0))
    assert orders is not None
    return orders


def rhythm(times: list[int]) -> tuple[int, float, float]:
    """Occasions, sum of ln(gap) and of its square, with gaps in weeks between orders of different UTC days."""
    logs = [math.log(max(b - a, DAY) / WEEK) for a, b in pairwise(sorted(times)) if a // DAY != b // DAY]
    return 1 + len(logs), math.fsum(logs), math.fsum(y * y for y in logs)


def sums(orders: Orders) -> tuple[float, float]:
    return orders.s1, orders.s2


times = st.lists(st.integers(0, 400 * 24).map(lambda hours: T0 + hours * 3_600_000), min_size=1, max_size=REMEMBERED)


@given(times, st.randoms(use_true_random=False))
def test_a_late_order_gives_the_rhythm_of_the_right_order(at: list[int], rng: Random) -> None:
    shuffled = list(at)
    rng.shuffle(shuffled)
    late, in_order = taken(shuffled), taken(sorted(at))
    assert (late.count, late.first_at, late.last_at, late.occasions) == (
        in_order.count,
        in_order.first_at,
        in_order.last_at,
        in_order.occasions,
    )
    assert sums(late) == pytest.approx((in_order.s1, in_order.s2), abs=1e-9)
    assert [order.at for order in late.recent] == sorted(at)


@given(st.lists(st.integers(0, 4000 * 24).map(lambda hours: T0 + hours * 3_600_000), min_size=1, max_size=60))
def test_any_number_of_orders_in_order(at: list[int]) -> None:
    at.sort()
    orders = taken(at)
    occasions, s1, s2 = rhythm(at)
    assert (orders.count, orders.first_at, orders.last_at) == (len(at), at[0], at[-1])
    assert orders.occasions == occasions
    assert sums(orders) == pytest.approx((s1, s2), abs=1e-9)
    assert [order.at for order in orders.recent] == at[-REMEMBERED:]


@given(
    st.lists(st.integers(0, 4000).map(lambda days: T0 + days * DAY), min_size=REMEMBERED + 1, max_size=40),
    st.integers(0, 4000),
)
def test_one_late_order_behind_a_long_history(at: list[int], late: int) -> None:
    """Among the remembered ones it counts in full; before them it is counted, and the rhythm stays sane."""
    at.sort()
    before = taken(at)
    reach = before.recent[0].at
    orders = add_order(taken(at), RecentOrder("late", "late", T0 + late * DAY, 10.0))
    assert orders.count == len(at) + 1
    assert orders.first_at == min(at[0], T0 + late * DAY)
    assert len(orders.recent) == REMEMBERED
    if T0 + late * DAY >= reach:
        occasions, s1, s2 = rhythm([*at, T0 + late * DAY])
        assert orders.occasions == occasions
        assert sums(orders) == pytest.approx((s1, s2), abs=1e-9)
    else:
        assert (orders.occasions, orders.s1, orders.s2) == (before.occasions, before.s1, before.s2)
    assert [o.at for o in orders.recent] == sorted(o.at for o in orders.recent)


def test_a_gap_is_at_least_a_day() -> None:
    orders = taken([T0 + DAY - 1, T0 + DAY])
    assert (orders.occasions, orders.s1) == (2, math.log(1 / 7))


def test_averages() -> None:
    one = taken([T0])
    assert (one.gaps, one.mean_gap_days, one.log_gap_spread) == (0, None, None)
    two = taken([T0, T0 + 14 * DAY])
    assert (two.gaps, two.mean_gap_days, two.log_gap_spread) == (1, 14.0, None)
    three = taken([T0, T0 + 7 * DAY, T0 + 21 * DAY])
    assert (three.gaps, three.mean_gap_days) == (2, 10.5)
    assert three.log_gap_spread == pytest.approx(math.log(2) / math.sqrt(2))
    same = taken([T0, T0 + 7 * DAY, T0 + 14 * DAY])
    assert same.log_gap_spread == pytest.approx(0.0, abs=1e-12)


def test_what_was_told_holds_until_a_younger_order() -> None:
    orders = taken([T0, T0 + 30 * DAY])
    orders.told = OVERDUE
    for number, at in enumerate([T0 + DAY, T0 + 30 * DAY]):
        add_order(orders, RecentOrder(f"x{number}", "x", at, 1.0))
        assert orders.told == OVERDUE
    add_order(orders, RecentOrder("y", "y", T0 + 30 * DAY + 1, 1.0))
    assert orders.told == 0


def test_the_newest_order_says_whether_it_was_imported() -> None:
    orders = add_order(None, RecentOrder("o", "e", T0, 1.0), imported=True)
    assert orders.imported
    orders.muted_until = T0 + DAY
    add_order(orders, RecentOrder("late", "e", T0 - DAY, 1.0))
    assert (orders.imported, orders.muted_until) == (True, T0 + DAY), "a late one changes nothing of it"
    add_order(orders, RecentOrder("new", "e", T0, 1.0))
    assert (orders.imported, orders.muted_until) == (False, 0)


def test_orders_are_found_by_name_while_they_are_remembered() -> None:
    orders = taken([T0 + number * DAY for number in range(REMEMBERED + 3)])
    assert find_order(None, "o1") is None
    assert find_order(orders, "o2") is None
    newest = find_order(orders, f"o{REMEMBERED + 2}")
    assert newest is not None
    assert newest.at == orders.last_at
