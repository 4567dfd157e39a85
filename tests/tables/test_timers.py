"""Timers go off in order, each when it is due, whatever drawer it lies in."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from tables.customer import NEVER
from tables.timers import Entry, Timers

keys = st.integers(0, 9).map(b"%d".__mod__)
dues = st.one_of(
    st.integers(0, 300_000),
    st.integers(0, 400 * 86_400_000),
    st.sampled_from([0, 65_535, 65_536, 65_537, (1 << 26) - 1, 1 << 26, (1 << 26) + 1]),
)
wishes = st.dictionaries(keys, dues, max_size=5)


class Shop:
    """Who is to be woken when, and the timers for it."""

    def __init__(self, first: Iterable[Entry] = ()) -> None:
        self.due: dict[bytes, int] = {}
        self.timers = Timers(self.due_of)
        for due, key in first:
            self.set(key, due)

    def due_of(self, key: bytes) -> int:
        return self.due.get(key, NEVER)

    def in_order(self) -> list[Entry]:
        return sorted((due, key) for key, due in self.due.items())

    def set(self, key: bytes, due: int) -> None:
        self.due[key] = due
        self.timers.add(due, key)

    def go_off(self, until: int) -> list[Entry]:
        """As the states do it: an entry counts if its customer is still to be woken then."""
        found = []
        while (entry := self.timers.pop(until)) is not None:
            assert entry[0] < until
            if self.due.get(entry[1]) == entry[0]:
                found.append(entry)
                del self.due[entry[1]]
        return found


@given(wishes, st.lists(st.tuples(wishes, st.sets(keys, max_size=2), st.integers(0, 1 << 27))))
def test_each_goes_off_once_when_it_is_due_and_in_order(
    first: dict[bytes, int], steps: list[tuple[dict[bytes, int], set[bytes], int]]
) -> None:
    shop = Shop((due, key) for key, due in first.items())
    now = 0
    for added, gone, pass_by in steps:
        for key, due in added.items():
            shop.set(key, due)
        for key in gone:
            shop.due.pop(key, None)
        now += pass_by
        assert shop.timers.soonest <= min(shop.due.values(), default=NEVER)
        expected = [entry for entry in shop.in_order() if entry[0] < now]
        assert shop.go_off(now) == expected
        assert shop.timers.soonest >= now, "asked again before then, nothing would be found"
        assert len(shop.timers) >= len(shop.due)
    expected = shop.in_order()
    assert shop.go_off(NEVER) == expected
    assert (len(shop.timers), shop.timers.soonest) == (0, NEVER)


def test_one_that_is_late_already_goes_off_next() -> None:
    shop = Shop([(100_000, b"a"), (500_000, b"b")])
    assert shop.timers.pop(200_000) == (100_000, b"a")
    shop.set(b"c", 50_000)
    assert shop.timers.soonest == 50_000
    assert shop.go_off(NEVER) == [(50_000, b"c"), (500_000, b"b")]


def test_of_those_who_are_set_again_and_again_few_entries_stay() -> None:
    shop = Shop()
    for far in (1_000_000, 1 << 40):
        for _ in range(8_000):
            shop.set(b"a", far)
            shop.set(b"b", far)
            shop.timers.thin_out(2)
    assert len(shop.timers) <= 10_004
    assert shop.go_off(NEVER) == [(1 << 40, b"a"), (1 << 40, b"b")]


def test_what_is_no_longer_in_force_is_dropped_wherever_it_lies() -> None:
    shop = Shop()
    shop.set(b"front", 1)
    assert shop.timers.pop(2) == (1, b"front")
    for due in range(100_000):
        shop.set(b"a", due * 1_000)
        shop.timers.thin_out(1)
        assert len(shop.timers) <= 10_003
    assert shop.go_off(NEVER) == [(99_999_000, b"a")]


def test_a_timer_waits_for_nothing_but_its_key() -> None:
    """Far ahead an entry is a place in a list: no pair, no number."""
    shop = Shop((due * 3_600_000, b"%d" % due) for due in range(10_000))
    assert len(shop.timers._far.keys) < 700
    assert sum(map(len, shop.timers._far.keys.values())) == 10_000
