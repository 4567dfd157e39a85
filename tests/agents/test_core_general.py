"""What holds for the core whatever the rule: duplicates, erasure, redelivery, full batches, changed rules, bounds."""

import random
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agents.core import Core
from agents.decisions import FAMILIES, Cancellation, RuleRef, Trigger, iso, spell, trigger_id
from agents.rules import NAMES, BasketShrunk, CartAbandoned, RepurchaseDue, Rules, load_rules
from tables.customer import MAX_OPEN, NEVER, read_head
from tables.events import (
    SOURCES,
    AnyEvent,
    Consent,
    CustomerMerged,
    CustomerUpdated,
    OrderCancelled,
    OrderRefunded,
)
from tables.orders import DAY
from tables.parameters import BUILTIN, Parameters
from tests.support.core import (
    HOUR,
    MINUTE,
    ROOM,
    STYLES,
    Shop,
    Style,
    added,
    checkout,
    day,
    erased,
    fresh_id,
    order,
    removed,
    source_of,
    time_of,
    viewed,
)


@pytest.fixture(params=STYLES)
def shop(request: pytest.FixtureRequest) -> Shop:
    style: Style = request.param
    return Shop(style=style)


# --- ids and words ---------------------------------------------------------------------------------------------------


def test_a_trigger_id_is_a_uuid_of_version_5_and_of_all_four() -> None:
    rule = RuleRef("cart.abandoned", "1-0")
    found = {
        trigger_id(rule, "ann", "e1"),
        trigger_id(rule, "ann", "e2"),
        trigger_id(rule, "bob", "e1"),
        trigger_id(RuleRef("cart.abandoned", "1-1"), "ann", "e1"),
        trigger_id(RuleRef("checkout.abandoned", "1-0"), "ann", "e1"),
    }
    assert len(found) == 5
    assert all(text[14] == "5" and text[19] in "89ab" and len(text) == 36 for text in found)
    assert trigger_id(rule, "ann", "e1") == trigger_id(RuleRef("cart.abandoned", "1-0"), "ann", "e1")


def test_no_two_customers_share_an_id_whatever_their_names() -> None:
    rule = RuleRef("cart.abandoned", "1-0")
    assert trigger_id(rule, "shop|1", "2") != trigger_id(rule, "shop", "1|2")
    assert trigger_id(rule, "köln", "e") != trigger_id(rule, "koln", "e")


def test_every_rule_has_a_topic_and_the_other_way_round() -> None:
    assert set(FAMILIES) == set(NAMES)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 seconds"),
        (1_000, "1 second"),
        (90_000, "90 seconds"),
        (MINUTE, "1 minute"),
        (90 * MINUTE, "90 minutes"),
        (HOUR, "1 hour"),
        (4 * HOUR, "4 hours"),
        (36 * HOUR, "36 hours"),
        (DAY, "1 day"),
        (90 * DAY, "90 days"),
    ],
)
def test_durations_in_words(ms: int, text: str) -> None:
    assert spell(ms) == text


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (631_152_000_000, "1990-01-01T00:00:00.000Z"),
        (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
        (1_709_251_200_000, "2024-03-01T00:00:00.000Z"),
        (1_709_251_200_001, "2024-03-01T00:00:00.001Z"),
        (4_102_444_799_007, "2099-12-31T23:59:59.007Z"),
    ],
)
def test_instants_in_utc(at: int, text: str) -> None:
    assert iso(at) == text


# --- erasure ---------------------------------------------------------------------------------------------------------


