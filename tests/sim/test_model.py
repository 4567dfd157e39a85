"""The model of the brokers does what Apache Kafka does, step by step, where delivery depends on it."""

import asyncio
import random
from collections.abc import Callable

import pytest
from aiokafka.errors import (
    ConcurrentTransactions,
    IllegalGenerationError,
    InvalidProducerEpoch,
    InvalidTxnState,
    OutOfOrderSequenceNumber,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from tests.sim.coordinator import Coordinator
from tests.sim.group import Assignment, Group
from tests.sim.log import Log, Row, Transaction
from tests.sim.loop import Loop, Machine

PLACE = ("changelog", 0)
SECONDS = 15.0


def row(value: bytes) -> Row:
    return b"k", value, ()


class Kafka:
    """A coordinator over one partition, in virtual time."""

    def __init__(self) -> None:
        self.loop = Loop(random.Random(1))
        self.machine = Machine("brokers")
        self.log = Log()
        self.seen: list[str] = []
        self.ended: list[Transaction] = []
        self.coordinator = Coordinator(
            self.loop, random.Random(1), {PLACE: self.log}, self.seen.append, self.ended.append, lambda _place: None
        )

    def scenario(self, work: Callable[[], None]) -> None:
        self.machine.context.run(work)
        self.loop.end()

    def wait(self, seconds: float) -> None:
        self.loop.call_later(seconds, lambda: None)
        self.loop.run_until(lambda: False, self.loop.time() + seconds)

    def visible(self) -> list[bytes | None]:
        return [record.value for record in self.log.committed(0, 100)[0]]


def test_records_are_seen_when_their_transaction_is_marked_and_not_before() -> None:
    kafka = Kafka()

    def work() -> None:
        producer = kafka.coordinator.init_producer("a", SECONDS)
        transaction = kafka.coordinator.add_partitions(producer, [PLACE])
        assert kafka.log.produce(transaction, producer, 0, [row(b"1")])
        assert not kafka.log.produce(transaction, producer, 0, [row(b"1")])  # a repetition
        with pytest.raises(OutOfOrderSequenceNumber):
            kafka.log.produce(transaction, producer, 5, [row(b"2")])
        assert kafka.log.stable == 0
        kafka.coordinator.end(producer, transaction, commit=True)
        assert kafka.visible() == []
        with pytest.raises(ConcurrentTransactions):
            kafka.coordinator.add_partitions(producer, [PLACE])
        kafka.wait(2.0)
        assert kafka.visible() == [b"1"]
        kafka.coordinator.end(producer, transaction, commit=True)  # asked again: the same answer
        with pytest.raises(InvalidTxnState):
            kafka.coordinator.end(producer, transaction, commit=False)

    kafka.scenario(work)


def test_a_new_producer_of_the_same_id_ends_the_transaction_and_fences_the_old_one() -> None:
    kafka = Kafka()

    def work() -> None:
        old = kafka.coordinator.init_producer("a", SECONDS)
        transaction = kafka.coordinator.add_partitions(old, [PLACE])
        kafka.log.produce(transaction, old, 0, [row(b"1")])
        with pytest.raises(ConcurrentTransactions):
            kafka.coordinator.init_producer("a", SECONDS)
        kafka.wait(2.0)
        new = kafka.coordinator.init_producer("a", SECONDS)
        assert new.epoch == old.epoch + 2
        for request in (
            lambda: kafka.coordinator.add_partitions(old, [PLACE]),
            lambda: kafka.coordinator.end(old, transaction, commit=True),
            lambda: kafka.log.produce(None, old, 1, [row(b"2")]),
        ):
            with pytest.raises(InvalidProducerEpoch):
                request()
        assert kafka.visible() == []
        assert kafka.log.stable == kafka.log.end

    kafka.scenario(work)


def test_a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced() -> None:
    kafka = Kafka()

    def work() -> None:
        producer = kafka.coordinator.init_producer("a", SECONDS)
        transaction = kafka.coordinator.add_partitions(producer, [PLACE])
        kafka.log.produce(transaction, producer, 0, [row(b"1")])
        kafka.wait(SECONDS + 2)
        with pytest.raises(InvalidProducerEpoch):
            kafka.coordinator.end(producer, transaction, commit=True)
        assert kafka.visible() == []
        assert kafka.ended == [transaction]

    kafka.scenario(work)


def test_a_late_end_ends_whichever_transaction_is_open() -> None:
    kafka = Kafka()

    def work() -> None:
        producer = kafka.coordinator.init_producer("a", SECONDS)
        first = kafka.coordinator.add_partitions(producer, [PLACE])
        kafka.log.produce(first, producer, 0, [row(b"1")])
        kafka.coordinator.end(producer, first, commit=True)
        kafka.wait(2.0)
        second = kafka.coordinator.add_partitions(producer, [PLACE])
        kafka.log.produce(second, producer, 1, [row(b"2")])
        kafka.coordinator.end(producer, first, commit=True)
        kafka.wait(2.0)
        assert kafka.visible() == [b"1", b"2"]
        assert "late EndTxn ends another transaction" in kafka.seen
        with pytest.raises(InvalidTxnState):
            kafka.log.produce(kafka.coordinator.open_for(producer, PLACE), producer, 2, [row(b"3")])

    kafka.scenario(work)


def test_the_group_assigns_when_all_have_joined_and_puts_out_who_is_silent() -> None:
    loop, machine = Loop(random.Random(1)), Machine("brokers")
    group = Group(loop, 3, 6.0, lambda _what: None)

    def wait(seconds: float) -> None:
        loop.call_later(seconds, lambda: None)
        loop.run_until(lambda: False, loop.time() + seconds)

    def work() -> None:
        assert group.join("a").result() == Assignment(1, frozenset({0, 1, 2}))
        joining = group.join("b")
        with pytest.raises(RebalanceInProgressError):
            group.heartbeat("a", 1)
        again: asyncio.Future[Assignment] = group.join("a")
        assert joining.result() == Assignment(2, frozenset({1}))
        assert again.result() == Assignment(2, frozenset({0, 2}))
        with pytest.raises(IllegalGenerationError):
            group.heartbeat("a", 1)
        wait(4.0)
        group.heartbeat("a", 2)
        wait(4.0)
        with pytest.raises(UnknownMemberIdError):
            group.heartbeat("b", 2)
        with pytest.raises(RebalanceInProgressError):
            group.heartbeat("a", 2)

    machine.context.run(work)
    loop.end()


def test_a_frozen_machine_goes_on_with_all_that_has_gathered_and_a_dead_one_never() -> None:
    loop = Loop(random.Random(1))
    happened: list[str] = []
    frozen, dead, brokers = Machine("frozen"), Machine("dead"), Machine("brokers")

    async def count(name: str) -> None:
        try:
            for number in range(3):
                await asyncio.sleep(1.0)
                happened.append(f"{name}{number}")
        finally:
            happened.append(f"{name} cleans up")

    def work() -> None:
        loop.spawn(frozen, count("f"))
        loop.spawn(dead, count("d"))
        loop.call_later(1.5, dead.kill)
        loop.call_later(1.5, setattr, frozen, "frozen", True)
        loop.call_later(9.0, loop.thaw, frozen)
        loop.run_until(lambda: False, 20.0)

    brokers.context.run(work)
    assert sorted(happened) == ["d0", "f cleans up", "f0", "f1", "f2"]
    loop.end()
