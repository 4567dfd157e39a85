"""What was fetched is decoded a portion at a time, and nothing but memory and speed depends on it."""

import json

import pytest

from streams.flow import reader
from tables.events import CARTS, PURCHASES
from tests.support.core import added, day, order
from tests.support.pipes import Run, mark, sent, write_marks


@pytest.mark.parametrize("portion", [1, 2, 7, 1_000])
def test_no_more_than_two_portions_are_decoded(portion: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "PORTION", portion)
    run = Run(now=day(9))
    feed = run.pipeline.merge.feeds[2]
    run.write(CARTS, *sent(*(added(day(0) + number, customer=f"c{number}") for number in range(30))))
    while run.left(2):
        run.fetch(2, 4)
        assert len(feed.entries) < 2 * portion
        assert feed.waiting == feed.fetched
    write_marks(run, day(1))
    run.catch_up()
    assert (feed.waiting, feed.position, len(run.states)) == (0, (31, day(1)), 30)


def test_a_position_is_where_decoding_stands() -> None:
    """After a restart it goes on there, whatever had been fetched."""
    run = Run(now=day(9))
    run.write(PURCHASES, mark(day(1)), mark(day(2)), mark(day(3)), *sent(order(day(4))), mark(day(5)))
    run.fetch(1)
    assert run.pipeline.merge.feeds[1].position == (2, day(2))
    run.work()
    assert run.pipeline.merge.feeds[1].position[0] == 3, "the order waits for the other feeds"
    run.restart()
    run.fetch(1)
    write_marks(run, day(9))
    run.catch_up()
    assert run.outcomes[-1].positions[PURCHASES].offset == 6
    assert sum(outcome.events["order.completed"] for outcome in run.outcomes) == 1


def test_a_feed_read_to_its_end_holds_others_up_until_it_is_decoded() -> None:
    """By the wall clock too: what is not decoded yet comes first where it is earlier."""
    run = Run(wall=True, now=day(9))
    run.write(PURCHASES, *sent(*(order(day(1) + number, customer=f"c{number}") for number in range(9))))
    run.write(CARTS, *sent(added(day(1) + 8, customer="c7"), added(day(1) + 9, customer="c8")))
    run.catch_up()
    assert [run.customer(b"c7").cart is not None, run.customer(b"c8").cart is not None] == [True, True]
    lines = run.customer(b"c8").cart
    assert lines is not None
    assert (len(lines.lines), lines.since) == (1, day(1) + 8)


def test_how_far_behind_is_told_by_the_newest_record_though_it_is_not_decoded() -> None:
    run = Run(now=day(9))
    merge = run.pipeline.merge
    run.write(CARTS, *sent(*(added(day(number)) for number in range(8))))
    run.fetch(2)
    run.fetch(0)
    assert merge.behind(run.now) is None
    write_marks(run, day(0))
    for source in range(3):
        run.fetch(source)
    assert merge.behind(run.now) == day(7) - day(0)


def test_a_newest_record_that_is_no_event_tells_nothing() -> None:
    run = Run(now=day(9))
    refused = json.dumps({"type": "cart.item_added", "occurred_at": day(8)}).encode()
    run.write(CARTS, *sent(*(added(day(number)) for number in range(4))), (b"ann", refused))
    run.fetch(2)
    assert run.pipeline.merge.feeds[2].newest == 0