def test_an_erasure_leaves_a_tombstone_and_cancels_what_is_open(shop: Shop) -> None:
    shop.send(order(day(0)), order(day(30)), added(day(31)))
    shop.wait_until(day(1000))
    fired = shop.triggers
    assert len(fired) == 3
    shop.send(erased(day(1001), event_id="gone"))
    shop.settle()
    assert {c.trigger_id for c in shop.cancellations} == {t.trigger_id for t in fired}
    assert len(shop.cancellations) == 3
    for cancelled in shop.cancellations:
        assert cancelled.cause == {"type": "customer.erased", "event_id": "gone"}
        assert cancelled.reason == "the customer was erased"
        assert cancelled.cancelled_at == iso(day(1001))
    assert shop.durable == {}
    assert shop.changelog[-1] == (b"ann", None)


def test_an_erased_customers_timers_are_gone(shop: Shop) -> None:
    shop.send(order(day(0)), order(day(30)), added(day(31)), erased(day(31, 1)))
    assert shop.wait_until(day(4000)) == []
    assert len(shop.core.states) == 0


def test_after_an_erasure_all_starts_anew(shop: Shop) -> None:
    shop.send(order(day(0), order_id="o", event_id="e"), order(day(30)), added(day(31)), erased(day(31, 1)))
    shop.send(order(day(40), order_id="o", event_id="e"), added(day(41)))
    shop.wait_until(day(42))
    orders = shop.customer().orders
    assert orders is not None
    assert (orders.count, orders.first_at) == (1, day(40))
    assert [(t.type, t.due_at) for t in shop.triggers] == [("cart.abandoned", iso(day(41, 4)))]


def test_erasing_the_unknown_writes_nothing(shop: Shop) -> None:
    shop.send(erased(day(0)), erased(day(0)))
    shop.settle()
    assert shop.durable == {}
    assert shop.decisions == []
    assert all(value is None for _, value in shop.changelog) or shop.changelog == []


def test_born_and_erased_in_one_batch_leaves_no_trace() -> None:
    shop = Shop()
    shop.send(order(day(0)), added(day(0)), erased(day(0, 1)))
    shop.settle()
    assert shop.changelog == []


# --- events that change little ---------------------------------------------------------------------------------------


def test_merged_and_updated_do_no_harm(shop: Shop) -> None:
    quiet = Shop()
    for each in (shop, quiet):
        each.send(order(day(0), event_id="1", order_id="1"), order(day(30), event_id="2", order_id="2"))
        if each is shop:
            each.send(
                CustomerMerged(event_id=fresh_id(), customer_id="ann", occurred_at=day(30), previous_id="bob"),
                CustomerUpdated(
                    event_id=fresh_id(),
                    customer_id="ann",
                    occurred_at=day(30),
                    consent=Consent(email=True, sms=False),
                    timezone="Europe/Berlin",
                    country="DE",
                    attributes={"vip": [1, None]},
                ),
            )
        each.send(added(day(31), event_id="3"))
        each.wait_until(day(2000))
    assert [(d.type, d.message_id, d.at) for d in shop.decisions] == [
        (d.type, d.message_id, d.at) for d in quiet.decisions
    ]
    profile = shop.customer().profile
    assert profile is not None
    assert (profile.email, profile.sms, profile.push) == (True, False, None)
    assert (profile.timezone, profile.country) == ("Europe/Berlin", "DE")


def test_an_older_update_does_not_overwrite(shop: Shop) -> None:
    def update(at: int, email: bool | None, country: str | None = None) -> CustomerUpdated:
        return CustomerUpdated(
            event_id=fresh_id(), customer_id="ann", occurred_at=at, consent=Consent(email=email), country=country
        )

    shop.send(update(day(2), email=False), update(day(1), email=True, country="FR"), update(day(3), email=None))
    shop.settle()
    profile = shop.customer().profile
    assert profile is not None
    assert (profile.email, profile.country, profile.updated_at) == (False, None, day(3))


