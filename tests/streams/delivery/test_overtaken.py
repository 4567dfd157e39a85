"""Without fencing, what a former owner writes late does not count: what has seen more events is the newer."""

from collections.abc import Sequence

import pytest

from streams.delivery.changelog import FENCE, MARK
from streams.delivery.overtaken import Sieve, tombstone_headers
from streams.flow.mark import Mark, Position, decode_mark, encode_mark
from tables.customer import NEVER, Customer, StateError
from tables.customerform import pack, read_progress
from tables.events import SOURCES
from tests.support.pipes import Kept


class Changelog:
    """Records as they come, and which of them count."""

    def __init__(self, *, together: bool = True) -> None:
        self.erased: dict[bytes, list[int]] = {}
        self.reached: list[int] = []
        """The offsets of the last mark, as it counts."""
        self._sieve = Sieve(MARK, self.erased, together=together)

    def counts(self, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()) -> bool:
        found = list(self._sieve.pass_on([Kept(0, key, value, tuple(headers))]))
        if found and key == MARK and value != b"{":
            positions = decode_mark(found[0].value).positions
            self.reached = [positions[source].offset for source in SOURCES]
        return bool(found)

    def state(self, *applied: int) -> bool:
        return self.counts(b"ann", state(applied))

    def mark(self, *offsets: int) -> bool:
        return self.counts(MARK, encode_mark(Mark(dict(zip(SOURCES, map(Position, offsets), strict=True)))))

    def tombstone(self, *applied: int) -> bool:
        return self.counts(b"ann", None, tombstone_headers(applied))


def state(applied: Sequence[int] | None, *, wake: int = NEVER, plan: int = 7) -> bytes:
    return pack(Customer(seen=b"12345678", applied=list(applied) if applied else None, wake=wake), plan)


def test_a_state_that_has_seen_less_than_the_one_before_it_is_passed_over() -> None:
    changelog = Changelog()
    assert changelog.state(-1, 3, 5)
    assert changelog.state(-1, 4, 5)
    assert not changelog.state(-1, 3, 5)
    assert changelog.state(-1, 4, 5)
    assert changelog.state(0, 4, 6)
    assert changelog.counts(b"bob", state((-1, 0, 0)))


def test_a_state_of_before_its_timer_has_fired_is_passed_over() -> None:
    changelog = Changelog()
    assert changelog.counts(b"ann", state((1, 1, 1), wake=500))
    assert changelog.counts(b"ann", state((1, 1, 1), wake=NEVER))
    assert not changelog.counts(b"ann", state((1, 1, 1), wake=500))
    assert changelog.counts(b"ann", state((1, 1, 1), wake=500, plan=8))  # other rules
    assert changelog.counts(b"ann", state((1, 1, 2), wake=400, plan=8))


def test_a_mark_that_is_behind_is_passed_over() -> None:
    changelog = Changelog()
    assert changelog.mark(4, 0, 7)
    assert not changelog.mark(4, 0, 6)
    assert changelog.mark(4, 0, 7)
    assert changelog.mark(5, 0, 7)


@pytest.mark.parametrize(("together", "reached"), [(True, [5, 2, 7]), (False, [5, 2, 3])])
def test_marks_that_are_ahead_of_each_other(together: bool, reached: list[int]) -> None:
    """In event time all owners take events in one order; by the wall clock the last mark goes with the last states."""
    changelog = Changelog(together=together)
    assert changelog.mark(4, 1, 7)
    assert changelog.mark(5, 2, 3)
    assert changelog.reached == reached
    assert changelog.mark(5, 2, 8)
    assert changelog.reached == [5, 2, 8]
    assert not changelog.mark(4, 2, 8)


def test_an_erasure_overtakes_and_is_overtaken() -> None:
    changelog = Changelog()
    assert changelog.state(1, 1, 1)
    assert changelog.tombstone(1, 3, 1)
    assert changelog.erased == {b"ann": [1, 3, 1]}
    assert not changelog.state(1, 2, 1)
    assert changelog.erased == {b"ann": [1, 3, 1]}
    assert changelog.state(1, 3, 2)  # back again
    assert changelog.erased == {}
    assert not changelog.tombstone(1, 3, 1)
    assert changelog.erased == {}


def test_what_does_not_say_what_it_has_seen_counts() -> None:
    changelog = Changelog()
    assert changelog.state(5, 5, 5)
    assert changelog.counts(b"ann", state(None))
    assert changelog.state(1, 1, 1)
    assert changelog.counts(b"ann", None)
    assert changelog.erased == {}
    assert changelog.counts(FENCE, b"token")
    assert changelog.counts(None, b"nobody's")
    assert changelog.counts(MARK, b"{")  # who reads the mark says so


def test_the_offsets_of_a_state_are_read_without_the_rest() -> None:
    assert read_progress(state((1, -1, 8)))[0] == [1, -1, 8]
    assert read_progress(state(None))[0] is None
    with pytest.raises(StateError):
        read_progress(state((1, 2, 3))[:-9])
