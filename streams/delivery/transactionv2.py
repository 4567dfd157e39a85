"""Transactions by Kafka's protocol v2 (KIP-890, part 2): a batch takes two requests, its Produce and its EndTxn.

A Produce adds its partitions to the transaction, and a TxnOffsetCommit its group. EndTxn gives the producer of the next
transaction, of a higher epoch: whatever comes late, be it records or another EndTxn, is of a former epoch and is
refused. So everything here may be asked again until it is answered.

Brokers have it where the cluster has finalized the feature transaction.version at 2, as new clusters of Apache Kafka 4
have. This sends by itself, on the connections of aiokafka's client, and nothing in the background: once whoever waits
for it has stopped to wait, nothing more is sent.

The coordinator takes one change of a transaction after the other. A leader that comes while another change is written
down, or while the markers of the transaction before are, waits for 20 ms before it asks again (add.partitions.to.txn.
retry.backoff.ms): so the markers are waited for here, and partitions of several leaders are added by one request, as by
older producers. Leaders take it as it is that theirs are added already.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import (
    IllegalOperation,
    IncompatibleBrokerVersion,
    KafkaError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
)

from streams.delivery.asking import Asking, passes
from streams.delivery.ports import STEP_SECONDS
from streams.delivery.producing import RETRY_MS, RecordBatch
from streams.delivery.transactionwire import (
    NEEDED,
    AddPartitionsToTxnRequest,
    ApiVersionsRequest,
    EndTxnRequest,
    InitProducerIdRequest,
    Place,
    Producer,
    ProduceRequest,
    TxnOffsetCommitRequest,
)

FEATURE, LEVEL = "transaction.version", 2

SETTLE_SECONDS = 0.02
"""So soon after a transaction the coordinator is asked whether it still writes its markers, before another one begins.

