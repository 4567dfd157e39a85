"""The customers as a Faust table, and the parts of Faust that must not consume its changelog or seek behind our back.

Subclasses of faust-streaming 0.15.3.
"""

import asyncio
import collections
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import faust
from faust.stores.memory import Store as MemoryStore
from faust.tables import manager, recovery
from faust.types import TP
from mode import Service

from streams.errors import FencedError, StopError
from streams.partition import Partition
from streams.transport import Batch
from tables.customer import Customer, StateError

TICK_SECONDS = 0.1
"""How often a partition looks whether a timer is due."""


class Customers(Mapping[bytes, Customer]):
    """Read only: the durable states of all customers that this worker takes care of, decoded when asked for."""

    def __init__(self, partitions: Mapping[int, Partition]) -> None:
        self._partitions = partitions

    def __getitem__(self, key: bytes) -> Customer:
        for partition in self._partitions.values():
            if partition.pipeline is not None:
                customer = partition.pipeline.core.states.read(key)
                if customer is not None:
                    return customer
        raise KeyError(key)

    def __iter__(self) -> Iterator[bytes]:
        for partition in self._partitions.values():
            if partition.pipeline is not None:
                yield from partition.pipeline.core.states

    def __len__(self) -> int:
        return sum(len(p.pipeline.core.states) for p in self._partitions.values() if p.pipeline is not None)


class CustomersTable(faust.Table):
    """A table that changes by whole batches only: `await table.apply(batch)`."""

    def __init__(
        self,
        app: Any,
        *,
        new_partition: Callable[[int, Callable[[], int]], Partition],
        fatal: Callable[[int, str], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(app, **kwargs)
        self.partitions_held: dict[int, Partition] = {}
        self.generation: int | None = None
        self._new_partition, self.fatal = new_partition, fatal
        self._epochs = 0

    def _new_store(self) -> MemoryStore:
        store = MemoryStore("memory://", self.app, self, table_name=self.name, key_type=self.key_type)
        store.data = Customers(self.partitions_held)
        return store

    def on_key_set(self, key: Any, _value: Any) -> None:
        raise RuntimeError(f"{key!r}: customers change by `apply` only")

    def on_key_del(self, key: Any) -> None:
        raise RuntimeError(f"{key!r}: customers change by `apply` only")

    def _next_epoch(self) -> int:
        self._epochs += 1
        return self._epochs

    async def apply(self, batch: Batch) -> None:
        """Work on a fetched batch of one partition number."""
        partition = self.partitions_held.get(batch.partition)
        if partition is not None:
            try:
                await self.guarded(partition, partition.apply(batch))
            finally:
                if batch.epoch == partition.epoch:
                    partition.release()

    async def guarded(self, partition: Partition, work: Any) -> None:
        """Await `work`; what the worker must not survive ends it, unless the partition was dropped meanwhile."""
        try:
            await work
        except Exception as exc:  # noqa: BLE001 - a bug must not skip events: the process ends, the batch comes again
            if not partition.dropped:
                self._end(partition, exc)

    def _end(self, partition: Partition, exc: Exception) -> None:
        if isinstance(exc, FencedError):
            self.fatal(75, f"partition {partition.number} has another owner: {exc}")
        elif isinstance(exc, StopError | StateError):
            self.fatal(1, str(exc))
        else:
            self.fatal(70, f"partition {partition.number}: {type(exc).__name__}: {exc}")

    @Service.task  # type: ignore[untyped-decorator]
    async def _tick(self) -> None:
        while not self.should_stop:
            await asyncio.sleep(TICK_SECONDS)
            for partition in list(self.partitions_held.values()):
                await self.guarded(partition, partition.tick())

    def pause(self) -> None:
        for partition in self.partitions_held.values():
            partition.live = False

    async def drain(self, seconds: float) -> None:
        """Let batches in flight end; a laggard is left alone, the next owner fences it."""
        self.pause()
        deadline = time.monotonic() + seconds
        for partition in self.partitions_held.values():
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())), partition.lock:
                    pass

    async def assign(self, numbers: set[int], generation: int) -> None:
        """Hold these partition numbers: drop the others, take over the new ones."""
        # nobody else can have opened a partition that is ours in two consecutive generations
        following = self.generation is not None and generation == self.generation + 1
        for number, partition in list(self.partitions_held.items()):
            keep = following and number in numbers and not partition.lock.locked() and not partition.stale
            if not keep or partition.pipeline is None:
                await self.partitions_held.pop(number).drop()
        new = [self._new_partition(n, self._next_epoch) for n in sorted(numbers - self.partitions_held.keys())]
        opening = [asyncio.create_task(self._open(partition)) for partition in new]
        try:
            await asyncio.gather(*opening)
        except BaseException:
            for task in opening:
                task.cancel()
            await asyncio.gather(*opening, return_exceptions=True)
            for partition in new:
                await partition.drop()
            raise
        self.partitions_held.update((partition.number, partition) for partition in new)
        self.generation = generation

    async def _open(self, partition: Partition) -> None:
        await self.guarded(partition, partition.open_patiently())

    async def on_stop(self) -> None:
        await self.drain(5)
        for partition in self.partitions_held.values():
            await partition.finish()
        for partition in self.partitions_held.values():
            await partition.drop()
        await super().on_stop()


