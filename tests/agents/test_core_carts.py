"""What is left behind: when `cart.abandoned`, `checkout.abandoned` and `browse.abandoned` fire, and when not."""

from pathlib import Path

import pytest

from agents.decisions import iso
from agents.rules import BrowseAbandoned, CartAbandoned, CheckoutAbandoned, Rules, load_rules
from tables.events import AnyEvent, CartItem
from tests.support.core import (
    HOUR,
    MINUTE,
    STYLES,
    Shop,
    Style,
    added,
    cart,
    checkout,
    cleared,
    day,
    order,
    removed,
    viewed,
)


@pytest.fixture(params=STYLES)
def shop(request: pytest.FixtureRequest) -> Shop:
    style: Style = request.param
    return Shop(style=style)


def at(hours: float) -> int:
    return day(0, hours)


# --- cart.abandoned --------------------------------------------------------------------------------------------------


def test_a_cart_left_for_four_hours(shop: Shop) -> None:
    shop.send(added(at(0), "tea", 2, price=5.0, category="drinks", cart_id="c-1", event_id="e1"))
    shop.send(added(at(1), "pot", price=25.5, event_id="e2"))
    assert shop.wait_until(at(5) - 1) == []
    shop.wait_until(at(5))
    (trigger,) = shop.triggers
    assert trigger.type == "cart.abandoned"
    assert trigger.rule.version == Rules().versions["cart.abandoned"]
    assert trigger.due_at == trigger.fired_at == iso(at(5))
    assert trigger.expires_at == iso(at(5 + 72))
    assert trigger.reason == "2 products worth 35.50 left in the cart, untouched for 4 hours, no order since"
    assert trigger.evidence == {"untouched_since": iso(at(1)), "untouched_hours": 4.0, "last_event": "e2"}
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
    for hour in (0, 3, 6, 9):
        shop.send(added(at(hour)))
    shop.wait_until(day(9))
    assert [t.due_at for t in shop.triggers] == [iso(at(13))]
    assert shop.triggers[0].evidence["untouched_since"] == iso(at(9))


def test_a_new_state_of_the_cart_is_told_anew(shop: Shop) -> None:
    shop.send(added(at(0), event_id="e1"))
    shop.wait_until(at(10))
    shop.send(added(at(11), "pot", event_id="e2"))
    shop.wait_until(at(30))
    first, second = shop.triggers
    assert [first.due_at, second.due_at] == [iso(at(4)), iso(at(15))]
    assert first.trigger_id != second.trigger_id
    assert isinstance(second.cart, dict)
    assert len(second.cart["items"]) == 2


def test_without_every_price_there_is_no_total(shop: Shop) -> None:
    shop.send(added(at(0), price=5.0), added(at(0.1), "pot"))
    shop.wait_until(at(9))
    (trigger,) = shop.triggers
    assert isinstance(trigger.cart, dict)
    assert "total" not in trigger.cart
    assert trigger.reason.startswith("2 products left in the cart")


def test_an_order_in_between(shop: Shop) -> None:
    shop.send(added(at(0)), order(at(3.9)))
    assert shop.wait_until(day(1)) == []


def test_an_order_at_the_instant_it_is_due(shop: Shop) -> None:
    shop.send(added(at(0)), order(at(4)))
    assert shop.wait_until(day(1)) == []


def test_an_order_of_somebody_else_answers_nothing(shop: Shop) -> None:
    shop.send(added(at(0)), order(at(1), customer="bob"))
    assert [t.customer_id for t in shop.triggers] == []
    shop.wait_until(day(1))
    assert [(t.type, t.customer_id) for t in shop.triggers] == [("cart.abandoned", "ann")]


def test_an_order_cancels_once_with_an_id_of_its_own(shop: Shop) -> None:
    shop.send(added(at(0)))
    shop.wait_until(at(6))
    shop.send(order(at(7), event_id="o-event", order_id="o-1"), order(at(8)), order(at(9)))
    shop.settle()
    (fired,) = shop.triggers
    (cancelled,) = shop.cancellations
    assert cancelled.type == "cart.abandoned.cancelled"
    assert cancelled.trigger_id == fired.trigger_id
    assert cancelled.message_id != fired.message_id
    assert cancelled.cancelled_at == iso(at(7))
    assert cancelled.cause == {
        "type": "order.completed",
        "event_id": "o-event",
        "order_id": "o-1",
        "occurred_at": iso(at(7)),
    }


