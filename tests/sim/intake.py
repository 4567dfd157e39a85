"""What a worker's consumer does: fetches batch by batch for the partition numbers that are assigned to it.

As `streams.group.transport` does in the thread that talks to the brokers: at most one batch of a number is in the
worker, fetching begins at what was sought last, and what is dropped on the way breaks the chain of offsets.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeVar

from aiokafka.errors import IllegalStateError, KafkaError

from streams.clock import Clock
from streams.delivery.batch import Batch, Span
from tests.sim.brokers import Brokers
from tests.sim.log import Place
from tests.sim.network import Network, Trace

R = TypeVar("R")

FETCHED = 16
"""Records of one topic in a fetch, at the most."""
PAUSE = (0.05, 0.5)


class ModelIntake:
    """The `streams.delivery.ports.Intake` of one worker.

    `apply` takes a fetched batch; `confirm` asks the group about this worker; `dropped` tells which share of the
    batches is lost before they are taken, now; `commit` commits the group's offsets.
    """

    def __init__(
        self,
        network: Network,
        brokers: Brokers,
        trace: Trace,
        rng: random.Random,
        clock: Clock,
        topics: tuple[str, ...],
        apply: Callable[[Batch], Awaitable[None]],
        confirm: Callable[[], Awaitable[bool]],
        dropped: Callable[[], float],
        commit: Callable[[Mapping[Place, int]], Awaitable[None]],
    ) -> None:
        self.away = False
        self._network, self._brokers, self._trace, self._rng = network, brokers, trace, rng
        self._clock, self._topics, self._apply, self._confirm, self._dropped = clock, topics, apply, confirm, dropped
        self._commit = commit
        self._numbers: frozenset[int] = frozenset()
        self._next: dict[int, dict[str, int]] = {}
        self._epochs: dict[int, int] = {}
        self._ends: dict[int, dict[str, tuple[int, int]]] = {}
        self._busy: set[int] = set()
        self._free: dict[int, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._batches: list[asyncio.Task[None]] = []

    # -- the group's side

    def assigned(self, numbers: frozenset[int]) -> None:
        """The group has assigned these: nothing is fetched of them before they are sought."""
        self._numbers = numbers
        self._next.clear()
        self._ends.clear()
        loop = asyncio.get_running_loop()
        self._free = {number: asyncio.Event() for number in numbers}
        self._tasks = [loop.create_task(self._fetch(number)) for number in sorted(numbers)]

    def revoked(self) -> None:
        """The group assigns anew: fetch nothing more."""
        for task in self._tasks:
            task.cancel()
        self._tasks = []
        self._numbers = frozenset()

    # -- streams.delivery.ports.Intake

    async def in_group(self) -> bool:
        return await self._confirm()

    async def committed(self, topic: str, number: int, /) -> int | None:
        return await self._insist("OffsetFetch", lambda: self._brokers.committed((topic, number)))

    async def beginning(self, topic: str, number: int, /) -> int:
        return await self._insist("ListOffsets", lambda: self._brokers.beginning((topic, number)))

    async def seek_exact(self, number: int, positions: Mapping[str, int], epoch: int, /) -> None:
        await asyncio.sleep(0)  # it is done in another thread
        if number not in self._numbers:
            raise IllegalStateError(f"partition {number} is not assigned")
        self._next[number] = dict(positions)
        self._epochs[number] = epoch

    def ends(self, number: int, topics: Iterable[str], /) -> dict[str, tuple[int, int]]:
        known = self._ends.get(number, {})
        return {topic: known[topic] for topic in topics if topic in known}

    async def commit_group(self, number: int, positions: Mapping[str, int], /) -> None:
        await self._commit({(topic, number): offset for topic, offset in positions.items()})

    def release(self, number: int, _full: Iterable[str], _topics: Iterable[str], /) -> None:
        self._busy.discard(number)
        if number in self._free:
            self._free[number].set()

    # -- fetching

    async def _insist(self, kind: str, work: Callable[[], R]) -> R:
        while True:
            try:
                return await self._network.call(kind, work)
            except KafkaError as exc:
                if not exc.retriable:
                    raise
            await self._network.pause(*PAUSE)

    async def _fetch(self, number: int) -> None:
        free = self._free[number]
        while True:
            if number in self._busy or number not in self._next:
                free.clear()
                await free.wait()
                continue
            positions, epoch = dict(self._next[number]), self._epochs[number]
            places = {(topic, number): positions[topic] for topic in self._topics}
            try:
                found = await self._network.call("Fetch", self._brokers.fetch, places, self._rng.randint(1, FETCHED))
            except KafkaError:
                await self._network.pause(*PAUSE)
                continue
            if self._next.get(number) != positions or self._epochs[number] != epoch:
                continue  # sought elsewhere meanwhile
            arrived = self._clock.now()
            self._ends[number] = {topic: (found[topic, number].end, arrived) for topic in self._topics}
            batch = Batch(number, epoch)
            for topic in self._topics:
                records, following, _ = found[topic, number]
                if following > positions[topic]:
                    batch.spans[topic] = Span(positions[topic], following, arrived, list(records))
                    self._next[number][topic] = following
            if batch.spans:
                self._hand_over(number, batch)

    def _hand_over(self, number: int, batch: Batch) -> None:
        if self._rng.random() < self._dropped():
            self._trace.see("fetched batch dropped")
            return
        self._busy.add(number)
        self._batches = [task for task in self._batches if not task.done()]
        self._batches.append(asyncio.get_running_loop().create_task(self._deliver(batch)))

    async def _deliver(self, batch: Batch) -> None:
        """Through the worker's queue, which a rebalance does not empty."""
        if self._rng.random() < 0.2:
            await self._network.pause(0.0, 1.0)
        await self._apply(batch)
