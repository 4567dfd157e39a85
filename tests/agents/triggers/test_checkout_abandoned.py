"""Checkouts left behind: when `checkout.abandoned` fires, and wins over the cart."""

from agents.decisions import iso
from tables.events import CartItem
from tests.support.core import Shop, added, cart, checkout, cleared, day, hour, in_cart, order, removed


def test_a_checkout_left_for_an_hour_wins_over_the_cart(shop: Shop) -> None:
    shop.send(added(hour(0), price=9.0), checkout(hour(1), event_id="start", total=12.5))
    assert shop.wait_until(hour(2) - 1) == []
    shop.wait_until(day(30))
    (trigger,) = shop.triggers
    assert trigger.type == "checkout.abandoned"
    assert trigger.due_at == iso(hour(2))
    assert trigger.reason == "a checkout with 1 product worth 9.00 was started and left for 1 hour, no order since"
    assert trigger.evidence == {
        "checkout_started_at": iso(hour(1)),
        "untouched_since": iso(hour(1)),
        "untouched_hours": 1.0,
        "last_event": "start",
        "checkout_total": 12.5,
    }


def test_a_checkout_touched_again_waits(shop: Shop) -> None:
    shop.send(added(hour(0)), checkout(hour(1), event_id="start"), added(hour(1.5), "pot"))
    shop.wait_until(day(3))
    (trigger,) = shop.triggers
    assert (trigger.type, trigger.due_at) == ("checkout.abandoned", iso(hour(2.5)))
    assert trigger.evidence["untouched_since"] == iso(hour(1.5))


def test_the_items_of_a_checkout_are_the_cart(shop: Shop) -> None:
    items = [CartItem(product_id="cup", quantity=4.0)]
    shop.send(added(hour(0), "tea"), checkout(hour(1), items=items))
    shop.wait_until(day(3))
    (trigger,) = shop.triggers
    assert in_cart(trigger) == [("cup", 4.0)]


def test_a_checkout_without_a_known_cart(shop: Shop) -> None:
    shop.send(checkout(hour(1)))
    shop.wait_until(day(3))
    (trigger,) = shop.triggers
    assert trigger.type == "checkout.abandoned"
    assert not isinstance(trigger.cart, dict)
    assert trigger.reason.startswith("a checkout was started and left for")


def test_a_bought_checkout(shop: Shop) -> None:
    shop.send(added(hour(0)), checkout(hour(1)), order(hour(1.9)))
    assert shop.wait_until(day(3)) == []


def test_a_checkout_of_an_emptied_cart_is_over(shop: Shop) -> None:
    for name in ("bob", "carl", "dora"):
        shop.send(added(hour(1.7), customer=name), checkout(hour(1.8), customer=name))
    shop.send(removed(hour(2), customer="bob"), cleared(hour(2), customer="carl"), cart(hour(2), customer="dora"))
    assert shop.wait_until(day(3)) == []


def test_a_checkout_begun_after_the_cart_was_emptied_stays_open(shop: Shop) -> None:
    """What arrives late and concerns the time before it does not end it."""
    shop.send(added(hour(0)), order(hour(1)), checkout(hour(2)), removed(hour(0.5)))
    shop.send(checkout(hour(2), customer="bob"), cart(hour(1), customer="bob"))
    shop.wait_until(day(3))
    assert [(t.customer_id, t.type, t.due_at) for t in shop.triggers] == [
        ("ann", "checkout.abandoned", iso(hour(3))),
        ("bob", "checkout.abandoned", iso(hour(3))),
    ]


def test_after_a_left_checkout_a_touched_cart_is_a_cart(shop: Shop) -> None:
    shop.send(added(hour(0)), checkout(hour(1)))
    shop.wait_until(hour(3))
    shop.send(added(hour(4), "pot"))
    shop.wait_until(hour(30))
    assert [(t.type, t.due_at) for t in shop.triggers] == [
        ("checkout.abandoned", iso(hour(2))),
        ("cart.abandoned", iso(hour(8))),
    ]


def test_a_late_older_checkout_does_not_tell_again(shop: Shop) -> None:
    shop.send(added(hour(0)), checkout(hour(2), event_id="newer"))
    shop.wait_until(hour(4))
    shop.send(checkout(hour(1), event_id="older"))
    shop.wait_until(day(9))
    assert [t.evidence["last_event"] for t in shop.triggers] == ["newer"]


def test_a_late_older_checkout_does_not_replace_the_newer(shop: Shop) -> None:
    shop.send(added(hour(0)), checkout(hour(2), event_id="newer", total=8.0))
    shop.send(checkout(hour(1), event_id="older", backfill=True))
    shop.wait_until(day(9))
    (trigger,) = shop.triggers
    assert (trigger.type, trigger.due_at) == ("checkout.abandoned", iso(hour(3)))
    assert trigger.evidence["last_event"] == "newer"


def test_a_late_checkout_of_a_cart_already_told(shop: Shop) -> None:
    shop.send(added(hour(0)))
    shop.wait_until(hour(5))
    shop.send(checkout(hour(-0.5)))
    shop.wait_until(day(9))
    assert [t.type for t in shop.triggers] == ["cart.abandoned"]
