"""Any log, cut anyhow: neither batches nor restarts nor partitions change a decision."""

import json
import random
from collections import Counter
from collections.abc import Callable
from functools import partial

import msgspec
import pytest

from agents.decisions import Decision
from agents.rulebook.rules import (
    CartAbandoned,
    CheckoutAbandoned,
    FirstPurchaseLapsed,
    LoyalAtRisk,
    ProductReplenishDue,
    RepurchaseDue,
    Rules,
)
from streams.backtest import backtest
from tables.customerform import HEAD_SIZE, pack, unpack
from tables.events import CARTS, CUSTOMERS, PURCHASES, SOURCES, AnyEvent, OrderCancelled, OrderCompleted
from tables.orders import DAY
from tables.standing import Standing
from tests.support.core import (
    HOUR,
    MINUTE,
    T0,
    added,
    cancelled,
    cart,
    checkout,
    cleared,
    day,
    encode,
    erased,
    item,
    order,
    removed,
    source_of,
    time_of,
    viewed,
)
from tests.support.pipes import KEY, QUICK, Line, Run, by_customer, mark, merged, replayed, sent, write, write_marks

SENSITIVE = Rules(
    repurchase_due=RepurchaseDue(min_orders=1),
    first_purchase_lapsed=FirstPurchaseLapsed(window=0.5, horizon=2 * DAY, probability=0.3),
    product_replenish_due=ProductReplenishDue(spread=500.0, together=2 * DAY),
    loyal_at_risk=LoyalAtRisk(min_orders=2, alive=0.9),
    cart_abandoned=CartAbandoned(max_age=DAY),
    checkout_abandoned=CheckoutAbandoned(after=2 * HOUR),
)
KNOWN = msgspec.structs.replace(QUICK, standing=Standing({"EUR": (100.0,) * 10}, {}))
"""A shop in which who has spent 100 EUR is loyal."""


