"""What waits, and up to where a partition is done: against a plain model."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hold import Hold

PLACES = st.sampled_from(["a", "b"])
LIMIT = 6


class Holding(RuleBasedStateMachine):
    """Each action on the hold, and on sets that say the same."""

    def __init__(self) -> None:
        super().__init__()
        self.hold: Hold[str] = Hold(LIMIT)
        self.now = 0.0
        self.offset = 0
        self.due: dict[tuple[str, int], tuple[float, float]] = {}
        self.read: dict[str, float] = {}

    @rule(place=PLACES, wait=st.integers(0, 5), since=st.integers(0, 5))
    def add(self, place: str, wait: int, since: int) -> None:
        self.offset += 1
        self.hold.add(place, self.offset, f"m{self.offset}", self.now + wait, self.now + since)
        self.due[place, self.offset] = self.now + wait, self.now + since

    @rule(seconds=st.integers(1, 5))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(place=PLACES)
    def reach_the_end(self, place: str) -> None:
        self.hold.read(place, self.now)
        self.read[place] = self.now

    @rule()
    def take(self) -> None:
        self.now += 0.25  # what was looked at too early is looked at again after a moment
        full = len(self.due) >= LIMIT
        ready = {
            (place, offset)
            for (place, offset), (due, since) in self.due.items()
            if due <= self.now and (full or self.read.get(place, 0.0) >= since)
        }
        held = self.hold.next(self.now)
        if held is None:
            assert not ready
            return
        assert (held.place, held.offset) in ready
        assert held.what == f"m{held.offset}"
        self.hold.done(held)
        del self.due[str(held.place), held.offset]

    @rule(place=PLACES)
    def drop(self, place: str) -> None:
        self.hold.drop([place])
        self.due = {key: value for key, value in self.due.items() if key[0] != place}
        self.read.pop(place, None)

    @invariant()
    def same(self) -> None:
        for place in ("a", "b"):
            assert self.hold.first(place) == min((n for where, n in self.due if where == place), default=None)
        assert self.hold.full == (len(self.due) >= LIMIT)


TestHolding = Holding.TestCase


def test_of_two_that_are_due_together_the_first_goes_first() -> None:
    hold: Hold[str] = Hold(10)
    for number, what in enumerate("abc"):
        hold.add("p", number, what, 5.0)
    out = []
    while held := hold.next(5.0):
        out.append(held.what)
        hold.done(held)
    assert out == ["a", "b", "c"]


def test_what_is_put_off_comes_behind_the_others() -> None:
    hold: Hold[str] = Hold(10)
    for number, what in enumerate("ab"):
        hold.add("p", number, what, 0.0)
    first = hold.next(1.0)
    assert first is not None
    hold.again(first, 3.0)
    second = hold.next(3.0)
    assert second is not None
    assert (first.what, second.what, hold.first("p")) == ("a", "b", 0)