That takes it 2 ms (one in twenty: 8 ms). A Produce that comes too early waits 20 ms.
"""
SETTLE_MS = 1
"""From one such question to the next; each time twice as long, up to RETRY_MS."""

_Found = TypeVar("_Found")


class _Built(NamedTuple):
    """A record batch, and its bytes: they stay the same, however often they are sent."""

    batch: RecordBatch
    data: bytes


class Transactions:
    """One transaction after the other, of one transactional id.

    All of it raises KafkaError: it is unknown then what is durable, and none is begun any more. ProducerFenced:
    somebody else has the id now. What brokers may do better the next time is asked again, as long as the caller waits.
    """

    def __init__(self, client: AIOKafkaClient, transactional_id: str, timeout_ms: int) -> None:
        """`timeout_ms`: the brokers end a transaction after this."""
        self.producer = Producer(-1, -1)
        self._ask, self._id, self._timeout_ms = Asking(client, transactional_id), transactional_id, timeout_ms
        self._whole = False
        """The transaction before was ended, and so another one may begin."""
        self._ended: tuple[EndTxnRequest, float] | None = None
        """How, and when."""

    async def supported(self) -> bool:
        """Whether the cluster has agreed on them, and the coordinator has them."""
        while True:
            node = await self._ask.coordinator(CoordinationType.TRANSACTION, self._id)
            try:
                found = await self._ask.send(node, ApiVersionsRequest.of("offbeat", "1"))
            except IncompatibleBrokerVersion:
                return False
            except KafkaError as exc:
                await self._ask.again(exc, CoordinationType.TRANSACTION)
                continue
            return found.finalized.get(FEATURE, 0) >= LEVEL and all(kind.known(found.versions) for kind in NEEDED)

    async def open(self) -> None:
        """Fence whoever had the id, and end what that one has begun."""
        found = await self._ask.coordinate(InitProducerIdRequest.of(self._id, self._timeout_ms))
        self.producer, self._whole = Producer(found.producer_id, found.producer_epoch), True

    def close(self) -> None:
        """Nothing is sent after this."""
        self._ask.close()

    async def commit(
        self, batches: Iterable[RecordBatch], group: str = "", offsets: Mapping[Place, int] | None = None
    ) -> None:
        """One transaction of all `batches`, and of `offsets` of the group, by topic and partition."""
        if not self._whole:
            raise IllegalOperation("the transaction before was not ended")
        self._whole = False
        waiting = list(batches)
        if waiting or offsets:  # brokers know nothing of a transaction without partitions, and refuse to end it
            await self._settle()
            await self._produce(waiting)
            if offsets:
                await self._commit_offsets(group, offsets)
            await self._end()
        self._whole = True

    async def _settle(self) -> None:
        """Wait for the markers of the transaction before.

        Asked once more to end it, the coordinator does nothing, and says whether they are there.
        """
        ended, self._ended = self._ended, None
        if ended is not None and asyncio.get_running_loop().time() < ended[1] + SETTLE_SECONDS:
            await self._end_by(ended[0], SETTLE_MS)

    async def _produce(self, batches: Iterable[RecordBatch]) -> None:
        """Make them part of the transaction, those of a partition in their order."""
        waiting: defaultdict[Place, deque[_Built]] = defaultdict(deque)
        sequences: defaultdict[Place, int] = defaultdict(int)
        for batch in batches:
            place = batch.topic, batch.partition
            batch.builder._set_producer_state(*self.producer, sequences[place])  # noqa: SLF001
            waiting[place].append(_Built(batch, batch.builder._build()))  # noqa: SLF001
            sequences[place] += batch.records
        added = False
        while waiting:
            leaders = await self._ask.leaders(waiting)
            heads = {place: queue[0] for place, queue in waiting.items()}
            if not added and len(leaders) > 1:
                added = await self._add(heads)
                continue
            requests = [self._produce_to(node, {place: heads[place] for place in led}) for node, led in leaders.items()]
            failed: dict[Place, KafkaError] = {}
            for found in await _together(requests):
                failed |= found
            for place in heads.keys() - failed.keys():
                waiting[place].popleft()
                if not waiting[place]:
                    del waiting[place]
            if failed:
                self._look_at(failed, heads)
                await self._ask.again(max(failed.values(), key=lambda error: error.invalid_metadata))

    async def _add(self, heads: Mapping[Place, "_Built"]) -> bool:
        """Add partitions of several leaders, who would get in each other's way; whether it was done."""
        request = AddPartitionsToTxnRequest.of(self._id, self.producer, heads)
        node = await self._ask.coordinator(CoordinationType.TRANSACTION, self._id)
        try:
            answer = await self._ask.send(node, request)
        except KafkaError as exc:
            await self._ask.again(exc, CoordinationType.TRANSACTION)
            return False
        failed = self._ask.failed(answer.errors, heads)
        if failed:
            self._look_at(failed, heads)
            await self._ask.again(next(iter(failed.values())), CoordinationType.TRANSACTION)
        return not failed

    async def _produce_to(self, node: int, batches: Mapping[Place, "_Built"]) -> dict[Place, KafkaError]:
        """One batch for each partition that the node leads; what was not taken this time."""
        request = ProduceRequest.of(
            self._id, int(STEP_SECONDS * 1000), {place: built.data for place, built in batches.items()}
        )
        try:
            answer = await self._ask.send(node, request, ConnectionGroup.DEFAULT)
        except KafkaError as exc:
            return dict.fromkeys(batches, exc)
        return self._ask.failed(answer.errors, batches)

    async def _commit_offsets(self, group: str, offsets: Mapping[Place, int]) -> None:
        request = TxnOffsetCommitRequest.of(self._id, group, self.producer, offsets)
        while True:
            node = await self._ask.coordinator(CoordinationType.GROUP, group)
            try:
                found = await self._ask.send(node, request)
                for (topic, _), code in found.errors.items():
                    if (error := self._ask.error(code, topic, group)) is not None:
                        raise error
            except KafkaError as exc:
                await self._ask.again(exc, CoordinationType.GROUP)
            else:
                return

    async def _end(self) -> None:
        request = EndTxnRequest.of(self._id, self.producer, committed=True)
        await self._end_by(request)
        self._ended = request, asyncio.get_running_loop().time()

    async def _end_by(self, request: EndTxnRequest, pause_ms: int = RETRY_MS) -> None:
        """However often it is asked: it ends the transaction of its epoch, once. Who writes the next one is told."""
        found = await self._ask.coordinate(request, pause_ms)
        self.producer = Producer(found.producer_id, found.producer_epoch)
        if self.producer.id == request.producer_id and self.producer.epoch <= request.producer_epoch:
            raise KafkaError(f"after a transaction the brokers give {self.producer}, which is no newer one")

    @staticmethod
    def _look_at(failed: Mapping[Place, KafkaError], heads: Mapping[Place, "_Built"]) -> None:
        """Raises what will not be taken the next time either; of several the one that a person has to mend."""
        final = {place: error for place, error in failed.items() if not passes(error)}
        if final:
            place, error = max(final.items(), key=lambda one: isinstance(one[1], TopicAuthorizationFailedError))
            raise heads[place].batch.too_large() if isinstance(error, MessageSizeTooLargeError) else error


async def _together(work: Sequence[Coroutine[Any, Any, _Found]]) -> list[_Found]:
    """What comes of all of it; nothing of it goes on when this is over."""
    if len(work) == 1:
        return [await work[0]]
    tasks = [asyncio.create_task(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
