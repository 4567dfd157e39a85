"""What aiokafka 0.14's transactional producer does, as far as `streams.delivery.writer` sees, over the model's network.

Read in its `producer/sender.py`: requests of a transaction go one after the other and batches beside them; every error
that may pass is tried again, also the end of a transaction; a batch that fails fails its own future and nothing else;
a fatal error ends the sender's task, and all that waits for it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from aiokafka.errors import IllegalOperation, InvalidProducerEpoch, KafkaError, ProducerFenced
from aiokafka.structs import TopicPartition

from streams.delivery.changelog import MARK
from tests.sim.brokers import Brokers
from tests.sim.client import Client
from tests.sim.log import Place, Producer, Row, Taken, Transaction
from tests.sim.network import Network

FULL = 6
"""Records that a batch holds: so few that there are often several."""


class Batch:
    """A record batch being built, and the builder in it.

    `_build` makes no bytes of it, but what a Produce of transactions v2 says: who, which sequence, and what.
    """

    def __init__(self, taken: Taken | None) -> None:
        self._taken = taken
        self._state: tuple[Producer, int] | None = None
        self.rows: list[Row] = []
        self._builder = self
        self._relative_offset = 0
        self._closed = False

    def append(
        self, offset: int, _timestamp: int, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]], /
    ) -> object | None:
        """None when it is full."""
        assert not self._closed
        assert offset == len(self.rows)
        if offset >= FULL:
            return None
        self.rows.append((key, value, tuple(headers)))
        return self.rows

    def _set_producer_state(self, id_: int, epoch: int, sequence: int) -> None:
        assert self._closed
        self._state = Producer(id_, epoch), sequence

    def _build(self) -> tuple[Producer, int, list[Row], Taken | None]:
        assert self._state is not None
        return *self._state, self.rows, self._taken if self.rows[-1][0] == MARK else None

    def size(self) -> int:
        return sum(len(key or b"") + len(value or b"") for key, value, _ in self.rows)

    def close(self) -> None:
        assert self._relative_offset == len(self.rows), "sequence numbers would have a gap"
        self._closed = True


class _Sent(NamedTuple):
    place: Place
    rows: list[Row]
    future: "asyncio.Future[None]"


class ModelProducer:
    """Stands for aiokafka.AIOKafkaProducer, with those of its methods that the writer uses."""

    def __init__(
        self,
        network: Network,
        brokers: Brokers,
        *,
        transactional_id: str,
        transaction_timeout_ms: int,
        **_options: Any,
    ) -> None:
        self.sender_task: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sender_task.add_done_callback(self._ended)
        self.taken: Taken | None = None
        """What the next transaction is meant to be; it goes with its mark."""
        self.client = Client(network, brokers)
        self._brokers = brokers
        self._name, self._seconds = transactional_id, transaction_timeout_ms / 1000
        self._producer = Producer(-1, -1)
        self._state = "new"
        self._tasks: list[asyncio.Task[None]] = []
        self._pending: list[_Sent] = []
        self._added: set[Place] = set()
        self._transaction: Transaction | None = None
        """What the brokers made of the one that goes on."""
        self._sequences: dict[Place, int] = defaultdict(int)
        self._one_by_one = asyncio.Lock()

    @property
    def _sender(self) -> "ModelProducer":
        """Where the writer looks for the sender's task."""
        return self

    @property
    def _txn_manager(self) -> "ModelProducer":
        """Where the writer looks for what a right that is missing has done to the transaction."""
        return self

    def wait_for_transaction_end(self) -> None:
        """Nobody's right is missing."""

    async def start(self) -> None:
        self._producer = await self.client.insist(
            "InitProducerId", self._brokers.init_producer, self._name, self._seconds
        )
        self._state = "ready"

    async def stop(self) -> None:
        """Waits for what is on its way."""
        try:
            if self._pending and not self.sender_task.done():
                await asyncio.wait([sent.future for sent in self._pending])
        finally:
            self.sender_task.cancel()

    def _ended(self, sender: "asyncio.Future[None]") -> None:
        if sender.cancelled():
            for task in self._tasks:
                task.cancel()

    # -- a transaction

    async def begin_transaction(self) -> None:
        assert self._state == "ready", f"a transaction begun when {self._state}"
        self._state = "begun"
        self._tasks = []
        self._pending = []
        self._added = set()
        self._transaction = None

    def create_batch(self) -> Batch:
        return Batch(self.taken)

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> "asyncio.Future[None]":
        """Queue it; the future tells what became of it."""
        self._check()
        loop = asyncio.get_running_loop()
        sent = _Sent((topic, partition), batch.rows, loop.create_future())
        self._pending.append(sent)
        if len(self._pending) == 1:
            self._tasks.append(loop.create_task(self._deliver()))
        return sent.future

    async def send_offsets_to_transaction(self, offsets: Mapping[TopicPartition, int], _group: str) -> None:
        self._check()
        task = asyncio.get_running_loop().create_task(
            self._commit_offsets({(tp.topic, tp.partition): offset for tp, offset in offsets.items()})
        )
        self._tasks.append(task)
        await asyncio.wait([task, self.sender_task], return_when=asyncio.FIRST_COMPLETED)
        self._raise_fatal()

    async def commit_transaction(self) -> None:
        """Ends it when every batch has an answer, whichever."""
        self._raise_fatal()
        assert self._state == "begun", f"a transaction ended when {self._state}"
        self._state = "committing"
        task = asyncio.get_running_loop().create_task(self._commit())
        self._tasks.append(task)
        await asyncio.wait([task, self.sender_task], return_when=asyncio.FIRST_COMPLETED)
        self._raise_fatal()

    # -- the sender's task

    async def _deliver(self) -> None:
        """Add the partitions of all that is queued, then send each partition's batches in order."""
        await asyncio.sleep(0)
        done = 0
        while done < len(self._pending):
            news = self._pending[done:]
            done = len(self._pending)
            by_place: dict[Place, list[_Sent]] = defaultdict(list)
            for sent in news:
                by_place[sent.place].append(sent)
            fresh = [place for place in by_place if place not in self._added]
            if fresh and not await self._step(
                "AddPartitionsToTxn", self._brokers.add_partitions, self._producer, fresh
            ):
                return
            self._added.update(fresh)
            first, *others = by_place.values()
            loop = asyncio.get_running_loop()
            self._tasks += [loop.create_task(self._produce(each)) for each in others]
            await self._produce(first)

    async def _produce(self, batches: list[_Sent]) -> None:
        for place, rows, future in batches:
            sequence = self._sequences[place]
            self._sequences[place] = sequence + len(rows)
            taken = self.taken if rows[-1][0] == MARK else None
            try:
                await self.client.insist("Produce", self._brokers.produce, self._producer, place, sequence, rows, taken)
            except InvalidProducerEpoch:
                fail(future, ProducerFenced())
            except KafkaError as exc:
                fail(future, exc)
            else:
                if not future.done():
                    future.set_result(None)

    async def _commit_offsets(self, offsets: dict[Place, int]) -> None:
        if await self._step("AddOffsetsToTxn", self._brokers.add_group, self._producer):
            await self._step("TxnOffsetCommit", self._brokers.commit_offsets, self._producer, offsets)

    async def _commit(self) -> None:
        if self._pending:
            await asyncio.wait([sent.future for sent in self._pending])
        end = partial(self._brokers.end_transaction, commit=True)
        if self._transaction is None or await self._step("EndTxn", end, self._producer, self._transaction):
            self._state = "ready"

    async def _step(self, kind: str, work: Callable[..., object], *args: Any) -> bool:
        """A request of the transaction; False when it has ended the sender."""
        try:
            async with self._one_by_one:
                answer = await self.client.insist(kind, work, *args)
        except InvalidProducerEpoch:
            self._fatal(ProducerFenced())
        except KafkaError:
            self._fatal(KafkaError("Unexpected error during batch delivery"))
        else:
            if isinstance(answer, Transaction):
                self._transaction = answer
            return True
        return False

    # -- errors

    def _check(self) -> None:
        if self._state != "begun":
            raise IllegalOperation("Can't send messages while not in transaction")

    def _fatal(self, exc: KafkaError) -> None:
        if not self.sender_task.done():
            self._state = "fatal"
            self.sender_task.set_exception(exc)
            for sent in self._pending:
                fail(sent.future, exc)

    def _raise_fatal(self) -> None:
        if self.sender_task.done():
            self.sender_task.result()


def fail(future: "asyncio.Future[None]", exc: KafkaError) -> None:
    """A batch was not taken, unless that is known already."""
    if not future.done():
        future.set_exception(exc)
        with suppress(KafkaError):
            future.result()  # whether anybody looks at it is for the writer to decide