def random_log(seed: int) -> list[Line]:
    """A month of a small shop: late and repeated events, rubbish, an erasure, some seeds with an import at first."""
    rng = random.Random(seed)
    customers = [f"c{number}" for number in range(rng.randint(1, 9))]
    kinds: list[Callable[..., AnyEvent]] = [order] * 6 + [added] * 6 + [viewed] * 4 + [checkout, removed, cart, cleared]
    kinds += [partial(cancelled, order_id="unknown")]
    kinds += [erased] if rng.random() < 0.5 else []
    step = rng.choice((MINUTE, HOUR, 1))
    import_until = T0 + rng.choice((0, 0, 5, 15, 99)) * DAY
    events: list[AnyEvent] = []
    placed: list[OrderCompleted] = []
    at = T0
    for number in range(rng.randint(20, 160)):
        at += rng.choice((0, 1, 5, 20)) * step * rng.randint(1, 12)
        event = rng.choice(kinds)(at, customer=rng.choice(customers), event_id=f"e{number}")
        if hasattr(event, "product_id"):
            event.product_id = f"p{rng.randint(0, 2)}"
        if hasattr(event, "total"):
            event.total = rng.choice((0.0, 5.0, 50.0, 55.0, 500.0))
        if isinstance(event, OrderCompleted):
            event.items = [item(f"p{rng.randint(0, 2)}", rng.choice((0.5, 1.0, 3.0))) for _ in range(rng.randint(0, 2))]
            placed.append(event)
        if isinstance(event, OrderCancelled) and placed:
            order_placed = rng.choice(placed[-6:])
            event.order_id, event.customer_id = order_placed.order_id, order_placed.customer_id
        event.backfill = at < import_until
        events.append(event)
    for _ in range(rng.randint(0, len(events) // 4)):  # late, twice
        place = rng.randrange(len(events))
        event = events[place] if rng.random() < 0.3 else events.pop(place)
        events.insert(min(len(events), place + rng.randint(1, 30)), event)
    lines = [Line(source_of(e), e.customer_id.encode(), encode(e), time_of(e)) for e in events]
    for _ in range(rng.randint(0, 6)):
        refused = {"type": "order.cancelled", "customer_id": "c0", "event_id": "x"}
        lines.insert(rng.randrange(len(lines)), Line(PURCHASES, b"c0", json.dumps(refused).encode(), None))
    return lines


def serial(lines: list[Line]) -> list[Decision]:
    """The backtest: one core, one line after the other."""
    found: list[Decision] = []
    backtest(merged(lines, T0), SENSITIVE, KNOWN, wall=1 << 43, emit=found.append)
    return found


def through_partitions(lines: list[Line], partitions: int, rng: random.Random) -> list[Run]:
    topics = replayed(merged(lines, T0), partitions, marks_every=rng.choice((1, 3, 20, 1000)))
    runs = [Run(topics[number], rules=SENSITIVE, parameters=KNOWN) for number in range(partitions)]
    for run in runs:
        run.at_random(rng)
        assert run.pipeline.merge.waiting == 0
    return runs


@pytest.mark.parametrize("seed", range(40))
def test_neither_batches_nor_restarts_nor_partitions_change_a_decision(seed: int) -> None:
    lines = random_log(seed)
    wanted = by_customer(serial(lines))
    for partitions in (1, 2, 4, 7):
        runs = through_partitions(lines, partitions, random.Random(seed + partitions))
        assert by_customer(decision for run in runs for decision in run.decisions) == wanted
        rubbish = [line for line in lines if line.at is None]
        assert sorted(letter.record.value or b"" for run in runs for letter in run.dead) == sorted(
            line.value for line in rubbish
        )


def test_the_random_logs_hold_every_kind_of_decision() -> None:
    """Else the test above would show little."""
    found: Counter[str] = Counter()
    for seed in range(40):
        found.update(decision.type for decision in serial(random_log(seed)))
    kinds = set(Rules().versions)
    assert kinds <= set(found)
    assert {f"{kind}.cancelled" for kind in kinds if not kind.startswith("basket.")} <= set(found)


def known(run: Run) -> dict[bytes, bytes]:
    """What is known of customers, whenever timers look at it, and whether visits wait."""
    return {key: pack(unpack(packed), 0)[HEAD_SIZE:] for key, packed in run.states.items()}


@pytest.mark.parametrize("seed", range(40, 52))
def test_what_is_taken_is_the_same_after_restarts(seed: int) -> None:
    """Also the time by which each record was decided, which a position has to carry over."""
    lines = random_log(seed)
    (topics,) = replayed(merged(lines, T0), 1, marks_every=5)
    whole, cut = (Run(topics, rules=SENSITIVE, parameters=KNOWN) for _ in range(2))
    for source in range(3):
        whole.fetch(source)
    whole.work_all()
    cut.at_random(random.Random(seed))
    assert by_customer(cut.decisions) == by_customer(whole.decisions)
    assert [letter[:2] for letter in cut.dead] == [letter[:2] for letter in whole.dead]
    assert known(cut) == known(whole)
    assert sum(sum(o.events.values()) for o in cut.outcomes) == len([line for line in lines if line.at is not None])
    assert cut.outcomes[-1].now == whole.outcomes[-1].now


def test_a_record_refused_behind_a_mark_keeps_its_place_over_a_restart() -> None:
    """The late order after it was decided on at the mark's time, and is so again."""
    run = Run(parameters=QUICK)
    write(run, order(day(1)))
    run.write(PURCHASES, mark(day(9)), (KEY, b"rubbish"), *sent(order(day(2))))
    run.write(CUSTOMERS, mark(day(1.5)))
    run.write(CARTS, mark(day(1.5)))
    for source in range(3):
        run.fetch(source)
    run.work()
    run.restart()
    write_marks(run, day(20))
    for source in range(3):
        run.fetch(source)
    entries = run.pipeline.merge.feeds[SOURCES.index(PURCHASES)].entries
    assert [effective for effective, *_ in entries] == [day(9), day(9)]
    run.work()
    assert run.outcomes[-1].now == day(9)