def test_an_order_cancels_all_carts_told_since(shop: Shop) -> None:
    for hour in (0, 10, 20):
        shop.send(added(at(hour)))
    shop.wait_until(at(30))
    shop.send(order(at(31)))
    shop.settle()
    assert [c.trigger_id for c in shop.cancellations] == [t.trigger_id for t in shop.triggers]
    assert len(shop.triggers) == 3


def test_emptied_carts_are_silent(shop: Shop) -> None:
    shop.send(added(at(0), quantity=2), removed(at(1), quantity=2))
    shop.send(added(at(0), customer="bob"), cleared(at(1), customer="bob"))
    shop.send(added(at(0), customer="carl"), cart(at(1), customer="carl"))
    assert shop.wait_until(day(9)) == []


def test_removed_items_are_not_mailed(shop: Shop) -> None:
    shop.send(added(at(0), "tea", 3), added(at(0), "pot"), removed(at(1), "pot"), removed(at(1), "tea"))
    shop.wait_until(at(9))
    (trigger,) = shop.triggers
    assert isinstance(trigger.cart, dict)
    assert [(item["product_id"], item["quantity"]) for item in trigger.cart["items"]] == [("tea", 2.0)]
    assert trigger.reason.startswith("1 product left")


def test_what_is_added_after_a_full_removal_counts_alone(shop: Shop) -> None:
    shop.send(added(at(0), quantity=2), removed(at(1), quantity=5), added(at(2), quantity=1))
    shop.wait_until(at(9))
    assert isinstance(shop.triggers[0].cart, dict)
    assert shop.triggers[0].cart["items"][0]["quantity"] == 1.0


def test_a_whole_cart_replaces(shop: Shop) -> None:
    shop.send(added(at(0), "tea"), cart(at(1), "pot", "cup", event_id="whole"))
    shop.wait_until(at(9))
    (trigger,) = shop.triggers
    assert isinstance(trigger.cart, dict)
    assert [item["product_id"] for item in trigger.cart["items"]] == ["pot", "cup"]
    assert trigger.evidence["last_event"] == "whole"


def test_the_same_whole_cart_again_is_the_same_state(shop: Shop) -> None:
    shop.send(cart(at(0), "pot"))
    shop.wait_until(at(9))
    shop.send(cart(at(10), "pot"))
    shop.wait_until(at(30))
    shop.send(cart(at(31), "pot", "cup"))
    shop.wait_until(at(60))
    assert [t.due_at for t in shop.triggers] == [iso(at(4)), iso(at(35))]


# --- checkout.abandoned ----------------------------------------------------------------------------------------------


def test_a_checkout_left_for_an_hour_wins_over_the_cart(shop: Shop) -> None:
    shop.send(added(at(0), price=9.0), checkout(at(1), event_id="start", total=12.5))
    assert shop.wait_until(at(2) - 1) == []
    shop.wait_until(day(30))
    (trigger,) = shop.triggers
    assert trigger.type == "checkout.abandoned"
    assert trigger.due_at == iso(at(2))
    assert trigger.reason == "a checkout with 1 product worth 9.00 was started and left for 1 hour, no order since"
    assert trigger.evidence == {
        "checkout_started_at": iso(at(1)),
        "untouched_since": iso(at(1)),
        "untouched_hours": 1.0,
        "last_event": "start",
        "checkout_total": 12.5,
    }


def test_a_checkout_touched_again_waits(shop: Shop) -> None:
    shop.send(added(at(0)), checkout(at(1), event_id="start"), added(at(1.5), "pot"))
    shop.wait_until(day(3))
    (trigger,) = shop.triggers
    assert (trigger.type, trigger.due_at) == ("checkout.abandoned", iso(at(2.5)))
    assert trigger.evidence["untouched_since"] == iso(at(1.5))


def test_the_items_of_a_checkout_are_the_cart(shop: Shop) -> None:
    items = [CartItem(product_id="cup", quantity=4.0)]
    shop.send(added(at(0), "tea"), checkout(at(1), items=items))
    shop.wait_until(day(3))
    (trigger,) = shop.triggers
    assert isinstance(trigger.cart, dict)
    assert [(i["product_id"], i["quantity"]) for i in trigger.cart["items"]] == [("cup", 4.0)]


