"""The loop of the senders over a scripted log: what goes out, when, what is committed, and what a crash changes."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka.errors import CommitFailedError, TopicAuthorizationFailedError

from agents.decisions import Decision
from errors import AwayError, LaterError, NeverError, SkipError, StopError, UnsureError
from loop import REFUSALS, Loop
from message import Message
from once import NotSentError, Once, SqlStore
from policy import Policy
from streams.flow.messages import MessageWriter
from streams.settings import Settings
from tests.support.sending import taken_back, trigger

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLACE = TopicPartition("triggers.cart", 0)
NOW, DELAY = Policy(), Policy(delay=60.0)


class Record(NamedTuple):
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    topic: str = "triggers.cart"
    partition: int = 0


@dataclass
class Log:
    """One partition, as the consumer shows it: `at_a_time` records a poll. What is committed outlives a crash."""

    at_a_time: int = 100
    records: list[Record] = field(default_factory=list)
    committed: int = 0
    position_: int = 0
    end: int | None = None
    stopped: bool = False
    fails: Exception | None = None

    def write(self, *decisions: Decision) -> None:
        for decision in decisions:
            row = MessageWriter(Settings()).decision(decision)
            self.records.append(Record(len(self.records), row.key, row.value, row.headers))

    def again(self) -> None:
        """A new reader begins where the last one committed."""
        self.position_, self.end, self.stopped = self.committed, None, False

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Record]]:
        assert timeout_ms > 0
        if self.stopped:
            return {}
        self.end = len(self.records)
        found = self.records[self.position_ : self.position_ + self.at_a_time]
        self.position_ += len(found)
        return {PLACE: found} if found else {}

    def assignment(self) -> set[TopicPartition]:
        return {PLACE}

    def paused(self) -> set[TopicPartition]:
        return {PLACE} if self.stopped else set()

    def pause(self, *_places: TopicPartition) -> None:
        self.stopped = True

    def resume(self, *_places: TopicPartition) -> None:
        self.stopped = False

    def highwater(self, _place: TopicPartition) -> int | None:
        return self.end

    def position(self, _place: TopicPartition) -> int:
        return self.position_

    def commit(self, offsets: dict[TopicPartition, Any]) -> None:
        if self.fails is not None:
            raise self.fails
        self.committed = offsets[PLACE].offset


class Outside:
    """What is sent, and what goes wrong with it: `wrong` by customer, each error once."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.wrong: dict[str, list[Exception]] = {}

    def __call__(self, message: Message) -> None:
        if found := self.wrong.get(message.customer_id):
            raise found.pop(0)
        self.sent.append(message.customer_id if not message.cancels else f"not {message.customer_id}")


class Letters:
    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []

    def add(self, record: Record, reason: str) -> None:
        self.found.append((record.offset, reason))


class World:
    """A sender, its time, its store and what it reads."""

    def __init__(self, connection: sqlite3.Connection, policy: Policy = NOW, at_a_time: int = 100) -> None:
        self.now = START.timestamp()
        self.policy = policy
        self.log, self.out, self.letters = Log(at_a_time), Outside(), Letters()
        self.store = SqlStore(connection, clock=lambda: self.now)
        self.said: list[str] = []
        self.start()

    def start(self) -> None:
        """Begin, or begin again after a crash."""
        self.log.again()
        self.loop = Loop(
            self.log, Once(self.store), self.out, self.letters, self.policy, self.said.append, clock=lambda: self.now
        )

    def turns(self, count: int = 3, seconds: float = 1.0) -> None:
        for _ in range(count):
            self.loop.turn()
            self.now += seconds

    @property
    def outcomes(self) -> list[str]:
        return [said.partition(": ")[2] for said in self.said]


NewWorld = Callable[..., World]


@pytest.fixture
def new_world() -> Iterator[NewWorld]:
    with closing(sqlite3.connect(":memory:")) as connection:
        yield lambda *arguments, **named: World(connection, *arguments, **named)


def one(customer: str, **named: Any) -> Any:
    return trigger(customer, now=START, **named)


