"""What a rhythm is made of: days, occasions, never money; very regular and very good customers."""

import math
from itertools import accumulate, pairwise

import pytest

from tables.orders import DAY
from tables.parameters import BUILTIN, Parameters
from tests.support.core import Shop, Style, day, order
from tests.support.rhythm import SHOP, due_after, fired_at, near, of_the_last_gap, ordering, overdue_after, shop_of

# --- days, occasions, money ------------------------------------------------------------------------------------------


def test_orders_of_one_day_are_one_occasion(style: Style) -> None:
    shop = shop_of(style)
    shop.send(order(day(0, 9)), order(day(0, 9)), order(day(0, 22)), order(day(30, 1)), order(day(30, 23)))
    shop.wait_until(day(3650))
    orders = shop.orders()
    assert (orders.count, orders.occasions, orders.gaps) == (5, 2, 1)
    gap = (day(30, 1) - day(0, 22)) / DAY
    due, overdue = shop.triggers
    assert fired_at(due, 30, 23, due_after([gap]))
    assert fired_at(overdue, 30, 23, overdue_after([gap]))


def test_orders_on_one_day_only(style: Style) -> None:
    shop = shop_of(style)
    shop.send(order(day(0, 9)), order(day(0, 12)), order(day(0, 15), order_id="last"))
    shop.wait_until(day(3650))
    due, overdue = shop.triggers
    assert fired_at(due, 0, 15, due_after([]))
    assert fired_at(overdue, 0, 15, overdue_after([]))
    assert due.reason.startswith("3 orders on one day, ")
    assert "customers usually return after" in due.reason
    assert due.order_id == "last"


def test_two_orders_around_midnight_are_a_day_apart(style: Style) -> None:
    shop = shop_of(style)
    shop.send(order(day(1) - 1), order(day(1)))
    shop.settle()
    orders = shop.orders()
    assert orders.occasions == 2
    assert orders.s1 == pytest.approx(math.log(1 / 7))
    assert orders.due_at >= day(2), "nobody is late within a day"


def test_every_day_customers_have_a_day(style: Style) -> None:
    shop = shop_of(style)
    ordering(shop, *range(40))
    shop.settle()
    orders = shop.orders()
    assert orders.due_at >= orders.last_at + DAY
    assert shop.decisions == []


@pytest.mark.parametrize(("total", "currency"), [(0.0, "EUR"), (1e12, "EUR"), (0.01, "JPY")])
def test_money_plays_no_part_in_the_rhythm(total: float, currency: str) -> None:
    shop = shop_of()
    shop.send(order(day(0, 10)), order(day(30, 10), total, currency=currency), order(day(60, 10), total))
    shop.wait_until(day(3650))
    due, overdue = of_the_last_gap(shop)
    assert fired_at(due, 60, 10, due_after([30, 30]))
    assert fired_at(overdue, 60, 10, overdue_after([30, 30]))


# --- clockwork customers, and very good ones -------------------------------------------------------------------------


@pytest.mark.parametrize("parameters", [SHOP, BUILTIN], ids=["even", "builtin"])
def test_a_clockwork_customers_window_closes_in(parameters: Parameters) -> None:
    """Every 30 days exactly: the more orders, the nearer to 30 days the window, and the sooner it is remarked on."""
    windows, dues, overdues = [], [], []
    for count in (3, 6, 10, 30):
        shop = Shop(None, parameters)
        ordering(shop, *range(0, 30 * count, 30))
        last = day(30 * (count - 1), 10)
        shop.wait_until(last + 5000 * DAY)
        due, overdue = of_the_last_gap(shop)
        evidence = overdue.evidence
        windows.append(evidence["window_days"])
        dues.append(due.evidence["days_since_last_order"])
        overdues.append(evidence["days_since_last_order"])
        assert evidence["usual_days_low"] < evidence["usual_days"] < evidence["usual_days_high"]
        assert 20 < evidence["usual_days"] < 50
        assert evidence["orders"] == count
        assert overdue.reason.startswith(f"usually orders every {evidence['usual_days']:.0f} days (")
        assert f"last order {evidence['days_since_last_order']:.0f} days ago" in overdue.reason
    assert windows == sorted(windows, reverse=True)
    assert all(at < overdues[0] for at in overdues[1:])
    assert all(25 <= at <= 46 for at in dues)
    assert windows[-1] < 45
    assert abs(dues[-1] - 30) < 3
    assert overdues[-1] < 75


def test_a_customer_with_a_thousand_orders() -> None:
    shop = shop_of()
    days = list(accumulate((3 + number % 5 for number in range(999)), initial=0))
    ordering(shop, *days)
    shop.settle()
    gaps = [float(b - a) for a, b in pairwise(days)]
    orders = shop.orders()
    assert (orders.count, orders.occasions, len(orders.recent)) == (1000, 1000, 12)
    assert near(orders.due_at, day(days[-1], 10) + due_after(gaps))
    assert near(orders.overdue_at, day(days[-1], 10) + overdue_after(gaps))
    assert [d.type for d in shop.wait_until(day(days[-1] + 400))] == ["repurchase.due", "repurchase.overdue"]
    assert len(shop.durable[b"ann"]) < 1200
