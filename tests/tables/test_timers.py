"""Timers go off in order, each when it is due, whatever drawer it lies in."""

from hypothesis import given
from hypothesis import strategies as st

from tables.customer import NEVER
from tables.timers import Entry, Timers

keys = st.sampled_from([b"a", b"b", b"c"])
dues = st.one_of(
    st.integers(0, 300_000), st.integers(0, 400 * 86_400_000), st.sampled_from([0, 65_535, 65_536, 65_537])
)
entries = st.tuples(dues, keys)


def pop_all(timers: Timers, until: int) -> list[Entry]:
    found = []
    while (entry := timers.pop(until)) is not None:
        found.append(entry)
    return found


@given(st.lists(entries), st.lists(st.tuples(st.lists(entries, max_size=5), st.integers(0, 200_000))))
def test_each_goes_off_when_it_is_due_and_in_order(first: list[Entry], steps: list[tuple[list[Entry], int]]) -> None:
    timers = Timers(first)
    waiting = list(first)
    now = 0
    for added, pass_by in steps:
        for due, key in added:
            timers.add(due, key)
        waiting += added
        now += pass_by
        assert timers.soonest <= min((due for due, _ in waiting), default=NEVER)
        assert pop_all(timers, now) == sorted(entry for entry in waiting if entry[0] < now)
        assert timers.soonest >= now, "asked again before then, nothing would be found"
        waiting = [entry for entry in waiting if entry[0] >= now]
        assert len(timers) == len(waiting)
    assert pop_all(timers, NEVER) == sorted(waiting)
    assert (len(timers), timers.soonest) == (0, NEVER)


def test_one_that_is_late_already_goes_off_next() -> None:
    timers = Timers([(100_000, b"a"), (500_000, b"b")])
    assert timers.pop(200_000) == (100_000, b"a")
    timers.add(50_000, b"c")
    assert timers.soonest == 50_000
    assert pop_all(timers, NEVER) == [(50_000, b"c"), (500_000, b"b")]


def test_twins_are_dropped_when_there_are_many() -> None:
    timers = Timers([])
    for _ in range(6_000):
        timers.add(1_000_000, b"a")
        timers.add(1_000_000, b"b")
        timers.thin_out(lambda _entry: True, 2)
    assert len(timers) < 6_000
    assert set(pop_all(timers, NEVER)) == {(1_000_000, b"a"), (1_000_000, b"b")}


def test_what_is_no_longer_in_force_is_dropped_when_there_is_much_of_it() -> None:
    timers = Timers([])
    for due in range(100_000):
        timers.add(due * 1_000, b"a")
        timers.thin_out(lambda entry, last=due * 1_000: entry[0] == last, 1)  # type: ignore[misc]
        assert len(timers) <= 10_003
    assert timers.pop(NEVER) is not None
    timers.thin_out(lambda _entry: False, 1)
    assert (99_999_000, b"a") in pop_all(timers, NEVER)