# --- what goes out ---------------------------------------------------------------------------------------------------


def test_each_kind_of_message(new_world: NewWorld) -> None:
    world = new_world(Policy(types=frozenset({"cart.abandoned"})))
    ann, bob = one("ann"), one("bob")
    world.log.write(ann, ann, taken_back(ann))
    world.log.write(
        one("cem", holdout=True), one("dan", hours=-1), one("eve", hours=0), one("fay", kind="basket.grown")
    )
    world.log.write(taken_back(bob), bob, one("gus"), one("gus"))
    world.turns()
    assert Counter(world.outcomes) == {
        "cancelled": 5,  # what takes them back is known before anything goes out
        "held out": 1,
        "expired": 2,
        "not sent by this sender": 1,
        "sent": 1,
        "sent before": 1,
    }
    assert (world.out.sent, world.log.committed) == (["gus"], 11)
    world.log.write(taken_back(one("gus")))
    world.turns()
    assert world.outcomes[-1] == "sent before"


def test_a_trigger_waits_for_the_delay_and_no_longer(new_world: NewWorld) -> None:
    world = new_world(DELAY)
    world.log.write(one("ann"))
    world.turns(60)
    assert (world.out.sent, world.log.committed) == ([], 0)
    world.turns(3)
    assert (world.out.sent, world.log.committed) == (["ann"], 1)


def test_a_cancellation_within_the_delay_stops_it(new_world: NewWorld) -> None:
    world = new_world(DELAY)
    ann = one("ann")
    world.log.write(ann)
    world.turns(50)
    world.log.write(taken_back(ann))
    world.turns(50)
    assert (world.out.sent, world.outcomes) == ([], ["held", "cancelled", "cancelled"])
    assert world.log.committed == 2


def test_who_was_away_reads_to_the_end_before_it_sends(new_world: NewWorld) -> None:
    """The delay is over, and the cancellation lies further behind than a poll reaches."""
    world = new_world(DELAY, at_a_time=1)
    ann = one("ann")
    world.log.write(ann, *(one(f"other-{number}") for number in range(20)), taken_back(ann))
    world.now += 3600
    world.turns(60)
    assert sorted(world.out.sent) == sorted(f"other-{number}" for number in range(20))


def test_no_more_is_held_than_may_be(new_world: NewWorld, caplog: pytest.LogCaptureFixture) -> None:
    world = new_world(replace(DELAY, held=10), at_a_time=5)
    world.log.write(*(one(f"c{number}") for number in range(100)))
    for _ in range(65):
        world.turns(1)
        assert world.log.position_ - len(world.out.sent) <= 10 + 5
    assert "raise it" in caplog.text
    world.turns(100)
    assert len(world.out.sent) == 100
    assert world.log.committed == 100


def test_a_clock_that_is_ahead_does_not_make_it_wait_longer(new_world: NewWorld) -> None:
    world = new_world(DELAY)
    world.now -= 1000
    world.log.write(one("ann"))
    world.turns(63)
    assert world.out.sent == ["ann"]


def test_one_that_was_sent_can_be_recalled(new_world: NewWorld) -> None:
    world = new_world(Policy(recalls=True))
    ann, bob = one("ann"), one("bob")
    world.log.write(ann)
    world.turns()
    world.log.write(taken_back(ann), taken_back(ann), taken_back(bob), bob)
    world.turns()
    assert world.out.sent == ["ann", "not ann"]


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_one_that_cannot_go_now_goes_later_and_stops_nobody(new_world: NewWorld) -> None:
    world = new_world()
    world.out.wrong["ann"] = [LaterError("busy"), NotSentError("busy"), LaterError("busy", 100.0)]
    world.log.write(one("ann"), one("bob"))
    world.turns(20)
    assert (world.out.sent, world.log.committed) == (["bob"], 0)
    world.turns(100)
    assert (world.out.sent, world.log.committed, world.letters.found) == (["bob", "ann"], 2, [])


