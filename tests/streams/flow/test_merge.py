"""The merge of three feeds: in which order records are taken, when one may be, and where to go on after a restart."""

import random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.flow.merge import Merge, Rejected
from tables.events import SOURCES

CUSTOMERS, PURCHASES, CARTS = range(len(SOURCES))
NOTHING = Rejected(None, None, (), "empty", "")
Taken = tuple[int, int, int]
"""Source, offset, effective time."""


def put(merge: Merge, source: int, *times: int, arrived: int = 0, offset: int | None = None) -> None:
    """Records of these event times come in, as the pipeline queues them."""
    feed = merge.feeds[source]
    begin = feed.fetched if offset is None else offset
    for number, at in enumerate(times):
        feed.frontier = max(feed.frontier, at)
        feed.entries.append((feed.frontier, source, begin + number, arrived, at, b"k", NOTHING))
    feed.read = feed.fetched = begin + len(times)


def mark(merge: Merge, source: int, at: int) -> None:
    """A `time.mark`: a record that is not queued."""
    feed = merge.feeds[source]
    feed.frontier = max(feed.frontier, at)
    feed.fetched += 1
    feed.read = feed.fetched


def mark_all(merge: Merge, at: int) -> None:
    for source in range(3):
        mark(merge, source, at)


def take(merge: Merge) -> list[Taken]:
    return [(source, offset, effective) for effective, source, offset, *_ in merge.take()]


# --- order -----------------------------------------------------------------------------------------------------------


def test_the_three_feeds_by_time() -> None:
    merge = Merge(wall=False)
    put(merge, CARTS, 5, 30)
    put(merge, PURCHASES, 10, 20)
    put(merge, CUSTOMERS, 1, 25)
    mark_all(merge, 40)
    assert take(merge) == [(0, 0, 1), (2, 0, 5), (1, 0, 10), (1, 1, 20), (0, 1, 25), (2, 1, 30)]
    assert merge.waiting == 0
    assert merge.reached == 40


def test_of_the_same_instant_customers_purchases_carts() -> None:
    merge = Merge(wall=False)
    for source in (CARTS, PURCHASES, CUSTOMERS):
        put(merge, source, 7, 7)
    mark_all(merge, 8)
    assert [source for source, _, _ in take(merge)] == [0, 0, 1, 1, 2, 2]


def test_a_late_record_keeps_its_place_in_its_feed() -> None:
    merge = Merge(wall=False)
    put(merge, CARTS, 10, 3, 12)
    put(merge, PURCHASES, 5, 11)
    mark_all(merge, 20)
    assert take(merge) == [(1, 0, 5), (2, 0, 10), (2, 1, 10), (1, 1, 11), (2, 2, 12)]


@pytest.mark.parametrize(
    ("source", "other", "bound", "goes"),
    [
        (CUSTOMERS, PURCHASES, 10, True),
        (PURCHASES, CARTS, 10, True),
        (PURCHASES, CUSTOMERS, 10, False),
        (CARTS, PURCHASES, 10, False),
        (CARTS, CUSTOMERS, 11, True),
        (CUSTOMERS, CARTS, 9, False),
    ],
)
def test_a_head_waits_for_what_can_still_come_before_it(source: int, other: int, bound: int, goes: bool) -> None:
    """The other feed has gone up to `bound`: at the same instant, who comes first in SOURCES need not wait."""
    merge = Merge(wall=False)
    put(merge, source, 10)
    for each in range(3):
        if each not in {source, other}:
            mark(merge, each, 100)
    mark(merge, other, bound)
    assert take(merge) == ([(source, 0, 10)] if goes else [])
    assert merge.waiting == (0 if goes else 1)


def test_nothing_goes_while_a_feed_is_silent_and_unmarked() -> None:
    merge = Merge(wall=False)
    put(merge, CARTS, 10)
    put(merge, PURCHASES, 20)
    assert (take(merge), merge.reached) == ([], 0)
    mark(merge, CUSTOMERS, 15)
    assert take(merge) == [(2, 0, 10)]
    assert merge.reached == 10
    mark(merge, CARTS, 30)
    assert take(merge) == []
    mark(merge, CUSTOMERS, 21)
    assert take(merge) == [(1, 0, 20)]


def test_what_is_put_back_comes_again() -> None:
    """When a batch is full, what it had no room for goes into the next one."""
    merge = Merge(wall=False)
    put(merge, CARTS, 1, 2, 3)
    put(merge, PURCHASES, 2)
    mark_all(merge, 9)
    merge.put_back(merge.take(), 1)
    assert [feed.position for feed in merge.feeds] == [(1, 9), (0, 0), (1, 1)]
    assert merge.reached == 2
    assert take(merge) == [(1, 0, 2), (2, 1, 2), (2, 2, 3)]
    assert [feed.position for feed in merge.feeds] == [(1, 9), (2, 9), (4, 9)]


# --- where time follows the wall clock -------------------------------------------------------------------------------


def test_a_feed_read_to_its_end_holds_nobody_up() -> None:
    merge = Merge(wall=True)
    put(merge, CARTS, 10, arrived=50)
    for feed in merge.feeds[:2]:
        feed.complete_at = 50
    assert take(merge) == [(2, 0, 10)]