def test_a_checkout_without_a_known_cart(shop: Shop) -> None:
    shop.send(checkout(at(1)))
    shop.wait_until(day(3))
    (trigger,) = shop.triggers
    assert trigger.type == "checkout.abandoned"
    assert not isinstance(trigger.cart, dict)
    assert trigger.reason.startswith("a checkout was started and left for")


def test_a_bought_checkout(shop: Shop) -> None:
    shop.send(added(at(0)), checkout(at(1)), order(at(1.9)))
    assert shop.wait_until(day(3)) == []


def test_a_checkout_of_an_emptied_cart_is_over(shop: Shop) -> None:
    for name in ("bob", "carl", "dora"):
        shop.send(added(at(1.7), customer=name), checkout(at(1.8), customer=name))
    shop.send(removed(at(2), customer="bob"), cleared(at(2), customer="carl"), cart(at(2), customer="dora"))
    assert shop.wait_until(day(3)) == []


def test_a_checkout_begun_after_the_cart_was_emptied_stays_open(shop: Shop) -> None:
    """What arrives late and concerns the time before it does not end it."""
    shop.send(added(at(0)), order(at(1)), checkout(at(2)), removed(at(0.5)))
    shop.send(checkout(at(2), customer="bob"), cart(at(1), customer="bob"))
    shop.wait_until(day(3))
    assert [(t.customer_id, t.type, t.due_at) for t in shop.triggers] == [
        ("ann", "checkout.abandoned", iso(at(3))),
        ("bob", "checkout.abandoned", iso(at(3))),
    ]


def test_after_a_left_checkout_a_touched_cart_is_a_cart(shop: Shop) -> None:
    shop.send(added(at(0)), checkout(at(1)))
    shop.wait_until(at(3))
    shop.send(added(at(4), "pot"))
    shop.wait_until(at(30))
    assert [(t.type, t.due_at) for t in shop.triggers] == [
        ("checkout.abandoned", iso(at(2))),
        ("cart.abandoned", iso(at(8))),
    ]


def test_a_late_older_checkout_does_not_tell_again(shop: Shop) -> None:
    shop.send(added(at(0)), checkout(at(2), event_id="newer"))
    shop.wait_until(at(4))
    shop.send(checkout(at(1), event_id="older"))
    shop.wait_until(day(9))
    assert [t.evidence["last_event"] for t in shop.triggers] == ["newer"]


def test_a_late_older_checkout_does_not_replace_the_newer(shop: Shop) -> None:
    shop.send(added(at(0)), checkout(at(2), event_id="newer", total=8.0))
    shop.send(checkout(at(1), event_id="older", backfill=True))
    shop.wait_until(day(9))
    (trigger,) = shop.triggers
    assert (trigger.type, trigger.due_at) == ("checkout.abandoned", iso(at(3)))
    assert trigger.evidence["last_event"] == "newer"


def test_a_late_checkout_of_a_cart_already_told(shop: Shop) -> None:
    shop.send(added(at(0)))
    shop.wait_until(at(5))
    shop.send(checkout(at(-0.5)))
    shop.wait_until(day(9))
    assert [t.type for t in shop.triggers] == ["cart.abandoned"]


# --- browse.abandoned ------------------------------------------------------------------------------------------------


def test_one_product_looked_at_twice(shop: Shop) -> None:
    shop.send(viewed(at(0), "tea"), viewed(at(1), "tea", event_id="v2", category="drinks"))
    assert shop.wait_until(at(25) - 1) == []
    shop.wait_until(day(30))
    (trigger,) = shop.triggers
    assert (trigger.type, trigger.due_at, trigger.expires_at) == ("browse.abandoned", iso(at(25)), iso(at(97)))
    assert trigger.reason == "looked at tea 2 times, then neither cart nor order for 1 day"
    assert trigger.evidence["product_id"] == "tea"
    assert trigger.evidence["views"] == 2
    assert trigger.evidence["last_view_at"] == iso(at(1))
    assert trigger.evidence["last_event"] == "v2"
    assert not isinstance(trigger.cart, dict)


def test_the_category_of_a_view_is_told_whichever_view_had_it(shop: Shop) -> None:
    shop.send(viewed(at(0)), viewed(at(1), category="drinks"))
    shop.send(viewed(at(0), customer="bob", category="drinks"), viewed(at(1), customer="bob"))
    shop.wait_until(day(2))
    assert [t.evidence["category"] for t in shop.triggers] == ["drinks", "drinks"]