def test_returns_are_kept_with_the_order(shop: Shop) -> None:
    def refund(order_id: str, amount: float | None) -> OrderRefunded:
        return OrderRefunded(
            event_id=fresh_id(), customer_id="ann", occurred_at=day(1), order_id=order_id, amount=amount
        )

    shop.send(*(order(day(0), 50.0, order_id=f"o{n}") for n in range(4)))
    shop.send(refund("o0", 20.0), refund("o0", 10.0), refund("o1", None), refund("o2", 999.0), refund("unknown", 5.0))
    shop.send(OrderCancelled(event_id=fresh_id(), customer_id="ann", occurred_at=day(1), order_id="o3"))
    shop.settle()
    orders = shop.customer().orders
    assert orders is not None
    assert {o.order_id: o.returned for o in orders.recent} == {"o0": 30.0, "o1": 50.0, "o2": 50.0, "o3": 50.0}
    assert shop.decisions == []


def test_events_that_change_nothing_are_counted_by_why() -> None:
    shop = Shop()
    first = order(day(0), order_id="o")
    shop.send(first, first, order(day(1), order_id="o"))
    shop.send(
        CustomerMerged(event_id=fresh_id(), customer_id="ann", occurred_at=day(1), previous_id="b"),
        OrderCancelled(event_id=fresh_id(), customer_id="ann", occurred_at=day(1), order_id="unknown"),
    )
    assert shop.core.counts == {"duplicate": 2, "ignored": 2}


# --- open triggers ---------------------------------------------------------------------------------------------------


def test_many_carts_do_not_push_out_what_lasts_longer(shop: Shop) -> None:
    shop.send(order(day(0)), order(day(30)))
    shop.wait_until(day(1500))
    overdue = [t for t in shop.triggers if t.type == "repurchase.overdue"]
    assert len(overdue) == 1
    opened_at = next(o.fired_at for o in shop.customer().open if o.rule == "repurchase.overdue")
    second = Shop(style=shop.style)
    second.send(order(day(0)), order(day(30)))
    second.wait_until(opened_at)
    for number in range(20):
        second.send(added(opened_at + (number + 1) * 12 * HOUR))
    second.wait_until(opened_at + 15 * DAY)
    assert len(second.customer().open) == MAX_OPEN
    second.send(order(opened_at + 15 * DAY + HOUR))
    second.settle()
    assert "repurchase.overdue.cancelled" in second.types
    assert len(second.cancellations) == MAX_OPEN


# --- batches ---------------------------------------------------------------------------------------------------------


def test_timers_fire_in_order_of_due_time_across_customers(shop: Shop) -> None:
    for number in (5, 3, 9, 1, 7):
        shop.send(added(day(0), customer=f"c{number}", event_id=f"x{number}"))
    for number in (5, 3, 9, 1, 7):
        shop.send(added(day(0) + number * MINUTE, "pot", customer=f"c{number}"))
    shop.wait_until(day(1))
    assert [t.customer_id for t in shop.triggers] == ["c1", "c3", "c5", "c7", "c9"]


