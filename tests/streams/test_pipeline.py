"""One partition number from records to outcomes: the same decisions however it is cut; time as it should go."""

import json
import random
from collections import Counter
from collections.abc import Callable

import pytest

from agents.decisions import Cancellation, Decision, Trigger, iso
from agents.rules import CartAbandoned, CheckoutAbandoned, FirstPurchaseLapsed, RepurchaseDue, Rules
from streams import pipeline
from streams.backtest import backtest
from streams.errors import FloodError
from streams.mark import Position
from streams.pipeline import FloodGuard
from tables.events import CARTS, CUSTOMERS, PURCHASES, SOURCES, AnyEvent
from tables.orders import DAY
from tables.parameters import BasketPrior, Parameters, TimingPrior
from tests.support.core import (
    HOUR,
    MINUTE,
    T0,
    added,
    cart,
    checkout,
    cleared,
    day,
    encode,
    erased,
    order,
    removed,
    source_of,
    time_of,
    viewed,
)
from tests.support.pipes import Kept, Line, Run, by_customer, merged, replayed

KEY = b"ann"
QUICK = Parameters(
    version="test-1",
    timing=TimingPrior(mu0=0.5, tau2=1.0, a=0.3, b=0.6, weights=(0.2, 0.2, 0.2, 0.2, 0.2)),
    basket=BasketPrior(m0=3.5, k0=1.0, a0=3.0, b0=0.5),
)
"""A population that orders about weekly, so that a short log holds every kind of trigger."""
SENSITIVE = Rules(
    repurchase_due=RepurchaseDue(min_orders=1),
    first_purchase_lapsed=FirstPurchaseLapsed(window=0.5, horizon=2 * DAY, probability=0.3),
    cart_abandoned=CartAbandoned(max_age=DAY),
    checkout_abandoned=CheckoutAbandoned(after=2 * HOUR),
)


def sent(*events: AnyEvent) -> list[tuple[bytes, bytes]]:
    return [(event.customer_id.encode(), encode(event)) for event in events]


def write(run: Run, *events: AnyEvent) -> None:
    for event in events:
        run.write(source_of(event), *sent(event))


def mark(at: int, *, backfill: bool = False) -> tuple[None, bytes]:
    return None, json.dumps({"type": "time.mark", "occurred_at": at, "backfill": backfill}).encode()


def write_marks(run: Run, at: int, *, backfill: bool = False) -> None:
    for source in SOURCES:
        run.write(source, mark(at, backfill=backfill))


def live(now: int) -> Run:
    """A worker on the wall clock that has read all there was."""
    run = Run(wall=True, now=now, parameters=QUICK)
    run.catch_up()
    return run


# --- any log, cut anyhow ---------------------------------------------------------------------------------------------


def random_log(seed: int) -> list[Line]:
    """A month of a small shop: late and repeated events, rubbish, an erasure, some seeds with an import at first."""
    rng = random.Random(seed)
    customers = [f"c{number}" for number in range(rng.randint(1, 9))]
    kinds: list[Callable[..., AnyEvent]] = [order] * 6 + [added] * 6 + [viewed] * 4 + [checkout, removed, cart, cleared]
    kinds += [erased] if rng.random() < 0.5 else []
    step = rng.choice((MINUTE, HOUR, 1))
    import_until = T0 + rng.choice((0, 0, 5, 15, 99)) * DAY
    events: list[AnyEvent] = []
    at = T0
    for number in range(rng.randint(20, 160)):
        at += rng.choice((0, 1, 5, 20)) * step * rng.randint(1, 12)
        event = rng.choice(kinds)(at, customer=rng.choice(customers), event_id=f"e{number}")
        if hasattr(event, "product_id"):
            event.product_id = f"p{rng.randint(0, 2)}"
        if hasattr(event, "total"):
            event.total = rng.choice((0.0, 5.0, 50.0, 55.0, 500.0))
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
    backtest(merged(lines, T0), SENSITIVE, QUICK, wall=1 << 43, emit=found.append)
    return found


def through_partitions(lines: list[Line], partitions: int, rng: random.Random) -> list[Run]:
    topics = replayed(merged(lines, T0), partitions, marks_every=rng.choice((1, 3, 20, 1000)))
    runs = [Run(topics[number], rules=SENSITIVE, parameters=QUICK) for number in range(partitions)]
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


