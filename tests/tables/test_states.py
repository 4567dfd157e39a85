"""The states of a partition and their timers: none is lost, none comes early, whatever happens in between."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tables.customer import NEVER, Customer, Profile, StateError
from tables.customerform import pack, read_head, unpack
from tables.states import Changes, States

KEYS = [b"a", b"b", b"c"]
keys = st.sampled_from(KEYS)
dues = st.integers(1, 60)


def due_of(customer: Customer) -> int:
    """When something of this customer is due; the profile's time stands for all rules."""
    return NEVER if customer.profile is None else customer.profile.updated_at


def set_due(customer: Customer, due: int) -> None:
    customer.profile = None if due == NEVER else Profile(updated_at=due)


class Timers(RuleBasedStateMachine):
    """Beside the states a plain dictionary says what is due when: in this batch, and durably."""

    def __init__(self) -> None:
        super().__init__()
        self.plan = 1
        self.states = States(self.plan)
        self.states.ready()
        self.durable: dict[bytes, int] = {}
        self.now: dict[bytes, int] = {}
        self.changelog: dict[bytes, bytes] = {}
        self.reached = 0

    # -- what a batch does

    @rule(key=keys, after=dues, close=st.booleans())
    def set_timer(self, key: bytes, after: int, close: bool) -> None:
        """An event moves the customer's due time, forward or back."""
        customer = self.states.open(key)
        set_due(customer, self.reached + after)
        self.now[key] = self.reached + after
        self.states.arm(key, customer, self.reached + after)
        self.leave(key, customer, close)

    def leave(self, key: bytes, customer: Customer, close: bool) -> None:
        if close:
            self.states.close(key, customer)
        else:
            self.states.hold(key, customer)

    @rule(key=keys, close=st.booleans())
    def stop_timer(self, key: bytes, close: bool) -> None:
        customer = self.states.open(key)
        set_due(customer, NEVER)
        self.now[key] = NEVER
        self.leave(key, customer, close)

    @rule(key=keys)
    def look(self, key: bytes) -> None:
        """An event that changes nothing."""
        assert due_of(self.states.open(key)) == self.now.get(key, NEVER)

    @rule(key=keys)
    def erase(self, key: bytes) -> None:
        self.states.erase(key)
        self.now.pop(key, None)

    @rule(pass_by=st.integers(0, 40), again=st.none() | dues, close=st.booleans())
    def advance(self, pass_by: int, again: int | None, close: bool) -> None:
        """Time passes: exactly what is due fires, in order of due time; some customers are then due again."""
        until = self.reached + pass_by
        fired: list[tuple[int, bytes]] = []
        wanted = sorted((due, key) for key, due in self.now.items() if due < until)
        while (popped := self.states.pop(until)) is not None:
            wake, key, customer = popped
            due = due_of(customer)
            if wake and due > wake:
                self.states.put_off(key, customer, due)
                continue
            if wake:
                fired.append((wake, key))
                set_due(customer, NEVER if again is None else until + again)
                self.now[key] = due_of(customer)
            customer.wake = NEVER
            self.states.arm(key, customer, due_of(customer))
            self.leave(key, customer, close)
        assert fired == wanted
        self.reached = until

    # -- its end

    @rule()
    def make_durable(self) -> None:
        changes = self.states.changes()
        for key, value in changes.items():
            if value is None:
                assert key in self.changelog, "a tombstone for somebody unknown is of no use"
                del self.changelog[key]
            else:
                assert read_head(value)[0] == self.plan
                self.changelog[key] = value
        self.states.adopt()
        self.durable = dict(self.now)
        assert len(self.states) == len(self.changelog)
        found = {key: self.states.read(key) for key in self.states}
        assert {key: due_of(customer) for key, customer in found.items() if customer} == {
            key: due_of(unpack(packed)) for key, packed in self.changelog.items()
        }

    @rule(other_plan=st.booleans())
    def restart(self, other_plan: bool) -> None:
        """The worker is gone with all that is not durable; the next one may have other rules."""
        self.plan += other_plan
        self.states = States(self.plan)
        self.states.restore(dict.fromkeys(self.changelog, b"stale"))
        self.states.restore({**self.changelog, b"x": None})
        self.states.ready()
        self.now = dict(self.durable)
        if other_plan and self.changelog:
            assert self.states.timers.soonest == 0

    # -- always

    @invariant()
    def no_timer_is_forgotten(self) -> None:
        armed = min(self.now.values(), default=NEVER)
        assert self.states.timers.soonest <= armed


Timers.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestTimers: Any = Timers.TestCase


# --- one by one ------------------------------------------------------------------------------------------------------


def with_due(states: States, key: bytes, due: int) -> None:
    customer = states.open(key)
    set_due(customer, due)
    states.arm(key, customer, due)
    states.close(key, customer)


def settle(states: States) -> Changes:
    """End a batch."""
    changes = states.changes()
    states.adopt()
    return changes


