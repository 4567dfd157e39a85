"""Batches of the core: order, a full one, one that comes again."""

import random
from collections.abc import Callable

import pytest

from agents.core import Core
from agents.decisions import Trigger
from agents.rulebook.rules import Rules
from tables.customer import NEVER
from tables.customerform import read_head
from tables.events import SOURCES, AnyEvent
from tables.orders import DAY
from tables.parameters import BUILTIN
from tests.support.core import (
    MINUTE,
    ROOM,
    Shop,
    added,
    checkout,
    day,
    erased,
    order,
    removed,
    source_of,
    time_of,
    viewed,
)

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
        done = shop.core.advance(day(399), 20, live_from=NEVER)
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
    tombstones = {key: [*applied] for key, applied in shop.core.gone.items()}
    deliver(shop, events[split:])
    settled = shop.core.settle()
    once = [d.message_id for d in settled.decisions]

    final = dict(durable)
    half = dict(durable)
    for number, (key, value) in enumerate(settled.changes.items()):
        for states in (final, half) if number < len(settled.changes) // 2 else (final,):
            if value is None:
                states.pop(key, None)
                if states is half:
                    tombstones[key] = settled.erased[key]
            else:
                states[key] = value
    again = Shop(track=True)
    again.durable, again.reached = dict(half), reached
    again.core = again._new_core()
    again.core.gone.update(tombstones)
    deliver(again, events[split:])
    again.settle()
    assert {key: value[13:] for key, value in again.durable.items()} == {k: v[13:] for k, v in final.items()}
    assert len(set(once)) == len(once)
    # who was erased by then is built anew, in part, up to the erasure, which takes back whatever that led to
    gone = {key.decode() for key, value in settled.changes.items() if value is None}
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


@pytest.mark.parametrize("orders", [1, 2, 5])
@pytest.mark.parametrize("again", [False, True])
def test_after_a_restart_an_order_has_nobody_woken_for_nothing(orders: int, again: bool) -> None:
    """The timer of the cart that it empties is not looked at before it is due: what is durable knows better."""
    shop = Shop()
    for number in range(orders):
        at = day(7 * number)
        shop.wait_until(at)
        shop.send(added(at), order(at + MINUTE, order_id=f"o{number}"))
    if again:
        shop.send(order(at + 2 * MINUTE, order_id=f"o{number}"))
    assert shop.core.next_due == at + Rules().cart_abandoned.after
    shop.settle()
    known = shop.orders()
    looked_at = min(due for due in (known.due_at, known.overdue_at) if due)
    assert read_head(shop.durable[b"ann"])[1] == looked_at
    shop.restart()
    shop.wait_until(looked_at - 1)
    assert shop.types == []
    shop.wait_until(looked_at)
    assert len(shop.types) == 1


def test_what_comes_after_an_order_is_looked_at_in_time() -> None:
    shop = Shop()
    shop.send(added(day(0)), order(day(0) + MINUTE), added(day(0) + 2 * MINUTE))
    shop.restart()
    shop.wait_until(day(0) + 2 * MINUTE + Rules().cart_abandoned.after)
    assert shop.types == ["cart.abandoned"]


# --- bounds ----------------------------------------------------------------------------------------------------------


def test_a_core_is_one_partitions_alone() -> None:
    first, second = Core(Rules(), BUILTIN), Core(Rules(), BUILTIN)
    event = added(day(0))
    first.emitter.now = day(0)
    first.take(2, 0, b"ann", event, day(0))
    assert second.settle().changes == {}
    assert list(first.settle().changes) == [b"ann"]