def test_two_products_once_each_are_nothing(shop: Shop) -> None:
    shop.send(viewed(at(0), "tea"), viewed(at(1), "pot"), viewed(at(2), "cup"))
    assert shop.wait_until(day(30)) == []


def test_a_look_at_another_product_does_not_put_it_off(shop: Shop) -> None:
    shop.send(viewed(at(0)), viewed(at(1)), viewed(at(20), "pot"))
    shop.wait_until(day(9))
    assert [(t.evidence["product_id"], t.due_at) for t in shop.triggers] == [("tea", iso(at(25)))]


def test_of_several_products_the_one_seen_last(shop: Shop) -> None:
    shop.send(viewed(at(0)), viewed(at(1)), viewed(at(2), "pot"), viewed(at(3), "pot"))
    shop.wait_until(day(9))
    assert [(t.evidence["product_id"], t.due_at) for t in shop.triggers] == [("pot", iso(at(27)))]


def test_told_once_then_only_after_new_looks(shop: Shop) -> None:
    shop.send(viewed(at(0)), viewed(at(1)))
    shop.wait_until(day(3))
    shop.send(viewed(day(4)))
    shop.wait_until(day(9))
    assert len(shop.triggers) == 1
    shop.send(viewed(day(10)))
    shop.wait_until(day(20))
    assert len(shop.triggers) == 2
    assert len({t.trigger_id for t in shop.triggers}) == 2


@pytest.mark.parametrize("answer", [order(at(24)), added(at(20)), order(at(1))])
def test_an_order_or_a_cart_answers(shop: Shop, answer: AnyEvent) -> None:
    shop.send(viewed(at(0)), viewed(at(1)), answer)
    shop.wait_until(day(9))
    assert "browse.abandoned" not in shop.types


def test_a_cart_that_came_and_went_makes_the_wait_begin_anew(shop: Shop) -> None:
    for name in ("ann", "bob"):
        shop.send(viewed(at(0), customer=name), viewed(at(1), customer=name), added(at(10), customer=name))
    shop.send(removed(at(11), customer="ann"), cleared(at(12), customer="bob"))
    shop.wait_until(day(9))
    assert [(t.customer_id, t.type, t.due_at) for t in shop.triggers] == [
        ("ann", "browse.abandoned", iso(at(35))),
        ("bob", "browse.abandoned", iso(at(36))),
    ]


def test_an_order_cancels_it(shop: Shop) -> None:
    shop.send(viewed(at(0)), viewed(at(1)))
    shop.wait_until(at(26))
    shop.send(order(at(27)))
    shop.settle()
    assert shop.types == ["browse.abandoned", "browse.abandoned.cancelled"]
    assert shop.cancellations[0].trigger_id == shop.triggers[0].trigger_id


def test_looks_before_an_order_do_not_count_after_it(shop: Shop) -> None:
    shop.send(viewed(at(0)), order(at(1)), viewed(at(2)))
    shop.wait_until(day(9))
    assert "browse.abandoned" not in shop.types


# --- settings --------------------------------------------------------------------------------------------------------


def test_disabled_rules_are_silent() -> None:
    rules = Rules(
        cart_abandoned=CartAbandoned(enabled=False),
        checkout_abandoned=CheckoutAbandoned(enabled=False),
        browse_abandoned=BrowseAbandoned(enabled=False),
    )
    shop = Shop(rules)
    shop.send(added(at(0)), checkout(at(0), customer="bob"))
    shop.send(viewed(at(0), customer="carl"), viewed(at(1), customer="carl"))
    assert shop.wait_until(day(99)) == []
    assert shop.core.next_due > day(99)


def test_a_disabled_checkout_rule_leaves_the_cart_to_the_cart_rule() -> None:
    shop = Shop(Rules(checkout_abandoned=CheckoutAbandoned(enabled=False)))
    shop.send(added(at(0)), checkout(at(1)))
    shop.wait_until(day(3))
    assert [(t.type, t.due_at) for t in shop.triggers] == [("cart.abandoned", iso(at(5)))]