def test_one_that_can_never_go_is_a_dead_letter_in_the_end(new_world: NewWorld) -> None:
    world = new_world(Policy(attempts=3))
    world.out.wrong["ann"] = [LaterError("box full") for _ in range(3)]
    world.out.wrong["bob"] = [NeverError("no such box")]
    world.log.write(one("ann"), one("bob"), one("cem"))
    world.turns(20)
    assert world.out.sent == ["cem"]
    assert world.letters.found == [(1, "no such box"), (0, "put off 3 times: box full")]
    assert world.log.committed == 3


def test_one_that_is_not_to_go_is_done(new_world: NewWorld) -> None:
    world = new_world()
    world.out.wrong["ann"] = [SkipError("no email")]
    world.log.write(one("ann"))
    world.turns()
    assert (world.outcomes, world.letters.found, world.log.committed) == (["no email"], [], 1)


def test_when_the_other_side_is_away_all_wait_and_none_is_lost(new_world: NewWorld) -> None:
    world = new_world(Policy(attempts=2))
    world.out.wrong = {name: [AwayError("503") for _ in range(20)] for name in ("ann", "bob")}
    world.log.write(one("ann"), one("bob"))
    world.turns(2000, 10.0)
    tries = 40 - sum(len(left) for left in world.out.wrong.values())
    assert tries == 40
    assert sorted(world.out.sent) == ["ann", "bob"]
    assert world.letters.found == []


def test_it_waits_as_long_as_it_is_told(new_world: NewWorld) -> None:
    world = new_world()
    world.out.wrong["ann"] = [AwayError("429", 120.0)]
    world.log.write(one("ann"), one("bob"))
    world.turns(119)
    assert world.out.sent == []
    world.turns(5)
    assert sorted(world.out.sent) == ["ann", "bob"]


def test_what_expires_while_it_waits_does_not_go(new_world: NewWorld) -> None:
    world = new_world()
    world.out.wrong["ann"] = [AwayError("429", 3500.0)]
    world.log.write(one("ann", hours=0.9))
    world.turns(4000)
    assert (world.out.sent, world.outcomes) == ([], ["expired"])


def test_many_refusals_in_a_row_stop_it(new_world: NewWorld) -> None:
    world = new_world()
    names = [f"c{number}" for number in range(REFUSALS)]
    world.out.wrong = {name: [NeverError("550")] for name in names}
    world.log.write(*map(one, names[:-1]), one("ann"))
    world.turns()
    assert len(world.letters.found) == REFUSALS - 1  # none that went out is between them and the next
    world.out.wrong = {name: [NeverError("550")] for name in names}
    world.log.write(*(one(name, kind="basket.grown") for name in names))
    with pytest.raises(StopError, match="20 triggers in a row were refused, the last one: 550"):
        world.turns()


def test_settings_that_are_wrong_stop_it_at_once_and_nothing_is_lost(new_world: NewWorld) -> None:
    world = new_world()
    world.out.wrong["ann"] = [StopError("401")]
    world.log.write(one("ann"))
    with pytest.raises(StopError, match="401"):
        world.turns()
    world.start()
    world.turns(1)
    assert (world.out.sent, world.letters.found) == (["ann"], [])


def test_what_nobody_knows_waits_for_the_lease(new_world: NewWorld) -> None:
    world = new_world()
    world.out.wrong["ann"] = [UnsureError("cut off")]
    world.log.write(one("ann"))
    world.turns(55)
    assert (world.out.sent, world.log.committed) == ([], 0)
    world.turns(10)
    assert (world.out.sent, world.log.committed) == (["ann"], 1)


def test_what_is_no_trigger_is_a_dead_letter(new_world: NewWorld) -> None:
    world = new_world()
    world.log.records.append(Record(0, b"ann", b"{", []))
    world.log.write(one("ann"))
    world.turns()
    assert (world.letters.found, world.out.sent, world.log.committed) == ([(0, "the value is not JSON")], ["ann"], 2)


# --- partitions and commits ------------------------------------------------------------------------------------------