def test_an_unknown_customer_is_new_and_unarmed() -> None:
    states = States(1)
    customer = states.open(b"a")
    assert customer == Customer(wake=NEVER)
    assert states.read(b"a") is None
    assert states.timers.soonest == NEVER
    states.hold(b"a", customer)
    assert states.open(b"a") is customer


def test_who_comes_and_goes_within_a_batch_leaves_nothing() -> None:
    states = States(1)
    with_due(states, b"a", 5)
    states.erase(b"a")
    assert states.read(b"a") is None
    assert settle(states) == {}


def test_who_is_erased_twice_in_a_batch_leaves_one_tombstone() -> None:
    states = States(1)
    with_due(states, b"a", 5)
    settle(states)
    states.erase(b"a")
    with_due(states, b"a", 7)
    states.erase(b"a")
    assert settle(states) == {b"a": None}
    assert len(states) == 0


def test_read_gives_a_copy() -> None:
    states = States(1)
    with_due(states, b"a", 5)
    settle(states)
    found = states.read(b"a")
    assert found is not None
    set_due(found, 99)
    again = states.read(b"a")
    assert again is not None
    assert due_of(again) == 5


def test_ties_go_by_key_so_that_every_run_is_the_same() -> None:
    states = States(1)
    for key in (b"c", b"a", b"b"):
        with_due(states, key, 5)
    assert [popped[1] for _ in range(3) if (popped := states.pop(NEVER))] == [b"a", b"b", b"c"]


def test_erased_and_back_in_one_batch_is_somebody_new() -> None:
    states = States(1)
    with_due(states, b"a", 5)
    settle(states)
    states.erase(b"a")
    assert states.open(b"a") == Customer(wake=NEVER)
    states.close(b"a", Customer(wake=NEVER))
    assert settle(states)[b"a"] is not None
    assert states.pop(NEVER) is None, "the timer of who was erased"


def test_a_state_planned_otherwise_wakes_at_once_even_if_it_never_would() -> None:
    states = States(2)
    states.restore({b"a": pack(Customer(wake=NEVER), 1), b"b": pack(Customer(wake=9), 2)})
    states.ready()
    assert states.timers.soonest == 0
    assert [popped[:2] for _ in range(2) if (popped := states.pop(NEVER))] == [(0, b"a"), (9, b"b")]


def test_what_was_not_yet_planned_anew_at_a_restart_is_so_afterwards() -> None:
    states = States(2)
    states.restore({b"a": pack(Customer(wake=7), 1)})
    states.ready()
    states.close(b"a", states.open(b"a"))
    changes = settle(states)
    again = States(2)
    again.restore(changes)
    again.ready()
    assert again.timers.soonest == 0


def test_a_form_of_a_newer_version_stops_at_once() -> None:
    states = States(1)
    states.restore({b"a": b"\xff" + pack(Customer(), 1)[1:]})
    with pytest.raises(StateError, match="newer version"):
        states.ready()


def test_a_state_too_short_to_be_one_stops_at_once() -> None:
    states = States(1)
    states.restore({b"a": b"\x01\x02"})
    with pytest.raises(StateError, match="damaged"):
        states.ready()


def test_the_newest_record_of_the_changelog_counts() -> None:
    states = States(1)
    old, new = pack(Customer(wake=5), 1), pack(Customer(wake=8), 1)
    states.restore({b"a": old, b"b": old, b"c": None})
    states.restore({b"a": new, b"b": None, b"c": old})
    states.ready()
    assert sorted(states) == [b"a", b"c"]
    assert states.read(b"a") == Customer(wake=8)
    assert [popped[:2] for popped in (states.pop(NEVER), states.pop(NEVER)) if popped] == [(5, b"c"), (8, b"a")]
    assert states.pop(NEVER) is None


def test_twins_in_the_heap_are_dropped() -> None:
    states = States(1)
    with_due(states, b"a", 1 << 40)
    settle(states)
    for hour in range(1, 30_000):
        customer = states.open(b"a")
        states.arm(b"a", customer, hour)
        states.close(b"a", customer)
        popped = states.pop(hour + 1)
        assert popped is not None
        states.put_off(b"a", popped[2], 1 << 40)
        settle(states)
    assert len(states.timers) <= 10_003
    assert states.timers.soonest <= 1 << 40
    fired = 0
    while (popped := states.pop(NEVER)) is not None:
        popped[2].wake = NEVER
        states.close(b"a", popped[2])
        fired += 1
    assert fired == 1


def test_the_buried_are_those_who_have_not_come_back() -> None:
    states = States(1)
    packed = pack(Customer(wake=NEVER), 1)
    states.restore({b"ann": packed, b"bob": packed, b"cid": packed})
    states.restore({b"ann": None, b"bob": None})
    states.restore({b"bob": packed})
    assert states.buried() == {b"ann"}
    assert states.buried() == set()