@pytest.mark.parametrize("seed", range(40, 52))
def test_what_is_taken_is_the_same_after_restarts(seed: int) -> None:
    """Also the time by which each record was decided, which a position has to carry over."""
    lines = random_log(seed)
    (topics,) = replayed(merged(lines, T0), 1, marks_every=5)
    whole, cut = (Run(topics, rules=SENSITIVE, parameters=QUICK) for _ in range(2))
    for source in range(3):
        whole.fetch(source)
    whole.work_all()
    cut.at_random(random.Random(seed))
    assert by_customer(cut.decisions) == by_customer(whole.decisions)
    assert [letter[:2] for letter in cut.dead] == [letter[:2] for letter in whole.dead]
    assert {key: packed[13:] for key, packed in cut.states.items()} == {k: p[13:] for k, p in whole.states.items()}
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


# --- out of order between topics -------------------------------------------------------------------------------------


def test_a_catch_up_sees_the_purchase_before_the_timer_that_it_answers() -> None:
    """The carts are read first, hours of them; the order that answers comes with a later fetch."""
    for wall in (False, True):
        run = Run(wall=wall, now=day(30))
        write(run, added(day(1)), added(day(2), customer="bob"), order(day(1, 1)))
        if not wall:
            write_marks(run, day(3))
        run.fetch(2)
        run.hear_ends(0, 2)
        assert run.work_all() == []
        run.fetch(0)
        run.fetch(1)
        run.hear_ends()
        run.work_all()
        assert [(d.type, d.customer_id) for d in run.decisions] == [("cart.abandoned", "bob")]


def test_an_order_within_the_wait_is_taken_before_the_timer_at_the_same_instant() -> None:
    run = Run()
    write(run, added(day(1)), order(day(1, 4)))
    write_marks(run, day(9))
    run.catch_up()
    assert run.decisions == []


def test_marks_alone_make_time_go_on() -> None:
    run = Run()
    write(run, added(day(1)))
    write_marks(run, day(1, 4))
    run.catch_up()
    assert run.decisions == [], "due at 4 o'clock, and nothing earlier than 4 o'clock follows"
    write_marks(run, day(1, 4) + 1)
    run.catch_up()
    assert [(d.type, d.at) for d in run.decisions] == [("cart.abandoned", iso(day(1, 4)))]


def test_one_unmarked_feed_holds_time_back() -> None:
    run = Run()
    write(run, added(day(1)))
    for source in (CUSTOMERS, CARTS):
        run.write(source, mark(day(5)))
    run.catch_up()
    assert (run.decisions, run.pipeline.merge.waiting) == ([], 1)
    run.write(PURCHASES, mark(day(5)))
    run.catch_up()
    assert run.types == ["cart.abandoned"]


# --- the wall clock --------------------------------------------------------------------------------------------------


def test_a_timer_on_an_idle_partition_fires_when_it_is_due() -> None:
    run = live(day(1))
    write(run, added(day(1)))
    run.now += MINUTE
    run.catch_up()
    assert run.types == []
    run.now = day(1, 4)
    run.hear_ends()
    assert run.work_all() == []
    run.now += 1
    run.hear_ends()
    run.work_all()
    assert [(d.type, d.at) for d in run.decisions] == [("cart.abandoned", iso(day(1, 4) + 1))]
    assert run.outcomes[-1].settled.lateness == [1]


@pytest.mark.parametrize("lagging", range(3))
def test_absence_is_concluded_only_when_all_feeds_are_complete(lagging: int) -> None:
    run = live(day(1))
    write(run, added(day(1)))
    run.catch_up()
    run.now = day(2)
    run.hear_ends(*({0, 1, 2} - {lagging}))
    assert run.work_all() == []
    run.hear_ends()
    assert [d.type for d in run.work_all()] == ["cart.abandoned"]


def test_an_orders_feed_that_lags_holds_the_cart_back_and_then_answers() -> None:
    run = live(day(1))
    write(run, added(day(1)), added(day(1), customer="bob"))
    run.catch_up()
    write(run, *(order(day(1, 1) + number, customer="carl") for number in range(50)), order(day(1, 2)))
    run.now = day(1, 6)
    run.fetch(1, 30)
    run.hear_ends()
    assert run.work_all() == [], "the end that the broker tells is beyond what was fetched"
    run.fetch(1)
    run.hear_ends()
    run.work_all()
    assert [(d.type, d.customer_id) for d in run.decisions] == [("cart.abandoned", "bob")]


def test_an_end_beyond_what_was_fetched_completes_nothing() -> None:
    run = live(day(1))
    write(run, added(day(1)), added(day(1)))
    run.fetch(2, 1)
    run.pipeline.complete(2, 2, day(1))
    assert run.pipeline.merge.feeds[2].complete_at == day(1), "from before"
    run.now = day(1, 1)
    run.pipeline.complete(2, 2, run.now)
    assert run.pipeline.merge.feeds[2].complete_at == day(1)
    run.fetch(2)
    run.pipeline.complete(2, 2, run.now)
    assert run.pipeline.merge.feeds[2].complete_at == day(1, 1)