def test_that_must_have_been_said_after_the_record_came() -> None:
    merge = Merge(wall=True)
    put(merge, CARTS, 10, arrived=50)
    merge.feeds[CUSTOMERS].complete_at = 50
    merge.feeds[PURCHASES].complete_at = 49
    assert take(merge) == []
    merge.feeds[PURCHASES].complete_at = 51
    assert take(merge) == [(2, 0, 10)]


def test_each_record_is_measured_by_its_own_arrival() -> None:
    merge = Merge(wall=True)
    put(merge, CARTS, 10, arrived=50)
    put(merge, CARTS, 11, arrived=60)
    for feed in merge.feeds[:2]:
        feed.complete_at = 55
    assert take(merge) == [(2, 0, 10)]


def test_a_lagging_feed_with_a_later_head_holds_nobody_up() -> None:
    merge = Merge(wall=True)
    put(merge, CARTS, 10, 20, arrived=50)
    put(merge, PURCHASES, 15, arrived=50)
    merge.feeds[CUSTOMERS].complete_at = 50
    assert take(merge) == [(2, 0, 10), (1, 0, 15)]
    merge.feeds[PURCHASES].complete_at = 50
    assert take(merge) == [(2, 1, 20)]


def test_time_has_gone_to_where_all_are_complete() -> None:
    merge = Merge(wall=True)
    for source, at in enumerate((100, 70, 90)):
        merge.feeds[source].complete_at = at
    assert merge.reached == 70
    put(merge, CARTS, 40, arrived=95)
    assert merge.reached == 40


# --- any feeds -------------------------------------------------------------------------------------------------------


class Record(NamedTuple):
    source: int
    offset: int
    at: int
    is_mark: bool


@st.composite
def logs(draw: st.DrawFn) -> list[list[Record]]:
    """Three feeds: times that go up on the whole, late ones among them, some marks, one after the end."""
    feeds: list[list[Record]] = []
    for source in range(3):
        times = draw(st.lists(st.integers(0, 30), max_size=12))
        records: list[Record] = []
        for at in times:
            is_mark = draw(st.integers(0, 5)) == 0
            reached = max((r.at for r in records), default=0)
            records.append(Record(source, len(records), max(at, reached) if is_mark else at, is_mark))
        records.append(Record(source, len(records), 31, is_mark=True))
        feeds.append(records)
    return feeds


def in_order(feeds: list[list[Record]]) -> list[Taken]:
    """By effective time, feed, offset: what the merge comes to when everything is known."""
    found = []
    for records in feeds:
        reached = 0
        for record in records:
            reached = max(reached, record.at)
            if not record.is_mark:
                found.append((record.source, record.offset, reached))
    return sorted(found, key=lambda taken: (taken[2], taken[0], taken[1]))


def put_record(merge: Merge, record: Record) -> None:
    if record.is_mark:
        mark(merge, record.source, record.at)
    else:
        put(merge, record.source, record.at)


@settings(max_examples=300)
@given(logs(), st.integers(0, 1 << 32))
def test_neither_the_cuts_nor_restarts_change_what_is_taken(feeds: list[list[Record]], seed: int) -> None:
    rng = random.Random(seed)
    merge = Merge(wall=False)
    found: list[Taken] = []
    while left := [records for records in feeds if merge.feeds[records[0].source].fetched < len(records)]:
        records = rng.choice(left)
        begin = merge.feeds[records[0].source].fetched
        for record in records[begin : begin + rng.randint(1, 5)]:
            put_record(merge, record)
        entries = merge.take()
        room = rng.randint(0, 2 * len(entries))
        merge.put_back(entries, room)
        found += [(source, offset, effective) for effective, source, offset, *_ in entries[:room]]
        assert all(merge.reached <= feed.entries[0][0] for feed in merge.feeds if feed.entries)
        if rng.random() < 0.2:
            again = Merge(wall=False)
            for old, new in zip(merge.feeds, again.feeds, strict=True):
                new.begin(*old.position)
            merge = again
    assert found + take(merge) == in_order(feeds)


@given(logs(), st.data())
def test_complete_feeds_let_everything_go(feeds: list[list[Record]], data: st.DataObject) -> None:
    """By the wall clock, without marks: whatever came in before the feeds were complete is taken, in order."""
    merge = Merge(wall=True)
    for records in feeds:
        for record in records:
            if not record.is_mark:
                put(merge, record.source, record.at, arrived=data.draw(st.integers(0, 9)))
    unmarked = [[r for r in records if not r.is_mark] for records in feeds]
    for feed in merge.feeds:
        feed.complete_at = 10
    wanted = in_order([[r._replace(offset=n) for n, r in enumerate(records)] for records in unmarked])
    assert take(merge) == wanted
    assert merge.reached == 10


def test_the_position_of_a_late_head_is_exact() -> None:
    merge = Merge(wall=False)
    put(merge, CARTS, 5)
    mark(merge, CARTS, 20)
    put(merge, CARTS, 7)
    for source in (CUSTOMERS, PURCHASES):
        mark(merge, source, 10)
    assert take(merge) == [(2, 0, 5)]
    assert merge.feeds[CARTS].position == (2, 20)
