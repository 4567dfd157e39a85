"""What is left of customers who do not come back: less and less, at the same instants however they are worked on."""

import pytest

from agents.rulebook.rules import CartAbandoned, Rules
from tables.customer import Profile
from tables.events import CustomerUpdated
from tables.orders import DAY
from tables.retention import BROWSING, NAMES
from tests.support.core import HOUR, STYLES, Shop, Style, added, day, erased, fresh_id, hour, order, viewed

EACH_STYLE = pytest.mark.parametrize("style", STYLES)


def shop_of(style: Style) -> Shop:
    return Shop(style=style)


def updated(at: int, country: str) -> CustomerUpdated:
    return CustomerUpdated(event_id=fresh_id(), customer_id="ann", occurred_at=at, country=country)


@EACH_STYLE
def test_who_never_ordered_is_forgotten_altogether(style: Style) -> None:
    shop = shop_of(style)
    shop.send(viewed(hour(0)), added(hour(1)), viewed(hour(2), "rum"), viewed(hour(3), customer="bob"))
    shop.wait_until(hour(2) + BROWSING - 1)
    assert set(shop.durable) == {b"ann", b"bob"}
    assert shop.types == ["cart.abandoned"]
    shop.wait_until(hour(2) + BROWSING)
    assert set(shop.durable) == {b"bob"}
    shop.wait_until(hour(3) + BROWSING)
    assert shop.durable == {}
    assert shop.changelog[-1] == (b"bob", None)
    assert len(shop.core.states) == 0
    assert shop.types == ["cart.abandoned"]
    shop.restart()
    assert len(shop.core.states.timers) == 0


@EACH_STYLE
def test_who_comes_back_in_time_is_remembered(style: Style) -> None:
    shop = shop_of(style)
    for visit in range(5):
        shop.send(viewed(day(90 * visit), f"product-{visit}"))
    shop.settle()
    viewings = shop.customer().viewed
    assert viewings is not None
    assert len(viewings) == 5
    shop.wait_until(day(360) + BROWSING)
    assert shop.durable == {}


@EACH_STYLE
def test_of_who_ordered_the_rhythm_stays(style: Style) -> None:
    shop = shop_of(style)
    for number in range(20):
        shop.send(order(day(30 * number), 20.0 + number, order_id=f"o{number}"))
    last = day(570)
    shop.wait_until(last + NAMES - 1)
    before, size = shop.orders(), len(shop.durable[b"ann"])
    assert len(before.recent) == 12
    shop.wait_until(last + NAMES)
    after = shop.orders()
    assert [found.order_id for found in after.recent] == ["o19"]
    assert (after.count, after.occasions, after.s1, after.s2) == (before.count, before.occasions, before.s1, before.s2)
    assert shop.customer().seen == b""
    assert shop.customer().cart is None
    assert len(shop.durable[b"ann"]) < size / 2
    changes = len(shop.changelog)
    shop.wait_until(day(5000))
    assert len(shop.changelog) == changes, "nothing more happens to it"
    shop.send(order(day(5000), order_id="back"))
    shop.settle()
    assert shop.orders().count == 21
    assert shop.cancellations, "and what was told is still answered"


@EACH_STYLE
def test_the_cart_of_who_ordered_goes_before_the_names(style: Style) -> None:
    shop = shop_of(style)
    shop.send(order(day(0), order_id="one"), order(day(10), order_id="two"), added(day(20)))
    shop.wait_until(day(20) + BROWSING - 1)
    assert shop.customer().cart is not None
    shop.wait_until(day(20) + BROWSING)
    assert shop.customer().cart is None
    assert len(shop.orders().recent) == 2
    assert shop.customer().seen


@EACH_STYLE
def test_consent_is_never_forgotten(style: Style) -> None:
    shop = shop_of(style)
    shop.send(updated(day(0), country="DE"), added(day(1)))
    shop.wait_until(day(5000))
    customer = shop.customer()
    assert customer.profile == Profile(country="DE", updated_at=day(0))
    assert (customer.seen, customer.cart, customer.open) == (b"", None, [])


@EACH_STYLE
def test_who_left_nothing_but_an_id_is_forgotten(style: Style) -> None:
    """Imported views are not remembered, and their ids need not be for ever."""
    shop = shop_of(style)
    shop.send(viewed(day(0), backfill=True))
    shop.settle()
    assert set(shop.durable) == {b"ann"}
    shop.wait_until(day(0) + BROWSING)
    assert shop.durable == {}


def test_the_offsets_of_who_was_forgotten_hold_within_a_batch() -> None:
    """At least once: the customer goes and comes again in one batch, which is then applied a second time."""
    shop = Shop(track=True)
    first, second = viewed(day(0)), viewed(day(200))
    shop.send_at(first, 7)
    shop.send_at(second, 8)
    shop.settle()
    assert shop.customer().applied == [-1, -1, 8]
    shop.send_at(first, 7)
    shop.settle()
    assert shop.core.counts["repeated"] == 1
    viewings = shop.customer().viewed
    assert viewings is not None
    assert [seen.times for seen in viewings.values()] == [1]


def test_who_was_forgotten_and_erased_leaves_nothing() -> None:
    shop = Shop()
    shop.send(viewed(day(0)))
    shop.wait_until(day(200))
    shop.send(erased(day(201)))
    shop.settle()
    assert shop.durable == {}


def test_robots_that_look_once_do_not_gather() -> None:
    """Fifty new ids a day: there are never more than those of the last hundred days."""
    shop = Shop()
    for number in range(300):
        for robot in range(50):
            shop.send(viewed(day(number, robot / 10), customer=f"{number}-{robot}"))
        shop.settle()
        assert len(shop.durable) <= 50 * (BROWSING // DAY + 1)
        assert len(shop.core.states.timers) <= 10_000 + 3 * len(shop.durable)
    assert len(shop.durable) >= 50 * BROWSING // DAY


def test_it_is_forgotten_after_a_change_of_rules_too() -> None:
    shop = Shop()
    shop.send(viewed(day(0)), viewed(day(0), customer="bob", backfill=True))
    shop.restart(Rules(cart_abandoned=CartAbandoned(after=HOUR)))
    shop.wait_until(day(1))
    assert set(shop.durable) == {b"ann"}, "an id alone is not planned anew"
    shop.wait_until(day(0) + BROWSING)
    assert shop.durable == {}
