"""The customers as a Faust table, and the parts of Faust that must not consume its changelog or seek behind our back.

Subclasses of faust-streaming 0.15.3.
"""

import asyncio
import collections
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import faust
from faust.stores.memory import Store as MemoryStore
from faust.tables import manager, recovery
from faust.types import TP
from mode import Service

from streams.delivery.batch import Batch
from streams.delivery.holdings import Holdings
from streams.delivery.partition import Partition
from tables.customer import Customer

TICK_SECONDS = 0.1
"""How often a partition looks whether a timer is due."""
STOP_SECONDS = 5.0
"""How long a batch may take to end when the worker is told to stop."""


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

    def __init__(self, app: Any, *, holdings: Holdings, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self.holdings = holdings

    async def apply(self, batch: Batch) -> None:
        """Work on a fetched batch of one partition number."""
        await self.holdings.apply(batch)

    def _new_store(self) -> MemoryStore:
        store = MemoryStore("memory://", self.app, self, table_name=self.name, key_type=self.key_type)
        store.data = Customers(self.holdings.held)
        return store

    def on_key_set(self, key: Any, _value: Any) -> None:
        raise RuntimeError(f"{key!r}: customers change by `apply` only")

    def on_key_del(self, key: Any) -> None:
        raise RuntimeError(f"{key!r}: customers change by `apply` only")

    @Service.task  # type: ignore[untyped-decorator]
    async def _tick(self) -> None:
        while not self.should_stop:
            await asyncio.sleep(TICK_SECONDS)
            await self.holdings.tick()

    async def on_stop(self) -> None:
        await self.holdings.stop(STOP_SECONDS)
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
                self.tables.holdings.fatal(70, f"taking partitions over failed: {type(exc).__name__}: {exc}")
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
        holdings: Holdings = self.tables.holdings
        for number, topics in numbers.items():
            if topics != self.tables.sources:
                holdings.fatal(
                    1,
                    f"partition {number}: this worker was assigned {sorted(topics)} of {sorted(self.tables.sources)}: "
                    "all workers of the group must read the same topics with equal partition counts",
                )

        async def resume(resumed: set[int]) -> None:
            app.flow_control.resume()
            consumer.resume_partitions({tp for tp in assignment if tp.partition in resumed})
            consumer.resume_flow()
            await app._fetcher.maybe_start()  # noqa: SLF001

        if not await holdings.take_over(set(numbers), generation, resume):
            return  # another rebalance is under way
        self.completed.set()
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()
        self.tables.on_taken_over(set(numbers))


class TableManager(manager.TableManager):
    """One table, whose changelog Faust does not read."""

    _recovery: Any = None
    holdings: Holdings

    def __init__(self, app: Any, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self.sources: set[str] = set()
        self.on_taken_over: Callable[[set[int]], None] = lambda _numbers: None
        app.on_partitions_revoked.connect(self._drain)

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
        self.holdings.grant(generation_id)
        await super().on_rebalance(assigned, revoked, newly, generation_id)

    def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self.holdings.revoke()
        super().on_partitions_revoked(revoked)

    async def _drain(self, _app: Any, _revoked: set[TP], **_kwargs: Any) -> None:
        await self.holdings.drain(self.app.offbeat_settings.session_timeout / 2000)
