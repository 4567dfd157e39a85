"""Carts, checkouts and views that arrive late, twice, out of order, as an import or after an outage."""

from agents.decisions import iso
from tables.cartchanges import is_empty
from tests.support.core import HOUR, Shop, added, cart, checkout, day, hour, in_cart, order, removed, viewed

# --- twice, late, out of order ---------------------------------------------------------------------------------------


def test_duplicates_change_nothing(shop: Shop) -> None:
    first = added(hour(0), "tea", 2, event_id="e1")
    shop.send(first, added(hour(1), "pot"), first, added(hour(3), "other", 9, event_id="e1"))
    shop.wait_until(hour(9))
    (trigger,) = shop.triggers
    assert in_cart(trigger) == [("tea", 2.0), ("pot", 1.0)]
    assert trigger.due_at == iso(hour(5))


def test_duplicate_looks_do_not_count(shop: Shop) -> None:
    look = viewed(hour(0))
    shop.send(look, look, look)
    assert shop.wait_until(day(9)) == []


def test_a_late_order_leaves_what_was_touched_after_it(shop: Shop) -> None:
    shop.send(added(hour(0), "tea"), added(hour(2), "pot"), order(hour(1)))
    shop.wait_until(hour(9))
    (trigger,) = shop.triggers
    assert in_cart(trigger) == [("pot", 1.0)]
    assert trigger.due_at == iso(hour(6))


def test_a_late_order_after_the_last_touch_cancels(shop: Shop) -> None:
    shop.send(added(hour(0)))
    shop.wait_until(hour(10))
    shop.send(order(hour(0.5)))
    shop.wait_until(day(9))
    assert shop.types == ["cart.abandoned", "cart.abandoned.cancelled"]
    assert shop.cancellations[0].cancelled_at == iso(hour(10)), "decided then, not when the order was made"


def test_a_late_order_before_the_last_touch_does_not(shop: Shop) -> None:
    shop.send(added(hour(1)))
    shop.wait_until(hour(10))
    shop.send(order(hour(0.5)))
    shop.wait_until(day(9))
    assert shop.types == ["cart.abandoned"]


def test_late_cart_events_that_an_order_has_answered(shop: Shop) -> None:
    shop.send(order(hour(5)))
    shop.send(
        added(hour(1)), cart(hour(2), "pot"), checkout(hour(3)), viewed(hour(3)), viewed(hour(4)), removed(hour(4))
    )
    shop.wait_until(day(9))
    assert shop.decisions == []
    found = shop.customer()
    assert (found.cart is None or is_empty(found.cart), found.checkout, found.viewed) == (True, None, None)


def test_a_late_removal_before_its_adding(shop: Shop) -> None:
    shop.send(removed(hour(2), quantity=3), added(hour(1), quantity=3))
    assert shop.wait_until(day(9)) == []
    shop.send(removed(day(20, 2), quantity=1), added(day(20, 1), quantity=3))
    shop.wait_until(day(30))
    (trigger,) = shop.triggers
    assert in_cart(trigger) == [("tea", 2.0)]
    assert trigger.due_at == iso(day(20, 6))


def test_a_late_touch_does_not_repeat_what_was_told(shop: Shop) -> None:
    shop.send(added(hour(2)))
    shop.wait_until(hour(7))
    shop.send(added(hour(1), "pot"))
    shop.wait_until(day(9))
    assert [t.due_at for t in shop.triggers] == [iso(hour(6))]


def test_a_late_touch_whose_wait_is_already_over_is_told_at_once(shop: Shop) -> None:
    shop.send(order(hour(10), customer="bob"), added(hour(0)))
    shop.wait_until(hour(11))
    (trigger,) = shop.triggers
    assert (trigger.due_at, trigger.fired_at) == (iso(hour(4)), iso(hour(10)))


def test_an_old_whole_cart_changes_nothing(shop: Shop) -> None:
    shop.send(added(hour(2), "tea"), cart(hour(1), "pot", "cup"))
    shop.wait_until(hour(9))
    assert in_cart(shop.triggers[0]) == [("tea", 1.0)]


# --- imports, outages ------------------------------------------------------------------------------------------------


def test_imports_never_fire_and_a_live_touch_arms_anew(shop: Shop) -> None:
    shop.send(added(hour(0), backfill=True), cart(hour(1), "pot", backfill=True), checkout(hour(2), backfill=True))
    for looked in (3, 4, 5):
        shop.send(viewed(hour(looked), customer="bob", backfill=True))
    assert shop.wait_until(day(9)) == []
    shop.send(added(day(10), "cup"))
    shop.wait_until(day(11))
    assert [(t.type, t.due_at) for t in shop.triggers] == [("cart.abandoned", iso(day(10, 4)))]


def test_an_imported_order_answers_as_any_other(shop: Shop) -> None:
    shop.send(added(hour(0)))
    shop.wait_until(hour(6))
    shop.send(order(hour(5), backfill=True))
    shop.settle()
    assert shop.types == ["cart.abandoned", "cart.abandoned.cancelled"]


def test_stale_is_suppressed_and_neither_cancelled_nor_repeated(shop: Shop) -> None:
    shop.send(added(hour(0)), checkout(hour(0), customer="bob"))
    shop.send(viewed(hour(0), customer="carl"), viewed(hour(0), customer="carl"))
    shop.at_clock(hour(200))
    assert [(t.type, t.suppressed_by) for t in shop.triggers] == [
        ("checkout.abandoned", "stale"),
        ("cart.abandoned", "stale"),
        ("browse.abandoned", "stale"),
    ]
    shop.send(order(hour(201)), order(hour(201), customer="bob"), order(hour(201), customer="carl"))
    shop.at_clock(hour(300))
    assert shop.cancellations == []
    assert len(shop.decisions) == 3


def test_at_the_limit_of_max_age_it_still_goes_out(shop: Shop) -> None:
    shop.send(added(hour(0)))
    shop.at_clock(hour(4) + 72 * HOUR)
    (trigger,) = shop.triggers
    assert not isinstance(trigger.suppressed_by, str)
    assert (trigger.due_at, trigger.fired_at) == (iso(hour(4)), iso(hour(76)))