def test_now_is_never_beyond_the_wall_clock() -> None:
    """An event from a clock that goes an hour ahead takes nobody's time along."""
    run = live(day(1))
    write(run, added(day(1) - 210 * MINUTE, customer="bob"), added(day(1) + HOUR))
    run.catch_up()
    assert run.decisions == []
    assert run.outcomes[-1].now == day(1)
    run.now = day(1) + 31 * MINUTE
    run.hear_ends()
    run.work_all()
    assert [(d.customer_id, d.at) for d in run.decisions] == [("bob", iso(run.now))]
    run.now = day(1, 5) + 1
    run.hear_ends()
    run.work_all()
    assert [d.customer_id for d in run.decisions] == ["bob", "ann"]


def test_after_a_long_outage_what_is_too_old_is_not_sent() -> None:
    run = Run(wall=True, now=day(10))
    write(run, added(day(1), customer="old"), added(day(9), customer="new"))
    run.catch_up()
    old, new = run.decisions
    assert isinstance(old, Trigger)
    assert isinstance(new, Trigger)
    assert (old.customer_id, old.suppressed_by) == ("old", "stale")
    assert not isinstance(new.suppressed_by, str)
    assert (new.due_at, new.fired_at) == (iso(day(9, 4)), iso(day(10)))


def test_a_purchase_that_is_heard_of_late_takes_the_trigger_back() -> None:
    run = live(day(1))
    write(run, added(day(1)))
    run.catch_up()
    run.now = day(1, 5)
    run.catch_up()
    write(run, order(day(1, 3)))
    run.now = day(1, 6)
    run.catch_up()
    fired, cancelled = run.decisions
    assert isinstance(cancelled, Cancellation)
    assert cancelled.trigger_id == fired.message_id
    assert cancelled.cancelled_at == iso(day(1, 6))


# --- imports ---------------------------------------------------------------------------------------------------------


def test_imported_customers_of_an_idle_partition_are_told_of_when_their_time_comes() -> None:
    """Nothing follows the import; the clock goes on all the same."""
    run = live(day(100))
    write(run, *(order(day(at), backfill=True) for at in (80, 87, 94)))
    run.catch_up()
    assert run.decisions == []
    orders = run.customer(KEY).orders
    assert orders is not None
    assert orders.overdue_at > day(100)
    run.now = orders.overdue_at + 1
    run.catch_up()
    assert "repurchase.overdue" in run.types


def test_an_import_in_event_time_is_silent_to_its_end_and_live_afterwards() -> None:
    run = Run(parameters=QUICK)
    write(run, *(order(day(at), backfill=True) for at in (0, 7, 14)), order(day(300), customer="bob", backfill=True))
    write_marks(run, day(301), backfill=True)
    run.catch_up()
    assert run.decisions == []
    write(run, *(order(day(at), customer="carl", backfill=True) for at in (302, 309, 316)))
    write_marks(run, day(317), backfill=True)
    run.catch_up()
    run.restart()
    write_marks(run, day(317, 1))
    write_marks(run, day(500))
    run.catch_up()
    assert {(d.customer_id, d.type) for d in run.decisions} >= {
        ("carl", "repurchase.due"),
        ("carl", "repurchase.overdue"),
    }
    assert "ann" not in {d.customer_id for d in run.decisions}


def test_a_worker_that_starts_again_knows_that_the_import_is_over() -> None:
    run = Run(parameters=QUICK)
    write(run, *(order(day(at), backfill=True) for at in (0, 7)))
    write_marks(run, day(7, 1))
    run.catch_up()
    run.restart()
    write(run, order(day(400), customer="bob", backfill=True))
    write_marks(run, day(401), backfill=True)
    run.catch_up()
    assert [(d.customer_id, d.type) for d in run.decisions] == [
        ("ann", "repurchase.due"),
        ("ann", "repurchase.overdue"),
    ]


# --- dead letters ----------------------------------------------------------------------------------------------------


