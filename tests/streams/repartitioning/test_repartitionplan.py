"""What a repartitioning comes to, before anything is done: where customers come from, what explains where they are."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.brokers.topicfacts import Cluster
from streams.brokers.topicfacts import Found as Topic
from streams.brokers.topicplan import wanted
from streams.flow.mark import Mark, Position
from streams.repartitioning.repartitionplan import (
    PARTITIONERS,
    Census,
    RepartitionError,
    Step,
    check_drained,
    new_marks,
    plan,
)
from streams.settings import Settings
from tables.customer import NEVER
from tables.events import SOURCES

SETTINGS = Settings()
counts = st.integers(1, 40)


def cluster(**partitions: int) -> Cluster:
    """The topics as made with 4 partitions, some with others."""
    found = {t.name: Topic(t.partitions, t.replication, t.configs) for t in wanted(SETTINGS, Cluster(1, {}))}
    for key, count in partitions.items():
        name = SETTINGS.topic(key)
        found[name] = replace(found[name], partitions=count)
    return Cluster(1, found)


@pytest.mark.parametrize(
    ("there", "new", "expected"),
    [
        ({}, 8, Step(4, 8, begun=False)),
        ({}, 4, None),
        ({"changelog": 8}, 8, Step(4, 8, begun=True)),
        ({"changelog": 8, "carts": 8}, 8, Step(4, 8, begun=True)),
        ({"carts": 8}, 8, Step(4, 8, begun=False)),
        ({"changelog": 8, "carts": 8, "purchases": 8, "customers": 8}, 8, None),
    ],
)
def test_what_is_to_be_done(there: dict[str, int], new: int, expected: Step | None) -> None:
    assert plan(SETTINGS, cluster(**there), new) == expected


@pytest.mark.parametrize(
    ("there", "new", "line"),
    [
        ({}, 3, "topic customers has 4 partitions: their number can only grow"),
        ({"changelog": 8}, 12, "topic offbeat-changelog has 8 partitions, neither 4 nor 12: .* with --partitions 8"),
        ({"changelog": 8}, 4, "topic offbeat-changelog has 8 partitions: their number can only grow"),
    ],
)
def test_what_cannot_be_done(there: dict[str, int], new: int, line: str) -> None:
    with pytest.raises(RepartitionError, match=line):
        plan(SETTINGS, cluster(**there), new)


@given(counts, counts, st.integers(0, 1 << 40))
def test_customers_come_from_where_their_hash_says(old: int, more: int, hashed: int) -> None:
    step = Step(old, old + more, begun=False)
    origins = step.origins(hashed % step.new)
    assert hashed % old in origins
    assert (hashed % step.new in origins) == (hashed % step.new < old)


def test_no_more_origins_than_there_are() -> None:
    assert [list(Step(4, 8, begun=False).origins(number)) for number in range(8)] == 2 * [[0], [1], [2], [3]]
    assert [list(Step(4, 6, begun=False).origins(number)) for number in range(6)] == 3 * [[0, 2], [1, 3]]


# --- the partitioner -------------------------------------------------------------------------------------------------

KEYS = [f"c{number}".encode() for number in range(50)]


def census(step: Step, name: str, by: int, keys: list[bytes] = KEYS) -> Census:
    """The customers where `name` puts them among `by` partitions."""
    found = Census(step)
    for number in range(by):
        found.add(number, [key for key in keys if PARTITIONERS[name](key) % by == number])
    return found


@pytest.mark.parametrize("name", PARTITIONERS)
def test_where_customers_are_tells_the_partitioner(name: str) -> None:
    found = census(Step(4, 8, begun=False), name, 4)
    assert (found.customers, found.choose(), found.choose(name)) == (50, name, name)


def test_another_partitioner_than_the_one_told_is_refused() -> None:
    with pytest.raises(RepartitionError, match=r"of 50 customers murmur2 fits 50, crc32 fits \d+: "):
        census(Step(4, 8, begun=False), "murmur2", 4).choose("crc32")


def test_when_some_have_moved_both_places_are_right() -> None:
    step = Step(4, 8, begun=True)
    found = census(step, "crc32", 8, KEYS[:20])
    for number in range(4):
        found.add(number, [key for key in KEYS[20:] if PARTITIONERS["crc32"](key) % 4 == number])
    assert found.choose() == "crc32"
    with pytest.raises(RepartitionError, match="another partitioner"):
        census(Step(4, 8, begun=False), "crc32", 8).choose()


def test_one_partition_fits_all_and_nobody_needs_none() -> None:
    lone = census(Step(1, 4, begun=False), "crc32", 1)
    with pytest.raises(RepartitionError, match="fits murmur2 and crc32 alike: tell with --partitioner"):
        lone.choose()
    assert lone.choose("crc32") == "crc32"
    assert Census(Step(4, 8, begun=False)).choose() in PARTITIONERS


# --- marks -----------------------------------------------------------------------------------------------------------


def mark(offset: int, frontier: int, now: int, live_from: int = 0) -> Mark:
    return Mark({source: Position(offset, frontier) for source in SOURCES}, now, live_from, {SOURCES[0]: "id"})


def test_a_new_partition_goes_on_in_time_and_begins_anew_in_its_topics() -> None:
    marks = {0: mark(7, 100, 120, 50), 1: mark(9, 300, 320, NEVER)}
    assert new_marks(Step(2, 4, begun=False), marks, {}) == {2: mark(0, 100, 120, 50), 3: mark(0, 300, 320, NEVER)}


def test_where_customers_of_several_meet_the_earliest_time_counts() -> None:
    marks = {0: mark(7, 100, 120, 50), 1: mark(9, 300, 320, 60)}
    found = new_marks(Step(2, 3, begun=False), marks, {})
    assert found == {1: mark(9, 100, 120, 50), 2: mark(0, 100, 120, 50)}
    assert new_marks(Step(2, 3, begun=True), {**marks, **found}, {}) == {}


def test_a_partition_that_has_seen_nothing_gives_and_gets_no_time() -> None:
    assert new_marks(Step(2, 4, begun=False), {0: None, 1: mark(9, 300, 320)}, {}) == {3: mark(0, 300, 320)}
    found = new_marks(Step(2, 3, begun=False), {0: None, 1: mark(9, 300, 320)}, {("carts", 0): (5, 5)})
    assert found[0].positions == {s: Position(5 if s == "carts" else 0, 300) for s in SOURCES}


def test_events_that_were_saved_and_deleted_are_passed() -> None:
    """Once it has begun; before, it is for the worker to say that events were deleted unread."""
    marks = {0: mark(7, 100, 120), 1: mark(0, 100, 120)}
    ends = {("carts", 0): (9, 9)}
    assert new_marks(Step(1, 2, begun=True), marks, ends)[0].positions["carts"] == Position(9, 100)
    assert new_marks(Step(1, 2, begun=False), marks, ends) == {}


@given(st.dictionaries(st.tuples(st.sampled_from(SOURCES), st.integers(0, 1)), st.integers(0, 9), max_size=6))
def test_what_no_worker_has_taken_is_seen(unread: dict[tuple[str, int], int]) -> None:
    marks = {0: mark(7, 0, 0), 1: None}
    ends = {(source, number): (2, (7, 2)[number] + more) for (source, number), more in unread.items()}
    left = [(place, more) for place, more in unread.items() if more]
    if not left:
        check_drained(SETTINGS, marks, ends, begun=False)
        return
    (source, number), more = left[0]
    with pytest.raises(
        RepartitionError, match=rf"^{re.escape(source)}\[{number}\] holds {more} records? that no worker"
    ):
        check_drained(SETTINGS, marks, ends, begun=False)
