"""Carts left behind: when `cart.abandoned` fires, what it says, and what answers it."""

import pytest

from agents.decisions import iso
from agents.rulebook.rules import Rules
from tests.support.core import Shop, added, cart, cleared, day, hour, in_cart, order, removed


def test_a_cart_left_for_four_hours(shop: Shop) -> None:
    shop.send(added(hour(0), "tea", 2, price=5.0, category="drinks", cart_id="c-1", event_id="e1"))
    shop.send(added(hour(1), "pot", price=25.5, event_id="e2"))
    assert shop.wait_until(hour(5) - 1) == []
    shop.wait_until(hour(5))
    (trigger,) = shop.triggers
    assert trigger.type == "cart.abandoned"
    assert trigger.rule.version == Rules().versions["cart.abandoned"]
    assert trigger.due_at == trigger.fired_at == iso(hour(5))
    assert trigger.expires_at == iso(hour(5 + 72))
    assert trigger.reason == "2 products worth 35.50 left in the cart, untouched for 4 hours, no order since"
    assert trigger.evidence == {"untouched_since": iso(hour(1)), "untouched_hours": 4.0, "last_event": "e2"}
    assert trigger.cart == {
        "items": [
            {"product_id": "tea", "quantity": 2.0, "price": 5.0, "category": "drinks"},
            {"product_id": "pot", "quantity": 1.0, "price": 25.5, "category": None},
        ],
        "cart_id": "c-1",
        "total": 35.5,
    }
    assert shop.wait_until(day(400)) == [], "once per state of the cart"


def test_each_touch_begins_the_wait_anew(shop: Shop) -> None:
    for touched in (0, 3, 6, 9):
        shop.send(added(hour(touched)))
    shop.wait_until(day(9))
    assert [t.due_at for t in shop.triggers] == [iso(hour(13))]
    assert shop.triggers[0].evidence["untouched_since"] == iso(hour(9))


def test_a_new_state_of_the_cart_is_told_anew(shop: Shop) -> None:
    shop.send(added(hour(0), event_id="e1"))
    shop.wait_until(hour(10))
    shop.send(added(hour(11), "pot", event_id="e2"))
    shop.wait_until(hour(30))
    first, second = shop.triggers
    assert [first.due_at, second.due_at] == [iso(hour(4)), iso(hour(15))]
    assert first.trigger_id != second.trigger_id
    assert in_cart(second) == [("tea", 1.0), ("pot", 1.0)]


def test_without_every_price_there_is_no_total(shop: Shop) -> None:
    shop.send(added(hour(0), price=5.0), added(hour(0.1), "pot"))
    shop.wait_until(hour(9))
    (trigger,) = shop.triggers
    assert isinstance(trigger.cart, dict)
    assert "total" not in trigger.cart
    assert trigger.reason.startswith("2 products left in the cart")


@pytest.mark.parametrize("at", [3.9, 4], ids=["in between", "at the instant it is due"])
def test_an_order_in_time(shop: Shop, at: float) -> None:
    shop.send(added(hour(0)), order(hour(at)))
    assert shop.wait_until(day(1)) == []


def test_an_order_of_somebody_else_answers_nothing(shop: Shop) -> None:
    shop.send(added(hour(0)), order(hour(1), customer="bob"))
    assert [t.customer_id for t in shop.triggers] == []
    shop.wait_until(day(1))
    assert [(t.type, t.customer_id) for t in shop.triggers] == [("cart.abandoned", "ann")]


def test_an_order_cancels_once_with_an_id_of_its_own(shop: Shop) -> None:
    shop.send(added(hour(0)))
    shop.wait_until(hour(6))
    shop.send(order(hour(7), event_id="o-event", order_id="o-1"), order(hour(8)), order(hour(9)))
    shop.settle()
    (fired,) = shop.triggers
    (cancelled,) = shop.cancellations
    assert cancelled.type == "cart.abandoned.cancelled"
    assert cancelled.trigger_id == fired.trigger_id
    assert cancelled.message_id != fired.message_id
    assert cancelled.cancelled_at == iso(hour(7))
    assert cancelled.cause == {
        "type": "order.completed",
        "event_id": "o-event",
        "order_id": "o-1",
        "occurred_at": iso(hour(7)),
    }


def test_an_order_cancels_all_carts_told_since(shop: Shop) -> None:
    for touched in (0, 10, 20):
        shop.send(added(hour(touched)))
    shop.wait_until(hour(30))
    shop.send(order(hour(31)))
    shop.settle()
    assert [c.trigger_id for c in shop.cancellations] == [t.trigger_id for t in shop.triggers]
    assert len(shop.triggers) == 3


def test_emptied_carts_are_silent(shop: Shop) -> None:
    shop.send(added(hour(0), quantity=2), removed(hour(1), quantity=2))
    shop.send(added(hour(0), customer="bob"), cleared(hour(1), customer="bob"))
    shop.send(added(hour(0), customer="carl"), cart(hour(1), customer="carl"))
    assert shop.wait_until(day(9)) == []


def test_removed_items_are_not_mailed(shop: Shop) -> None:
    shop.send(added(hour(0), "tea", 3), added(hour(0), "pot"), removed(hour(1), "pot"), removed(hour(1), "tea"))
    shop.wait_until(hour(9))
    (trigger,) = shop.triggers
    assert in_cart(trigger) == [("tea", 2.0)]
    assert trigger.reason.startswith("1 product left")


def test_what_is_added_after_a_full_removal_counts_alone(shop: Shop) -> None:
    shop.send(added(hour(0), quantity=2), removed(hour(1), quantity=5), added(hour(2), quantity=1))
    shop.wait_until(hour(9))
    assert in_cart(shop.triggers[0]) == [("tea", 1.0)]


def test_a_whole_cart_replaces(shop: Shop) -> None:
    shop.send(added(hour(0), "tea"), cart(hour(1), "pot", "cup", event_id="whole"))
    shop.wait_until(hour(9))
    (trigger,) = shop.triggers
    assert in_cart(trigger) == [("pot", 1.0), ("cup", 1.0)]
    assert trigger.evidence["last_event"] == "whole"


def test_the_same_whole_cart_again_is_the_same_state(shop: Shop) -> None:
    shop.send(cart(hour(0), "pot"))
    shop.wait_until(hour(9))
    shop.send(cart(hour(10), "pot"))
    shop.wait_until(hour(30))
    shop.send(cart(hour(31), "pot", "cup"))
    shop.wait_until(hour(60))
    assert [t.due_at for t in shop.triggers] == [iso(hour(4)), iso(hour(35))]