def test_events_around_rubbish_are_processed() -> None:
    run = live(day(1))
    headers = (("trace", b"1"), ("trace", b"2"))
    values: list[bytes | None] = [
        None,
        b"",
        b'{"type":"\xff"}',
        b"[" * 20_000,
        b"{}",
        encode(added(day(1), customer="bob")),
    ]
    topic = run.topics[2]
    for number, value in enumerate(values):
        topic.append(Kept(2 * number, KEY, encode(added(day(1) + number, f"p{number}"))))
        topic.append(Kept(2 * number + 1, KEY, value, headers))
    run.catch_up()
    assert [(letter.source, letter.offset) for letter in run.dead] == [(2, 2 * n + 1) for n in range(len(values))]
    assert [letter.record.value for letter in run.dead] == values
    assert {letter.record.headers for letter in run.dead} == {headers}
    assert [letter.record.kind for letter in run.dead] == [
        "empty",
        "empty",
        "not_utf8",
        "bad_field",
        "bad_field",
        "wrong_key",
    ]
    found = run.customer(KEY).cart
    assert found is not None
    assert list(found.lines) == [f"p{number}" for number in range(len(values))]
    assert run.outcomes[-1].events == {"cart.item_added": len(values)}
    assert run.outcomes[-1].positions[CARTS] == Position(12, day(1) + 5)


def test_a_flood_of_rubbish_stops_everything_and_takes_nothing() -> None:
    run = Run(wall=True, now=day(1), share=0.5)
    write(run, added(day(1)))
    run.write(CARTS, *((KEY, b"rubbish") for _ in range(501)))
    for source in range(3):
        run.fetch(source)
    run.hear_ends()
    with pytest.raises(FloodError) as caught:
        run.work()
    assert "501 of the last 1000 events are not understood (limit 50%)" in str(caught.value)
    assert "not JSON" in str(caught.value)
    assert (run.states, run.dead) == ({}, [])


def test_a_share_below_the_limit_goes_on() -> None:
    run = Run(wall=True, now=day(1), share=0.5)
    for number in range(3000):
        run.write(CARTS, (KEY, encode(added(day(0) + number)) if number % 2 else b"rubbish"))
    run.catch_up()
    assert len(run.dead) == 1500


def test_the_limit_looks_at_the_newest_thousand() -> None:
    guard = FloodGuard(0.5)
    for _ in range(5):
        for _ in range(500):
            guard.dead("x")
        guard.good(100_000)
    for _ in range(500):
        guard.dead("x")
    guard.good(1)
    with pytest.raises(FloodError):
        guard.dead("y")


def test_a_share_of_one_never_stops() -> None:
    guard = FloodGuard(1.0)
    for _ in range(5000):
        guard.dead("x")


# --- batches ---------------------------------------------------------------------------------------------------------


def test_a_full_batch_goes_on_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "ROOM", 3)
    run = live(day(1))
    write(run, *(added(day(1) + number, customer=f"c{number}") for number in range(10)))
    run.write(CARTS, *((KEY, b"rubbish") for _ in range(7)))
    run.catch_up()
    assert len(run.dead) == 7
    assert max(len(outcome.dead) for outcome in run.outcomes) == 3
    run.now = day(2)
    run.hear_ends()
    run.work_all()
    assert [d.customer_id for d in run.decisions] == [f"c{number}" for number in range(10)]
    assert max(len(outcome.decisions) for outcome in run.outcomes) == 3
    assert not run.pipeline.more


def test_nothing_new_is_an_empty_outcome() -> None:
    run = live(day(1))
    assert run.work().empty
    write(run, added(day(1)))
    run.catch_up()
    assert set(run.outcomes[-1].positions) == set(SOURCES)
    again = run.work()
    assert (again.empty, again.positions) == (True, {})


def test_a_mark_moves_the_position() -> None:
    run = Run()
    write_marks(run, day(1))
    outcome = run.catch_up() or run.outcomes[-1]
    assert outcome == run.outcomes[-1]
    assert run.outcomes[-1].positions == dict.fromkeys(SOURCES, Position(1, day(1)))


def test_duplicates_between_batches_and_topics() -> None:
    run = live(day(1))
    twice = added(day(1), quantity=2, event_id="same")
    write(run, twice)
    run.catch_up()
    write(run, twice, added(day(1, 1), quantity=5, event_id="same"))
    run.catch_up()
    run.restart()
    write(run, twice)
    run.catch_up()
    found = run.customer(KEY).cart
    assert found is not None
    assert found.lines["tea"].quantity == 2.0


def test_a_partition_that_starts_again_goes_on_where_it_was() -> None:
    run = live(day(1))
    write(run, added(day(1)), order(day(1, 1), customer="bob"))
    run.catch_up()
    positions = run.pipeline.positions
    run.restart()
    assert run.pipeline.positions == positions
    assert [feed.fetched for feed in run.pipeline.merge.feeds] == [0, 1, 1]
    run.now = day(1, 5)
    run.catch_up()
    assert run.types == ["cart.abandoned"]
