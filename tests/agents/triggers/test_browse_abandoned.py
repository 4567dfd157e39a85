"""Looked at and left: when `browse.abandoned` fires."""

import pytest

from agents.decisions import iso
from tables.cart import MAX_VIEWED
from tables.events import AnyEvent
from tests.support.core import Shop, added, cleared, day, hour, order, removed, viewed


def test_one_product_looked_at_twice(shop: Shop) -> None:
    shop.send(viewed(hour(0), "tea"), viewed(hour(1), "tea", event_id="v2", category="drinks"))
    assert shop.wait_until(hour(25) - 1) == []
    shop.wait_until(day(30))
    (trigger,) = shop.triggers
    assert (trigger.type, trigger.due_at, trigger.expires_at) == ("browse.abandoned", iso(hour(25)), iso(hour(97)))
    assert trigger.reason == "looked at tea 2 times, then neither cart nor order for 1 day"
    assert trigger.evidence["product_id"] == "tea"
    assert trigger.evidence["views"] == 2
    assert trigger.evidence["last_view_at"] == iso(hour(1))
    assert trigger.evidence["last_event"] == "v2"
    assert not isinstance(trigger.cart, dict)


def test_the_category_of_a_view_is_told_whichever_view_had_it(shop: Shop) -> None:
    shop.send(viewed(hour(0)), viewed(hour(1), category="drinks"))
    shop.send(viewed(hour(0), customer="bob", category="drinks"), viewed(hour(1), customer="bob"))
    shop.wait_until(day(2))
    assert [t.evidence["category"] for t in shop.triggers] == ["drinks", "drinks"]


def test_two_products_once_each_are_nothing(shop: Shop) -> None:
    shop.send(viewed(hour(0), "tea"), viewed(hour(1), "pot"), viewed(hour(2), "cup"))
    assert shop.wait_until(day(30)) == []


def test_a_look_at_another_product_does_not_put_it_off(shop: Shop) -> None:
    shop.send(viewed(hour(0)), viewed(hour(1)), viewed(hour(20), "pot"))
    shop.wait_until(day(9))
    assert [(t.evidence["product_id"], t.due_at) for t in shop.triggers] == [("tea", iso(hour(25)))]


def test_of_several_products_the_one_seen_last(shop: Shop) -> None:
    shop.send(viewed(hour(0)), viewed(hour(1)), viewed(hour(2), "pot"), viewed(hour(3), "pot"))
    shop.wait_until(day(9))
    assert [(t.evidence["product_id"], t.due_at) for t in shop.triggers] == [("pot", iso(hour(27)))]


def test_told_once_then_only_after_new_looks(shop: Shop) -> None:
    shop.send(viewed(hour(0)), viewed(hour(1)))
    shop.wait_until(day(3))
    shop.send(viewed(day(4)))
    shop.wait_until(day(9))
    assert len(shop.triggers) == 1
    shop.send(viewed(day(10)))
    shop.wait_until(day(20))
    assert len(shop.triggers) == 2
    assert len({t.trigger_id for t in shop.triggers}) == 2


@pytest.mark.parametrize("answer", [order(hour(24)), added(hour(20)), order(hour(1))])
def test_an_order_or_a_cart_answers(shop: Shop, answer: AnyEvent) -> None:
    shop.send(viewed(hour(0)), viewed(hour(1)), answer)
    shop.wait_until(day(9))
    assert "browse.abandoned" not in shop.types


def test_a_cart_that_came_and_went_makes_the_wait_begin_anew(shop: Shop) -> None:
    for name in ("ann", "bob"):
        shop.send(viewed(hour(0), customer=name), viewed(hour(1), customer=name), added(hour(10), customer=name))
    shop.send(removed(hour(11), customer="ann"), cleared(hour(12), customer="bob"))
    shop.wait_until(day(9))
    assert [(t.customer_id, t.type, t.due_at) for t in shop.triggers] == [
        ("ann", "browse.abandoned", iso(hour(35))),
        ("bob", "browse.abandoned", iso(hour(36))),
    ]


def test_an_order_cancels_it(shop: Shop) -> None:
    shop.send(viewed(hour(0)), viewed(hour(1)))
    shop.wait_until(hour(26))
    shop.send(order(hour(27)))
    shop.settle()
    assert shop.types == ["browse.abandoned", "browse.abandoned.cancelled"]
    assert shop.cancellations[0].trigger_id == shop.triggers[0].trigger_id


def test_looks_before_an_order_do_not_count_after_it(shop: Shop) -> None:
    shop.send(viewed(hour(0)), order(hour(1)), viewed(hour(2)))
    shop.wait_until(day(9))
    assert "browse.abandoned" not in shop.types


def test_a_late_look_at_one_product_too_many_is_forgotten(shop: Shop) -> None:
    shop.send(*(viewed(hour(1) + i, f"p{i}") for i in range(MAX_VIEWED)), viewed(hour(0), "late"))
    shop.wait_until(hour(2))
    remembered = shop.customer().viewed
    assert remembered is not None
    assert sorted(remembered) == sorted(f"p{i}" for i in range(MAX_VIEWED))
