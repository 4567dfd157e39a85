"""What the model does that no script shows: answers that pass, machines that freeze and die."""

import asyncio
import random

import pytest
from aiokafka.errors import ConcurrentTransactions, NotEnoughReplicasError

from tests.sim.coordinator import Coordinator
from tests.sim.log import Log
from tests.sim.loop import Loop, Machine


def test_while_a_transaction_is_being_ended_its_producer_is_put_off() -> None:
    """And nothing of it is seen: the answers that pass, which scripts leave out."""
    loop, log, place = Loop(random.Random(1)), Log(), ("changelog", 0)
    coordinator = Coordinator(
        loop, random.Random(1), {place: log}, lambda _what: None, lambda _transaction: None, lambda _place: None
    )
    row = b"k", b"v", ()

    def work() -> None:
        producer = coordinator.init_producer("a", 15.0)
        transaction = coordinator.add_partitions(producer, [place])
        assert log.produce(lambda: transaction, producer, 0, [row]) is transaction
        coordinator.end(producer, transaction, commit=True)
        assert log.committed(0, 100)[0] == []
        for request in (
            lambda: coordinator.add_partitions(producer, [place]),
            lambda: coordinator.end(producer, transaction, commit=True),
            lambda: coordinator.init_producer("a", 15.0),
        ):
            with pytest.raises(ConcurrentTransactions):
                request()
        with pytest.raises(NotEnoughReplicasError):
            coordinator.verify(producer, place)
        loop.call_later(2.0, lambda: None)
        loop.run_until(lambda: False, 2.0)
        assert [record.value for record in log.committed(0, 100)[0]] == [b"v"]

    Machine("brokers").context.run(work)
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