@pytest.mark.parametrize("room", [1, 2, 7, 100])
def test_a_full_batch_stops_in_between_and_goes_on(room: int) -> None:
    def filled() -> Shop:
        shop = Shop()
        for number in range(20):
            shop.send(added(day(0) + number, customer=f"c{number}", event_id=f"e{number}"))
        shop.settle()
        return shop

    whole, parted = filled(), filled()
    whole.wait_until(day(2))
    rounds = 0
    done = False
    while not done:
        done = parted.core.advance(day(2), room)
        found = parted.settle()
        assert len(found) <= room
        rounds += 1
    assert rounds >= -(-20 // room)
    assert [d.message_id for d in parted.decisions] == [d.message_id for d in whole.decisions]


def test_customers_left_in_peace_fill_a_batch_too() -> None:
    """An import wakes many and tells of none: their changes must not gather without end."""
    shop = Shop()
    for number in range(50):
        shop.send(order(day(0) + number, customer=f"c{number}", backfill=True))
    shop.settle()
    counts = []
    done = False
    while not done:
        done = shop.core.advance(day(3000), 20, live_from=NEVER)
        before = len(shop.changelog)
        assert shop.settle() == []
        counts.append(len(shop.changelog) - before)
    assert counts == [20, 20, 10]


def deliver(shop: Shop, events: list[tuple[AnyEvent, int]]) -> None:
    """A batch of events with their offsets, not settled yet."""
    for event, offset in events:
        at = max(shop.reached, time_of(event))
        shop.core.advance(at, ROOM)
        shop.core.emitter.now = shop.reached = at
        shop.core.take(SOURCES.index(source_of(event)), offset, event.customer_id.encode(), event, time_of(event))
    shop.core.advance(shop.reached + 1, ROOM)


@pytest.mark.parametrize("seed", range(30))
def test_a_batch_that_comes_again_changes_nothing(seed: int) -> None:
    """at_least_once: outputs were sent, some of the states were written, then the worker died."""
    rng = random.Random(seed)
    customers = ["ann", "bob", "carl", "dora"]
    offsets = dict.fromkeys(SOURCES, 0)

    def made(at: int) -> AnyEvent:
        name = rng.choice(customers)
        kinds: list[Callable[..., AnyEvent]] = [order, added, added, removed, viewed, viewed, checkout, erased]
        return rng.choice(kinds)(at, customer=name)

    def numbered(event: AnyEvent) -> tuple[AnyEvent, int]:
        source = source_of(event)
        offsets[source] += 1
        return event, offsets[source]

    times = sorted(rng.randrange(0, 40 * 24) for _ in range(60))
    events = [numbered(made(day(0, hour))) for hour in times]
    split = rng.randrange(10, 50)
    shop = Shop(track=True)
    deliver(shop, events[:split])
    shop.settle()
    durable, reached = dict(shop.durable), shop.reached
    deliver(shop, events[split:])
    settled = shop.core.settle()
    once = [d.message_id for d in settled.decisions]

    final = dict(durable)
    half = dict(durable)
    for number, (key, value) in enumerate(settled.changes):
        for states in (final, half) if number < len(settled.changes) // 2 else (final,):
            if value is None:
                states.pop(key, None)
            else:
                states[key] = value
    again = Shop(track=True)
    again.durable, again.reached = dict(half), reached
    again.core = again._new_core()
    deliver(again, events[split:])
    again.settle()
    assert {key: value[13:] for key, value in again.durable.items()} == {k: v[13:] for k, v in final.items()}
    assert len(set(once)) == len(once)
    # who was erased by then is built anew, in part, up to the erasure, which takes back whatever that led to
    gone = {key.decode() for key, value in settled.changes if value is None}
    new = [d for d in again.decisions if d.message_id not in once]
    assert {d.customer_id for d in new} <= gone
    assert {d.trigger_id for d in new if isinstance(d, Trigger)} <= {c.trigger_id for c in again.cancellations}
    last = shop.reached + 4000 * DAY
    finished = Shop(track=True)
    finished.durable, finished.reached = final, shop.reached
    finished.core = finished._new_core()
    assert [d.message_id for d in again.wait_until(last)] == [d.message_id for d in finished.wait_until(last)]


def test_without_offsets_in_the_state_nothing_is_kept_of_them() -> None:
    shop = Shop()
    shop.send(added(day(0)))
    shop.settle()
    assert shop.customer().applied is None


# --- other rules, other parameters -----------------------------------------------------------------------------------


def test_the_same_rules_wake_nobody() -> None:
    shop = Shop()
    shop.send(order(day(0)), added(day(0), customer="bob"))
    shop.restart()
    assert shop.core.next_due > day(0)


def test_changed_rules_plan_anew_and_tell_nothing_twice(tmp_path: Path) -> None:
    shop = Shop()
    shop.send(order(day(0)), order(day(30)))
    shop.wait_until(day(1000))
    shop.send(order(day(0), customer="bob"), added(day(1000), customer="carl"))
    told = [t.message_id for t in shop.triggers]
    assert len(told) == 2
    path = tmp_path / "rules.toml"
    path.write_text(
        '["repurchase.due"]\nwithin = "100d"\n["repurchase.overdue"]\nwindow = 0.5\n["cart.abandoned"]\nafter = "2h"\n'
    )
    shop.restart(load_rules(path))
    assert shop.core.next_due == 0
    shop.wait_until(day(1000, 3))
    assert [(t.customer_id, t.type, t.due_at) for t in shop.triggers[2:] if t.customer_id != "bob"] == [
        ("carl", "cart.abandoned", iso(day(1000, 2)))
    ]
    assert shop.triggers[-1].rule.version != Rules().versions["cart.abandoned"]
    count = len(shop.decisions)
    shop.restart(Rules())
    shop.wait_until(day(1001))
    assert len(shop.decisions) == count


def test_a_rule_switched_on_finds_who_waits_for_it() -> None:
    shop = Shop(Rules(repurchase_due=RepurchaseDue(enabled=False), cart_abandoned=CartAbandoned(enabled=False)))
    shop.send(order(day(0)), order(day(30)), added(day(30)))
    shop.settle()
    shop.restart(Rules())
    shop.wait_until(day(200))
    assert sorted({t.type for t in shop.triggers} - {"repurchase.overdue"}) == ["cart.abandoned", "repurchase.due"]


def test_other_parameters_move_the_dates() -> None:
    prior = BUILTIN.timing
    slower = Parameters(
        version="slow",
        timing=type(prior)(prior.mu0 + 1, prior.tau2, prior.a, prior.b, prior.weights),
        basket=BUILTIN.basket,
    )
    shop, plain = Shop(), Shop()
    for each in (shop, plain):
        each.send(order(day(0), order_id="1"), order(day(30), order_id="2"))
        each.settle()
    shop.restart(parameters=slower)
    for each in (shop, plain):
        each.wait_until(day(4000))
    moved, before = shop.triggers[0], plain.triggers[0]
    assert moved.due_at > before.due_at
    assert (moved.evidence["parameters"], before.evidence["parameters"]) == ("slow", BUILTIN.version)
    assert moved.trigger_id == before.trigger_id, "the cause and the rule are the same"


def test_planning_anew_goes_in_steps() -> None:
    shop = Shop()
    for number in range(100):
        shop.send(order(day(0) + number, customer=f"c{number}"))
    shop.restart(Rules(basket_shrunk=BasketShrunk(p=0.02)))
    steps = 0
    while not shop.core.advance(day(0, 1), 30):
        settled = shop.core.settle()
        assert len(settled.changes) <= 30
        for _, value in settled.changes:
            assert value is not None
            assert read_head(value)[1] > day(1)
        shop.core.adopt()
        steps += 1
    assert steps == 3
    assert len(shop.core.settle().changes) == 10


# --- bounds ----------------------------------------------------------------------------------------------------------


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
    assert max(costs) <= 1.5 * min(costs) + 50, "the last order costs what the first did"
    orders = shop.customer().orders
    assert orders is not None
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
    orders = shop.customer().orders
    assert orders is not None
    assert orders.count == 1
    assert len(shop.durable[b"ann"]) < 200


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


def test_a_core_is_one_partitions_alone() -> None:
    first, second = Core(Rules(), BUILTIN), Core(Rules(), BUILTIN)
    event = added(day(0))
    first.emitter.now = day(0)
    first.take(2, 0, b"ann", event, day(0))
    assert second.settle().changes == []
    assert [key for key, _ in first.settle().changes] == [b"ann"]


def test_decisions_are_of_two_kinds_only(shop: Shop) -> None:
    shop.send(added(day(0)))
    shop.wait_until(day(1))
    shop.send(order(day(2)))
    shop.settle()
    assert [type(d) for d in shop.decisions] == [Trigger, Cancellation]
