"""Batches of a pipeline: dead letters, full ones, what a position remembers."""

import pytest

from streams.errors import FloodError
from streams.flow import pipeline
from streams.flow.flood import FloodGuard
from streams.flow.mark import Position
from tables.events import CARTS, SOURCES
from tests.support.core import added, day, encode, order
from tests.support.pipes import KEY, Kept, Run, live, write, write_marks

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
    assert "501 of the last 1000 events are not understood (limit 50%); the newest: " in str(caught.value)
    assert "not_json, at offset 501 of carts" in str(caught.value)
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
