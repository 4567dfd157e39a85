"""The partition numbers that a worker holds: handed over at a rebalance, worked on in between.

In the order in which the group does it: `revoke`, `drain`, and only then does the group assign anew; `grant`,
`take_over`. What is not drained is dropped before another worker can be assigned it: a worker that opened a writer
after that would fence the new owner.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from streams.delivery.batch import Batch
from streams.delivery.partition import Partition
from streams.delivery.ports import Fatal
from streams.errors import AGAIN, FencedError, StopError
from tables.customer import StateError

PATIENCE = 0.1
"""Seconds that all wait for one that fires what is due."""
Resume = Callable[[set[int]], Awaitable[None]]
"""Makes the records of these partition numbers flow."""


class Holdings:
    """All its methods run in the worker's event loop.

    :param new_partition: makes the one of a number
    :param fatal: ends the process; where it returns, what was being done goes no further
    """

    def __init__(self, new_partition: Callable[[int], Partition], fatal: Fatal) -> None:
        self.held: dict[int, Partition] = {}
        """By number; also those that are being taken over."""
        self.granted: int | None = None
        """The generation whose assignment is in force; None: revoked."""
        self.fatal = fatal
        self._ticking: set[asyncio.Task[None]] = set()
        """Kept from the garbage collector."""
        self._new_partition = new_partition
        self._generation: int | None = None
        """The last one whose numbers were all taken over."""

    # -- handing over

    def revoke(self) -> None:
        """The group begins to assign anew: begin nothing more."""
        self.granted = None
        for partition in self.held.values():
            partition.pause()

    async def drain(self, seconds: float) -> None:
        """Let batches in flight end, and drop what is not settled after so many seconds, or cannot be.

        The group waits for it.
        """
        self.revoke()
        deadline = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(*(self._settle(partition, deadline) for partition in list(self.held.values())))

    async def _settle(self, partition: Partition, deadline: float) -> None:
        if not await partition.settled(deadline):
            await self._drop(partition)

    def grant(self, generation: int) -> None:
        """The group has assigned anew."""
        self.granted = generation

    async def take_over(self, numbers: set[int], generation: int, resume: Resume) -> bool:
        """Hold these numbers and take events of them: of those that are kept at once, while others are read back.

        False: the assignment was revoked meanwhile. When it is cancelled, nothing new is held.
        """
        kept = await self._keep(numbers, generation)
        if not await self._start(kept, generation, resume):
            return False
        await self._open([self._new_partition(number) for number in sorted(numbers - kept)])
        self._generation = generation
        return await self._start(numbers - kept, generation, resume)

    async def _keep(self, numbers: set[int], generation: int) -> set[int]:
        """Drop what is not among `numbers`, or may have been somebody else's meanwhile; the numbers that are left."""
        # nobody else can have opened a partition that is ours in two consecutive generations
        following = self._generation is not None and generation == self._generation + 1
        settled = {number for number, partition in self.held.items() if following and partition.pipeline is not None}
        await asyncio.gather(*(self._drop(self.held[number]) for number in self.held.keys() - (settled & numbers)))
        return set(self.held)

    async def _open(self, new: list[Partition]) -> None:
        self.held.update((partition.number, partition) for partition in new)
        opening = [asyncio.create_task(self._guarded(partition, partition.open)) for partition in new]
        try:
            await asyncio.gather(*opening)
        except BaseException:
            for task in opening:
                task.cancel()
            await asyncio.gather(*opening, return_exceptions=True)
            for partition in new:
                await self._drop(partition)
            raise

    async def _start(self, numbers: set[int], generation: int, resume: Resume) -> bool:
        """Take events of these numbers. False: the assignment was revoked, and nothing more is to be begun."""
        if self.granted == generation and numbers:
            await resume(numbers)
        for number in sorted(numbers):
            if self.granted != generation:
                return False
            if number in self.held:
                await self.held[number].start()  # seeks last: what a stopped flow drops must not come after it
        return self.granted == generation

    async def _drop(self, partition: Partition) -> None:
        if self.held.get(partition.number) is partition:
            del self.held[partition.number]
        # who waits for it may be cancelled: its writer must be closed all the same
        await asyncio.shield(partition.drop())

    # -- working

    async def apply(self, batch: Batch) -> None:
        """Work on a fetched batch of one partition number."""
        partition = self.held.get(batch.partition)
        if partition is not None:
            try:
                await self._guarded(partition, partial(partition.apply, batch))
            finally:
                if batch.epoch == partition.epoch:
                    partition.release()

    async def tick(self) -> None:
        """Fire what is due, at all of them at once. Who takes longer than PATIENCE goes on, and holds nobody up."""
        idle = [partition for partition in self.held.values() if not partition.busy]
        ticking = {asyncio.create_task(self._guarded(partition, partition.tick)) for partition in idle}
        if ticking:
            self._ticking |= ticking
            await asyncio.wait(ticking, timeout=PATIENCE)
            self._ticking = {task for task in self._ticking if not task.done()}

    async def stop(self, seconds: float) -> None:
        """Let batches in flight end, tell the group where they stand, and let everything go."""
        await self.drain(seconds)
        held = list(self.held.values())
        await asyncio.gather(*(partition.finish() for partition in held))
        await asyncio.gather(*(self._drop(partition) for partition in held))

    async def _guarded(self, partition: Partition, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work`; what the worker must not survive ends it, unless the partition was dropped meanwhile."""
        try:
            await work()
        except Exception as exc:  # noqa: BLE001 - a bug must not skip events: the process ends, the batch comes again
            partition.pause()
            if not partition.dropped:
                self._end(partition, exc)

    def _end(self, partition: Partition, exc: Exception) -> None:
        if isinstance(exc, FencedError):
            self.fatal(AGAIN, f"partition {partition.number} has another owner: {exc}")
        elif isinstance(exc, StopError | StateError):
            self.fatal(1, str(exc))
        else:
            self.fatal(70, f"partition {partition.number}: {type(exc).__name__}: {exc}")