def test_offsets_are_committed_up_to_the_first_that_is_not_done(new_world: NewWorld) -> None:
    world = new_world()
    world.out.wrong["c2"] = [LaterError("busy", 50.0)]
    world.log.write(*(one(f"c{number}") for number in range(5)))
    world.turns(10)
    assert (len(world.out.sent), world.log.committed) == (4, 2)
    world.turns(60)
    assert (len(world.out.sent), world.log.committed) == (5, 5)


def test_a_commit_that_fails_is_made_up_for(new_world: NewWorld) -> None:
    world = new_world()
    world.log.write(one("ann"))
    world.log.fails = CommitFailedError()
    world.turns()
    assert (world.out.sent, world.log.committed) == (["ann"], 0)
    world.log.fails = None
    world.turns()
    assert world.log.committed == 1


def test_rights_that_are_missing_are_no_reason_to_go_on(new_world: NewWorld) -> None:
    world = new_world()
    world.log.write(one("ann"))
    world.log.fails = TopicAuthorizationFailedError()
    with pytest.raises(TopicAuthorizationFailedError):
        world.turns()


OTHER = TopicPartition("triggers.cart", 1)


def test_what_goes_away_is_forgotten_and_read_again_when_it_comes_back(new_world: NewWorld) -> None:
    world = new_world(DELAY)
    world.loop.moved.on_partitions_assigned([PLACE, OTHER])
    world.log.write(one("ann"), one("bob"))
    for lost in (True, False):
        world.turns(5)
        if lost:
            world.loop.moved.on_partitions_lost([PLACE])
        else:
            world.loop.moved.on_partitions_assigned([OTHER])
        world.loop.moved.on_partitions_assigned([PLACE, OTHER])
        world.log.again()
    world.turns(100)
    assert (sorted(world.out.sent), world.log.committed) == (["ann", "bob"], 2)
    assert world.outcomes.count("held") == 6


def test_what_stays_is_held_on(new_world: NewWorld) -> None:
    """Its position stays too: what is held would not be read again."""
    world = new_world(DELAY)
    world.loop.moved.on_partitions_assigned([PLACE])
    world.log.write(one("ann"))
    world.turns(5)
    world.loop.moved.on_partitions_revoked([PLACE])
    world.turns(1)
    world.loop.moved.on_partitions_assigned([PLACE, OTHER])
    world.turns(100)
    assert (world.outcomes, world.log.committed) == (["held", "sent"], 1)


# --- any order of things ---------------------------------------------------------------------------------------------

logs = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=12)
moves = st.lists(st.sampled_from(["turn", "turn", "turn", "wait", "crash", "late", "away"]), max_size=40)


@given(written=logs, told=moves, held=st.integers(1, 5), at_a_time=st.integers(1, 4))
def test_crashes_delays_and_troubles_in_any_order(
    written: list[tuple[int, bool]], told: list[str], held: int, at_a_time: int
) -> None:
    """Each goes out once, unless it was taken back; nothing is committed that was not done."""
    with closing(sqlite3.connect(":memory:")) as connection:
        world = World(connection, Policy(delay=30.0, held=held), at_a_time)
        back = set()
        for number, takes_back in written:
            decision = one(f"c{number}")
            world.log.write(taken_back(decision) if takes_back else decision)
            back |= {f"c{number}"} if takes_back else set()
        for move in told:
            match move:
                case "turn":
                    world.turns(1)
                case "wait":
                    world.now += 20.0
                case "crash":
                    world.start()
                case "late" | "away":
                    error = LaterError("later") if move == "late" else AwayError("away")
                    world.out.wrong.setdefault("c1", []).append(error)
            done = {said.split()[1].rstrip(":") for said in world.said if not said.endswith(": held")}
            ids = [dict(record.headers)["ce_id"].decode() for record in world.log.records[: world.log.committed]]
            triggers = {one(f"c{number}").trigger_id for number, takes_back in written if not takes_back}
            assert triggers & set(ids) <= done
        world.turns(500, 5.0)
        assert world.log.committed == len(written)
        sent = Counter(world.out.sent)
        wanted = {f"c{number}" for number, takes_back in written if not takes_back}
        assert set(sent.values()) <= {1}
        assert wanted - back <= set(sent) <= wanted
