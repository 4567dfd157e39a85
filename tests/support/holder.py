"""A worker's holdings in the hands of a test, and what Faust does with them."""

import asyncio
from typing import Literal

from streams.delivery.batch import Batch
from streams.delivery.holdings import Holdings
from streams.delivery.partition import Partition
from tests.support.delivery import Wiring


class Worker:
    """What Faust does with the holdings of a worker."""

    def __init__(self, delivery: str = "exactly_once") -> None:
        self.wiring = Wiring(delivery)
        self.ends: list[tuple[int, str]] = []
        self.holdings = Holdings(
            lambda number: Partition(number, self.wiring.means), lambda code, message: self.ends.append((code, message))
        )

    async def take_over(self, numbers: set[int], generation: int) -> bool:
        self.holdings.grant(generation)
        return await self.holdings.take_over(numbers, generation, self._resume)

    async def _resume(self, numbers: set[int]) -> None:
        for number in sorted(numbers):
            await self.wiring.step("resume", number)

    async def rebalance(self, numbers: set[int], generation: int) -> bool:
        await self.holdings.drain(3)
        return await self.take_over(numbers, generation)

    @property
    def live(self) -> set[int]:
        return {number for number, partition in self.holdings.held.items() if partition.live}

    def fetch(self, number: int, offset: int = 0) -> Batch:
        return self.wiring.fetch(number, self.holdings.held[number].epoch, offset=offset)


class Late(asyncio.Event):
    """A step that takes no notice of being cancelled, until `then`."""

    def __init__(self, then: asyncio.Event) -> None:
        super().__init__()
        self._then = then

    async def wait(self) -> Literal[True]:
        try:
            return await super().wait()
        except asyncio.CancelledError:
            await self._then.wait()
            raise
