"""What goes wrong with one of the partition numbers that a worker holds, and what becomes of the others and of it."""

import asyncio
from typing import Literal

import pytest

from streams.errors import FencedError, StopError
from tests.support.holder import Worker
from tests.support.virtual import background, virtually


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (FencedError("epoch 4"), (75, "partition 0 has another owner: epoch 4")),
        (StopError("the topic is gone"), (1, "the topic is gone")),
        (ZeroDivisionError("oh"), (70, "partition 0: ZeroDivisionError: oh")),
    ],
)
@pytest.mark.parametrize("step", ["open", "write"])
def test_what_ends_the_worker(error: Exception, end: tuple[int, str], step: str) -> None:
    async def scenario() -> None:
        worker = Worker()
        worker.wiring.plans[step] = [error]
        await worker.rebalance({0}, 5)
        if step == "write":
            await worker.holdings.apply(worker.fetch(0))
        assert worker.ends == [end]
        taken = worker.wiring.taken()
        await worker.holdings.tick()
        assert worker.wiring.taken() == taken
        assert worker.live == set()

    virtually(scenario())


def test_who_hangs_while_it_fires_what_is_due_holds_nobody_up() -> None:
    async def scenario() -> None:
        worker = Worker("at_least_once")
        await worker.rebalance({0, 1}, 5)
        for offset in (0, 1):
            for number in (0, 1):
                await worker.holdings.apply(worker.fetch(number, offset))
        await asyncio.sleep(1.5)  # now the group's offsets are to be told again
        told = len(worker.wiring.commits)
        hung = asyncio.Event()
        worker.wiring.plans["commit_group"] = [hung]
        loop = asyncio.get_running_loop()
        began = loop.time()
        await worker.holdings.tick()
        assert loop.time() - began < 0.5
        assert len(worker.wiring.commits) == told + 1
        assert [number for number, partition in worker.holdings.held.items() if partition.busy] == [0]
        hung.set()
        await asyncio.sleep(0.1)
        assert not worker.holdings.held[0].busy
        assert len(worker.wiring.commits) == told + 2
        assert worker.ends == []

    virtually(scenario())


def test_what_goes_wrong_with_a_dropped_partition_harms_nobody() -> None:
    class Fenced(asyncio.Event):
        async def wait(self) -> Literal[True]:
            try:
                return await super().wait()
            except asyncio.CancelledError:
                raise FencedError("the new owner is there") from None

    async def scenario() -> None:
        worker = Worker()
        await worker.rebalance({0}, 5)
        worker.wiring.plans["write"] = [Fenced()]
        applying = background(worker.holdings.apply(worker.fetch(0)))
        await asyncio.sleep(1)
        await worker.rebalance(set(), 6)
        await applying
        assert worker.ends == []

    virtually(scenario())
