"""Time in a pipeline: out of order between topics, by the wall clock, in an import."""

import pytest

from agents.decisions import Cancellation, Trigger, iso
from tables.events import CARTS, CUSTOMERS, PURCHASES
from tests.support.core import HOUR, MINUTE, added, day, order
from tests.support.pipes import KEY, QUICK, Run, live, mark, write, write_marks

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


@pytest.mark.parametrize("restarted", [False, True])
def test_a_clock_that_is_set_back_takes_nothing_back(restarted: bool) -> None:
    """What was decided stays decided, `now` stands still, and what is due waits for the clock."""
    run = live(day(1))
    write(run, added(day(1), customer="bob"), added(day(1) + 30 * MINUTE))
    run.now = day(1, 4) + 1
    run.catch_up()
    assert [d.customer_id for d in run.decisions] == ["bob"]
    run.now -= 50 * MINUTE
    if restarted:
        run.restart()
    write(run, order(day(1, 3), customer="bob"))
    run.catch_up()
    assert run.outcomes[-1].now == day(1, 4) + 1
    assert [(d.customer_id, d.at) for d in run.decisions[1:]] == [("bob", iso(day(1, 4) + 1))]
    run.now = day(1, 4.5) + 1
    run.hear_ends()
    run.work_all()
    assert [(d.customer_id, d.at) for d in run.decisions[2:]] == [("ann", iso(run.now))]


def test_a_clock_that_was_far_ahead_holds_nothing_up_once_it_is_right() -> None:
    """Else all that is due would look stale until the year that it told has come."""
    run = live(day(500))
    write(run, order(day(1), customer="bob"))
    run.catch_up()
    run.now = day(1)
    run.restart()
    write(run, added(day(1)))
    run.catch_up()
    assert run.outcomes[-1].now == day(1)
    run.now = day(1, 4) + 1
    run.hear_ends()
    (fired,) = run.work_all()
    assert isinstance(fired, Trigger)
    assert not isinstance(fired.suppressed_by, str)
    assert fired.fired_at == iso(run.now)


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
