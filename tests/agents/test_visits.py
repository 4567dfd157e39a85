"""Visits wait with their customer, unopened, and nobody can tell."""

import random
from collections.abc import Callable

import msgspec
import pytest

from agents.rulebook.rules import BrowseAbandoned, CartAbandoned, Rules
from agents.visits import leave_visit
from tables.customer import Customer
from tables.customerform import HEAD_SIZE, VERSION, pack, unpack
from tables.events import AnyEvent, CustomerUpdated
from tables.retention import BROWSING
from tables.visitform import MOST
from tests.support.core import (
    HOUR,
    Shop,
    Style,
    added,
    cart,
    checkout,
    cleared,
    day,
    erased,
    hour,
    in_cart,
    order,
    removed,
    viewed,
)


def waiting(shop: Shop, customer: str = "ann") -> int:
    """How many visits wait in the durable state."""
    return shop.durable[customer.encode()][HEAD_SIZE]


def random_events(seed: int) -> list[AnyEvent]:
    """Some weeks of three customers, most of it visits; late, twice, as import."""
    rng = random.Random(seed)
    kinds: list[Callable[..., AnyEvent]] = [added] * 12 + [viewed] * 8 + [order, removed, cart, cleared, checkout]
    kinds += [erased] if rng.random() < 0.3 else []
    events: list[AnyEvent] = []
    at = day(0)
    for number in range(rng.randint(10, 120)):
        at += rng.choice((1, 1000, HOUR // 4, HOUR // 4, 3 * HOUR))
        late = rng.choice((0, 0, 0, 1000, 2 * HOUR))
        event: AnyEvent = rng.choice(kinds)(
            at - late, customer=rng.choice(("ann", "bob", "ann-marie")), event_id=f"e{number}"
        )
        if hasattr(event, "product_id"):
            event.product_id = f"p{rng.choice((1, 2, 3, 11, 12))}"
        if hasattr(event, "backfill"):
            event.backfill = rng.random() < 0.1
        events.append(event)
        if rng.random() < 0.1:
            events.append(rng.choice(events))
    return events


def decided(shop: Shop) -> list[bytes]:
    return [msgspec.json.encode(decision) for decision in shop.decisions]


def states(shop: Shop) -> dict[bytes, Customer]:
    """What is known of customers, whoever wrote it, and whenever timers look at it."""
    found = {key: unpack(packed) for key, packed in shop.durable.items()}
    for customer in found.values():
        customer.applied = None
        customer.wake = 0
    return found


@pytest.mark.parametrize("style", ["one batch", "batch per event", "restart per event"])
@pytest.mark.parametrize("seed", range(40))
def test_nothing_depends_on_whether_they_wait(seed: int, style: Style) -> None:
    """Where offsets are tracked, every event opens its customer."""
    rules = Rules(browse_abandoned=BrowseAbandoned(enabled=True, views=random.Random(seed).choice((1, 2, 3))))
    wait, open_all = Shop(rules, style=style), Shop(rules, style=style, track=True)
    waited = 0
    for event in random_events(seed):
        for shop in (wait, open_all):
            shop.send(event)
        if style != "one batch":
            waited += sum(packed[HEAD_SIZE] for packed in wait.durable.values())
            assert states(wait) == states(open_all)
    for shop in (wait, open_all):
        shop.settle()
    assert states(wait) == states(open_all)
    for shop in (wait, open_all):
        shop.wait_until(day(30))
    assert decided(wait) == decided(open_all)
    assert states(wait) == states(open_all)
    assert waited or style == "one batch"
    assert not any(packed[HEAD_SIZE] for packed in open_all.durable.values())
    assert wait.core.counts.get("duplicate") == open_all.core.counts.get("duplicate") or style == "restart per event"


def test_the_random_events_hold_triggers_of_all_that_waits() -> None:
    """Else the test above would show little."""
    rules = Rules(browse_abandoned=BrowseAbandoned(enabled=True, views=2))
    found = set()
    for seed in range(40):
        shop = Shop(rules)
        shop.send(*random_events(seed))
        shop.wait_until(day(30))
        found.update(shop.types)
    assert {"cart.abandoned", "checkout.abandoned", "browse.abandoned", "cart.abandoned.cancelled"} <= found


def test_what_waits_is_told_in_the_trigger() -> None:
    shop = Shop(style="batch per event")
    shop.send(added(hour(0), "tea"), added(hour(1), "pot", 2.0), added(hour(2), "tea"))
    assert waiting(shop) == 2
    shop.wait_until(day(1))
    (trigger,) = shop.triggers
    assert in_cart(trigger) == [("tea", 2.0), ("pot", 2.0)]
    assert trigger.evidence["untouched_since"] == "2024-01-01T02:00:00.000Z"
    assert waiting(shop) == 0


def test_a_visit_of_a_customer_without_a_timer_sets_one() -> None:
    shop = Shop(style="restart per event")
    shop.send(order(hour(0)), viewed(hour(1)), added(hour(2), "pot"))
    assert waiting(shop) == 2
    shop.wait_until(hour(2) + shop.rules.cart_abandoned.after - 1)
    assert shop.triggers == []
    shop.wait_until(hour(2) + shop.rules.cart_abandoned.after)
    assert [in_cart(trigger) for trigger in shop.triggers] == [[("pot", 1.0)]]


def test_a_visit_that_comes_again_while_it_waits_changes_nothing() -> None:
    shop = Shop(style="batch per event")
    shop.send(added(hour(0)), added(hour(1), "pot", event_id="x"), added(hour(1), "pot", event_id="x"))
    cart = shop.customer().cart
    assert cart is not None
    assert cart.lines["pot"].quantity == 1.0
    assert shop.core.counts["duplicate"] == 1


def test_so_many_wait_then_they_are_applied() -> None:
    shop = Shop(style="batch per event")
    found = []
    for number in range(2 * MOST + 3):
        shop.send(viewed(hour(number), f"p{number}"))
        found.append(waiting(shop))
    assert found == [0, *range(1, MOST + 1), 0, *range(1, MOST + 1), 0]


def test_a_product_looked_at_again_is_not_left_waiting() -> None:
    """It may be looked at often enough now."""
    shop = Shop(Rules(browse_abandoned=BrowseAbandoned(enabled=True, views=3)), style="restart per event")
    shop.send(viewed(hour(0)), viewed(hour(1), "pot"), viewed(hour(2), "pot"), viewed(hour(3), "pot"))
    shop.wait_until(day(9))
    (trigger,) = shop.triggers
    assert (trigger.type, trigger.evidence["product_id"], trigger.evidence["views"]) == ("browse.abandoned", "pot", 3)


def test_a_rule_that_is_off_sets_no_timer() -> None:
    shop = Shop(Rules(cart_abandoned=CartAbandoned(enabled=False)), style="batch per event")
    shop.send(added(hour(0)), added(hour(1), "pot"))
    assert waiting(shop) == 1
    assert shop.core.next_due > day(90)


def test_what_waits_is_forgotten_in_time() -> None:
    shop = Shop(style="batch per event")
    shop.send(CustomerUpdated(event_id="u", customer_id="ann", occurred_at=day(0), country="DE"), viewed(hour(1)))
    assert waiting(shop) == 1
    shop.wait_until(hour(1) + BROWSING - 1)
    assert shop.customer().viewed is not None
    shop.wait_until(hour(1) + BROWSING)
    assert (shop.customer().viewed, waiting(shop)) == (None, 0)


def test_who_is_unknown_or_held_or_of_an_older_form_is_opened() -> None:
    shop = Shop()
    states, carts = shop.core.states, shop.core._carts
    event = added(hour(0))
    assert not leave_visit(states, carts, b"ann", b"12345678", event, hour(0))
    customer = states.open(b"ann")
    states.hold(b"ann", customer)
    assert not leave_visit(states, carts, b"ann", b"12345678", event, hour(0))
    states.close(b"ann", customer)
    assert leave_visit(states, carts, b"ann", b"12345678", event, hour(0))
    packed = pack(Customer(), 1)
    states.restore({b"bob": bytes([VERSION - 1]) + packed[1:HEAD_SIZE] + packed[HEAD_SIZE + 3 :]})
    states.ready()
    assert not leave_visit(states, carts, b"bob", b"12345678", event, hour(0))