def test_settings_of_a_file_change_version_and_behaviour(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(
        '["cart.abandoned"]\nafter = "30m"\nexpires = "2h"\n["checkout.abandoned"]\nafter = "10m"\n'
        '["browse.abandoned"]\nafter = "2h"\nviews = 3\n'
    )
    rules = load_rules(path)
    shop, plain = Shop(rules), Shop()
    for each in (shop, plain):
        each.send(added(at(0), event_id="a"), checkout(at(0), customer="bob", event_id="b"))
        for number in range(3):
            each.send(viewed(at(0.1) + number, customer="carl", event_id=f"v{number}"))
        each.send(viewed(at(1), customer="dora"), viewed(at(1.1), customer="dora"))
        each.wait_until(day(2))
    found = {t.type: t for t in shop.triggers}
    assert [(t.customer_id, t.due_at) for t in shop.triggers] == [
        ("bob", iso(at(0) + 10 * MINUTE)),
        ("ann", iso(at(0) + 30 * MINUTE)),
        ("carl", iso(at(2.1) + 2)),
    ]
    assert found["cart.abandoned"].expires_at == iso(at(2.5))
    for usual in plain.triggers:
        if usual.customer_id != "dora":
            assert usual.rule.version != found[usual.type].rule.version
            assert usual.trigger_id != found[usual.type].trigger_id


# --- twice, late, out of order ---------------------------------------------------------------------------------------


def test_duplicates_change_nothing(shop: Shop) -> None:
    first = added(at(0), "tea", 2, event_id="e1")
    shop.send(first, added(at(1), "pot"), first, added(at(3), "other", 9, event_id="e1"))
    shop.wait_until(at(9))
    (trigger,) = shop.triggers
    assert isinstance(trigger.cart, dict)
    assert [(i["product_id"], i["quantity"]) for i in trigger.cart["items"]] == [("tea", 2.0), ("pot", 1.0)]
    assert trigger.due_at == iso(at(5))


def test_duplicate_looks_do_not_count(shop: Shop) -> None:
    look = viewed(at(0))
    shop.send(look, look, look)
    assert shop.wait_until(day(9)) == []


def test_a_late_order_leaves_what_was_touched_after_it(shop: Shop) -> None:
    shop.send(added(at(0), "tea"), added(at(2), "pot"), order(at(1)))
    shop.wait_until(at(9))
    (trigger,) = shop.triggers
    assert isinstance(trigger.cart, dict)
    assert [item["product_id"] for item in trigger.cart["items"]] == ["pot"]
    assert trigger.due_at == iso(at(6))


def test_a_late_order_after_the_last_touch_cancels(shop: Shop) -> None:
    shop.send(added(at(0)))
    shop.wait_until(at(10))
    shop.send(order(at(0.5)))
    shop.wait_until(day(9))
    assert shop.types == ["cart.abandoned", "cart.abandoned.cancelled"]
    assert shop.cancellations[0].cancelled_at == iso(at(10)), "decided then, not when the order was made"


def test_a_late_order_before_the_last_touch_does_not(shop: Shop) -> None:
    shop.send(added(at(1)))
    shop.wait_until(at(10))
    shop.send(order(at(0.5)))
    shop.wait_until(day(9))
    assert shop.types == ["cart.abandoned"]


def test_late_cart_events_that_an_order_has_answered(shop: Shop) -> None:
    shop.send(order(at(5)))
    shop.send(added(at(1)), cart(at(2), "pot"), checkout(at(3)), viewed(at(3)), viewed(at(4)), removed(at(4)))
    shop.wait_until(day(9))
    assert shop.decisions == []
    found = shop.customer()
    assert (found.cart is None or found.cart.empty, found.checkout, found.viewed) == (True, None, None)


def test_a_late_removal_before_its_adding(shop: Shop) -> None:
    shop.send(removed(at(2), quantity=3), added(at(1), quantity=3))
    assert shop.wait_until(day(9)) == []
    shop.send(removed(day(20, 2), quantity=1), added(day(20, 1), quantity=3))
    shop.wait_until(day(30))
    (trigger,) = shop.triggers
    assert isinstance(trigger.cart, dict)
    assert trigger.cart["items"][0]["quantity"] == 2.0
    assert trigger.due_at == iso(day(20, 6))


def test_a_late_touch_does_not_repeat_what_was_told(shop: Shop) -> None:
    shop.send(added(at(2)))
    shop.wait_until(at(7))
    shop.send(added(at(1), "pot"))
    shop.wait_until(day(9))
    assert [t.due_at for t in shop.triggers] == [iso(at(6))]


def test_a_late_touch_whose_wait_is_already_over_is_told_at_once(shop: Shop) -> None:
    shop.send(order(at(10), customer="bob"), added(at(0)))
    shop.wait_until(at(11))
    (trigger,) = shop.triggers
    assert (trigger.due_at, trigger.fired_at) == (iso(at(4)), iso(at(10)))


def test_an_old_whole_cart_changes_nothing(shop: Shop) -> None:
    shop.send(added(at(2), "tea"), cart(at(1), "pot", "cup"))
    shop.wait_until(at(9))
    assert isinstance(shop.triggers[0].cart, dict)
    assert [item["product_id"] for item in shop.triggers[0].cart["items"]] == ["tea"]


# --- imports, outages ------------------------------------------------------------------------------------------------


def test_imports_never_fire_and_a_live_touch_arms_anew(shop: Shop) -> None:
    shop.send(added(at(0), backfill=True), cart(at(1), "pot", backfill=True), checkout(at(2), backfill=True))
    for hour in (3, 4, 5):
        shop.send(viewed(at(hour), customer="bob", backfill=True))
    assert shop.wait_until(day(9)) == []
    shop.send(added(day(10), "cup"))
    shop.wait_until(day(11))
    assert [(t.type, t.due_at) for t in shop.triggers] == [("cart.abandoned", iso(day(10, 4)))]


def test_an_imported_order_answers_as_any_other(shop: Shop) -> None:
    shop.send(added(at(0)))
    shop.wait_until(at(6))
    shop.send(order(at(5), backfill=True))
    shop.settle()
    assert shop.types == ["cart.abandoned", "cart.abandoned.cancelled"]


def test_stale_is_suppressed_and_neither_cancelled_nor_repeated(shop: Shop) -> None:
    shop.send(added(at(0)), checkout(at(0), customer="bob"))
    shop.send(viewed(at(0), customer="carl"), viewed(at(0), customer="carl"))
    shop.at_clock(at(200))
    assert [(t.type, t.suppressed_by) for t in shop.triggers] == [
        ("checkout.abandoned", "stale"),
        ("cart.abandoned", "stale"),
        ("browse.abandoned", "stale"),
    ]
    shop.send(order(at(201)), order(at(201), customer="bob"), order(at(201), customer="carl"))
    shop.at_clock(at(300))
    assert shop.cancellations == []
    assert len(shop.decisions) == 3


def test_at_the_limit_of_max_age_it_still_goes_out(shop: Shop) -> None:
    shop.send(added(at(0)))
    shop.at_clock(at(4) + 72 * HOUR)
    (trigger,) = shop.triggers
    assert not isinstance(trigger.suppressed_by, str)
    assert (trigger.due_at, trigger.fired_at) == (iso(at(4)), iso(at(76)))


def test_a_cart_of_a_hundred_thousand_products_stays_small() -> None:
    shop = Shop()
    for number in range(100_000):
        shop.send(added(at(0) + number, f"product-{number}", price=1.0))
        if number % 1000 == 999:
            shop.settle()
            assert len(shop.durable[b"ann"]) < 5_000
    shop.wait_until(day(1))
    (trigger,) = shop.triggers
    assert isinstance(trigger.cart, dict)
    assert [item["product_id"] for item in trigger.cart["items"]] == [f"product-{n}" for n in range(99_900, 100_000)]


def test_a_whole_cart_of_a_hundred_thousand_products_stays_small() -> None:
    shop = Shop()
    shop.send(cart(at(0), *(f"product-{number}" for number in range(100_000))))
    shop.wait_until(day(1))
    (trigger,) = shop.triggers
    assert isinstance(trigger.cart, dict)
    assert len(trigger.cart["items"]) == 100
    assert len(shop.durable[b"ann"]) < 5_000


def test_ten_thousand_looks_stay_small() -> None:
    shop = Shop()
    for number in range(10_000):
        shop.send(viewed(at(0) + number, f"product-{number // 2}"))
    shop.wait_until(day(2))
    assert [t.evidence["product_id"] for t in shop.triggers] == ["product-4999"]
    assert len(shop.durable[b"ann"]) < 2_000
