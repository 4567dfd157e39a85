"""What is read of the topic: the newest is in force, whatever else stands there."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from streams.refit import records
from streams.refit.board import Board
from streams.refit.records import MAX_BYTES, SLOTS, TRIED, Published, RecordError, Tried, sample_key
from tests.support.published import named, published, sample

DAY = 86_400_000


def put(board: Board, *found: Published) -> None:
    for one in found:
        board.take(one.key, records.published.encode(one))


def test_what_was_published_last_is_in_force_and_former_ones_are_kept() -> None:
    board = Board()
    assert (board.parameters, board.version, board.next_serial, board.former()) == (None, "", 1, [])
    put(board, *(published(serial) for serial in range(1, SLOTS + 5)))
    assert board.parameters == named(f"v{SLOTS + 4}")
    assert board.next_serial == SLOTS + 5
    assert [one.serial for one in board.former()] == list(range(SLOTS + 4, 4, -1))
    assert board.named("v5") == published(5)
    assert board.named("v4") is None


def test_a_compacted_topic_says_the_same() -> None:
    """Of each key the last record stays, in the order of writing."""
    log = [published(serial) for serial in range(1, 40)]
    newest = {one.key: one for one in log}
    whole, compacted = Board(), Board()
    put(whole, *log)
    put(compacted, *sorted(newest.values(), key=log.index))
    assert (compacted.in_force, compacted.former()) == (whole.in_force, whole.former())


def test_of_two_that_were_published_at_once_the_second_counts_and_one_that_comes_late_does_not() -> None:
    board = Board()
    put(board, published(1), published(2, "one"), published(2, "two"))
    assert board.version == "two"
    with pytest.raises(RecordError, match="parameters v1, overtaken by two"):
        put(board, published(1))
    assert board.version == "two"


def test_one_name_may_come_twice() -> None:
    board = Board()
    put(board, published(1, "a"), published(2, "b"), published(3, "a"))
    found = board.named("a")
    assert found is not None
    assert found.serial == 3


def newer_form(value: bytes) -> bytes:
    told = msgspec.json.decode(value)
    return msgspec.json.encode({**told, "form": 2})


def foreign() -> list[tuple[bytes | None, bytes | None]]:
    good, key = records.published.encode(published(9)), published(9).key
    unknown = msgspec.structs.replace(published(9), parameters=Raw(b'{"version": "x", "timing": {}}'))
    tried = records.tried.encode(Tried(until=1, outcome="kept", why="", by="", ended_at=1))
    packed = records.sample_of.encode(sample(DAY))
    return [
        (None, b"x"),
        (b"", None),
        (b"\xff\xfe", b"x"),
        (b"customer-1", b"{}"),
        (key, b""),
        (key, b"[1, 2]"),
        (key, b'{"form": 1}'),
        (key, b"[" * 100_000),
        (key, newer_form(good)),
        (key, records.published.encode(unknown)),
        (b"parameters/1", good),  # not its place
        (b"parameters/x", good),
        (TRIED, newer_form(tried)),
        (TRIED, b"\x00"),
        (sample_key(0), b"\x93\x01"),
        (sample_key(0), packed[:-1]),
        (b"sample/-1", packed),
        (b"sample/1e3", packed),
        ("sample/²".encode(), packed),
        (b"sample/10000", packed),
    ]


@pytest.mark.parametrize(("key", "value"), foreign())
def test_what_is_not_ours_or_newer_is_left_alone_with_a_line(key: bytes | None, value: bytes | None) -> None:
    board = Board()
    put(board, published(1))
    board.take(sample_key(0), records.sample_of.encode(sample(5 * DAY)))
    with pytest.raises(RecordError) as told:
        board.take(key, value)
    assert str(told.value)
    assert len(str(told.value).splitlines()) == 1
    assert (board.version, board.sampled(0, 2), board.tried) == ("v1", 5 * DAY, None)


@given(key=st.binary(max_size=12), value=st.none() | st.binary(max_size=200))
def test_anything_may_stand_there(key: bytes, value: bytes | None) -> None:
    board = Board()
    for before in (b"", b"sample/", b"parameters/", TRIED):
        try:
            board.take(before + key, value)
        except RecordError:
            continue
        assert value is None, "a tombstone alone is nothing wrong"
    assert board.in_force is None


def test_who_deletes_takes_away_what_is_former_and_not_what_is_in_force() -> None:
    board = Board()
    put(board, published(1), published(2))
    board.take(TRIED, records.tried.encode(Tried(until=1, outcome="kept", why="", by="", ended_at=1)))
    board.take(sample_key(1), records.sample_of.encode(sample(DAY)))
    for key in (published(1).key, published(2).key, TRIED, sample_key(1), sample_key(7)):
        board.take(key, None)
    assert (board.version, board.former(), board.tried, board.samples) == ("v2", [], None, {})


def test_samples_of_the_newest_round() -> None:
    board = Board()
    assert board.round_of(2) == (0, [])
    old, new = sample(DAY), sample(2 * DAY, orders=7)
    board.take(sample_key(1), records.sample_of.encode(old))
    board.take(sample_key(0), records.sample_of.encode(new))
    assert board.round_of(2) == (2 * DAY, [new, old])
    assert board.round_of(1) == (0, []), "their customers may have moved"
    assert (board.sampled(0, 2), board.sampled(1, 2), board.sampled(2, 2)) == (2 * DAY, DAY, 0)
    assert board.sampled(0, 4) == 0


def test_what_topics_would_not_take_is_not_written() -> None:
    with pytest.raises(RecordError, match=f"{MAX_BYTES:,} are the most"):
        records.published.encode(published(1, why="x" * MAX_BYTES))


def test_serial_numbers_go_round_without_meeting() -> None:
    keys = [published(serial).key for serial in range(1, 2 * SLOTS + 1)]
    assert keys[:SLOTS] == keys[SLOTS:]
    assert len(set(keys)) == SLOTS
    assert all(one != other for one, other in pairwise(keys))
