"""However much comes, a customer stays small and the next event costs what the first did."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tables.events import AnyEvent
from tables.productform import unpack_products
from tests.support.core import HOUR, Shop, added, cart, day, erased, hour, in_cart, item, order, viewed


def calls_of(work: Callable[[], Any]) -> int:
    """How many calls of Python and of C functions it takes: a measure of work that no machine changes."""
    count = 0

    def profile(_frame: Any, kind: str, _arg: Any) -> None:
        nonlocal count
        if kind in {"call", "c_call"}:
            count += 1

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def taken(shop: Shop, event: AnyEvent) -> None:
    shop.send(event)
    shop.settle()


@pytest.mark.interpreted
def test_one_customer_with_twenty_thousand_orders() -> None:
    shop = Shop()
    costs = []
    for number in range(20_000):
        event = order(day(0) + number * HOUR, 20.0 + number % 50)
        if number % 2000 == 1999:
            costs.append(calls_of(partial(taken, shop, event)))
            assert len(shop.durable[b"ann"]) < 2_300
        else:
            shop.send(event)
    assert max(costs) <= 1.5 * min(costs) + 100, "the last order costs what the first did"
    orders = shop.orders()
    assert (orders.count, len(orders.recent)) == (20_000, 12)
    assert len(shop.core.states.timers) < 1000


def test_ten_thousand_event_ids() -> None:
    shop = Shop()
    costs = []
    for number in range(10_000):
        event = added(day(0) + number, quantity=1.0, event_id=f"e{number}")
        if number % 1000 == 999:
            costs.append(calls_of(partial(taken, shop, event)))
        else:
            shop.send(event)
        shop.send(event)
    shop.settle()
    assert shop.core.counts["duplicate"] == 10_000
    assert len(shop.durable[b"ann"]) < 500
    assert len(shop.customer().seen) == 32 * 8
    assert max(costs) <= 1.5 * min(costs) + 50
    assert shop.customer().cart is not None


def test_ten_thousand_times_the_same_event() -> None:
    shop = Shop()
    event = order(day(0), event_id="same", order_id="same")
    for _ in range(10_000):
        shop.send(event)
    shop.settle()
    assert shop.core.counts["duplicate"] == 9_999
    orders = shop.orders()
    assert orders.count == 1
    assert len(shop.durable[b"ann"]) < 220


def test_customers_who_come_by_every_day_do_not_fill_the_heap() -> None:
    """Each visit wakes them early and puts them back to the same far date."""
    shop = Shop()
    customers = [f"c{number}" for number in range(200)]
    for name in customers:
        shop.send(order(day(0), customer=name))
    for number in range(1, 150):
        for name in customers:
            shop.send(added(day(number), customer=name))
        shop.wait_until(day(number, 5))
    assert len(shop.core.states.timers) < 11_000


def test_a_customer_erased_and_back_again_and_again_does_not_fill_the_heap() -> None:
    """Each time another far date is set, and none of the former ones counts any more."""
    shop = Shop()
    for number in range(40_000):
        at = day(0) + number
        shop.send(order(at), erased(at))
        if number % 100 == 99:
            shop.settle()
            assert len(shop.core.states.timers) <= 10_000 + 100
    assert shop.durable == {}


def test_a_cart_of_a_hundred_thousand_products_stays_small() -> None:
    shop = Shop()
    for number in range(100_000):
        shop.send(added(hour(0) + number, f"product-{number}", price=1.0))
        if number % 1000 == 999:
            shop.settle()
            assert len(shop.durable[b"ann"]) < 6_000
    shop.wait_until(day(1))
    (trigger,) = shop.triggers
    assert in_cart(trigger) == [(f"product-{number}", 1.0) for number in range(99_900, 100_000)]


def test_a_whole_cart_of_a_hundred_thousand_products_stays_small() -> None:
    shop = Shop()
    shop.send(cart(hour(0), *(f"product-{number}" for number in range(100_000))))
    shop.wait_until(day(1))
    (trigger,) = shop.triggers
    assert len(in_cart(trigger)) == 100
    assert len(shop.durable[b"ann"]) < 5_000


def test_orders_of_a_hundred_thousand_products_stay_small() -> None:
    shop, costs = Shop(), []
    for number in range(4):
        crowd = [item(f"product-{place}") for place in range(number % 2, 100_000)]
        costs.append(calls_of(partial(taken, shop, order(day(30 * number), items=crowd))))
        assert len(shop.durable[b"ann"]) < 2_500
    assert max(costs[1:]) <= 1.5 * min(costs[1:])
    assert len(unpack_products(shop.customer().products).regulars) == 12, (
        "the same ones were followed from order to order"
    )


def test_ten_thousand_looks_stay_small() -> None:
    shop = Shop()
    for number in range(10_000):
        shop.send(viewed(hour(0) + number, f"product-{number // 2}"))
    shop.wait_until(day(2))
    assert [t.evidence["product_id"] for t in shop.triggers] == ["product-4999"]
    assert len(shop.durable[b"ann"]) < 2_000