class Recovery(recovery.Recovery):
    """Takes partition numbers over after a rebalance."""

    @Service.task  # type: ignore[untyped-decorator]
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start):
                break
            self.signal_recovery_start.clear()
            task = asyncio.create_task(self._take_over(self._generation_id))
            try:
                await self._wait(task)
            except recovery.RebalanceAgain:
                continue
            except recovery.ServiceStopped:
                break
            except Exception as exc:  # noqa: BLE001 - a worker that holds nothing must not look alive
                self.tables.customers.fatal(70, f"taking partitions over failed: {type(exc).__name__}: {exc}")
            finally:  # two must not overlap, and mode cancels without awaiting
                task.cancel()
                await asyncio.wait([task])

    async def _take_over(self, generation: int) -> None:
        app, consumer = self.app, self.app.consumer
        await app.on_rebalance_complete.send()
        assignment = set(consumer.assignment())
        numbers: dict[int, set[str]] = collections.defaultdict(set)
        for tp in assignment:
            numbers[tp.partition].add(tp.topic)
        table: CustomersTable = self.tables.customers
        for number, topics in numbers.items():
            if topics != self.tables.sources:
                table.fatal(
                    1,
                    f"partition {number}: this worker was assigned {sorted(topics)} of {sorted(self.tables.sources)}: "
                    "all workers of the group must read the same topics with equal partition counts",
                )
        await table.assign(set(numbers), generation)
        if self.tables.owned != generation:
            return  # taken away meanwhile: another rebalance is under way
        app.flow_control.resume()
        consumer.resume_partitions(assignment)
        consumer.resume_flow()
        await app._fetcher.maybe_start()  # noqa: SLF001
        for partition in table.partitions_held.values():
            await partition.start()  # seeking comes last: what a stopped flow drops must not have been fetched after it
        self.completed.set()
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()
        self.tables.on_taken_over(set(numbers))


class TableManager(manager.TableManager):
    """One table, whose changelog Faust does not read."""

    _recovery: Any = None
    owned: int | None = None
    """The generation whose assignment is in force; None: revoked."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self.sources: set[str] = set()
        self.on_taken_over: Callable[[set[int]], None] = lambda _numbers: None
        app.on_partitions_revoked.connect(self._drain)

    @property
    def customers(self) -> CustomersTable:
        (table,) = self.values()
        found: CustomersTable = table
        return found

    @property
    def recovery(self) -> Recovery:
        recovery: Recovery | None = self._recovery
        if recovery is None:
            self._recovery = recovery = Recovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return recovery

    async def _update_channels(self) -> None:  # stock: subscribe to the changelogs
        self._tables_finalized.set()
        for table in self.values():
            await table.maybe_start()
        self._tables_registered.set()

    async def on_rebalance(self, assigned: set[TP], revoked: set[TP], newly: set[TP], generation_id: int = 0) -> None:
        self.owned = generation_id
        await super().on_rebalance(assigned, revoked, newly, generation_id)

    def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self.owned = None
        for table in self.values():
            table.pause()
        super().on_partitions_revoked(revoked)

    async def _drain(self, _app: Any, _revoked: set[TP], **_kwargs: Any) -> None:
        for table in self.values():
            await table.drain(self.app.offbeat_settings.session_timeout / 2000)
