"""Records to partitions, in order and each acknowledged.

Without idempotence, which not every broker has: when a connection breaks, a batch may arrive twice, and the events'
ids make the second one harmless.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from streams.brokers.topics import BrokerError, look
from streams.logs import Rejected
from streams.settings import Settings

_LARGEST_BATCH = 256 << 10
_SMALLEST_BATCH = 16 << 10
_LARGEST_ROUND = 32 << 20
"""Bytes: of all batches that are on their way at a time, and so about half of what is held."""


class ReplayError(RuntimeError):
    """The brokers did not take what was sent; one line. What was acknowledged before is in the topics."""


class TopicsError(ValueError):
    """The topics are not as they must be; one line that says how to mend it. Nothing was sent."""


class _Batch(NamedTuple):
    slot: int
    records: int
    key: bytes | None
    """Of the first record."""
    size: int
    acknowledged: "asyncio.Future[Any]"


async def partitions_of(settings: Settings) -> int:
    """How many partitions the source topics have. Raises TopicsError, BrokerError, SettingsError."""
    found = (await asyncio.to_thread(look, settings)).found
    missing = [name for name in settings.sources if name not in found]
    if missing:
        raise TopicsError(f"no topic {', '.join(missing)} at {settings.brokers}: make it with `offbeat topics create`")
    counts = {name: found[name].partitions for name in settings.sources}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise TopicsError(
            f"the topics differ in their number of partitions ({told}): `offbeat topics check` tells more"
        )
    return min(counts.values())


@asynccontextmanager
async def sender_to(settings: Settings, topics: tuple[str, ...], partitions: int) -> AsyncIterator["Sender"]:
    """A sender; on leaving without an error everything has been acknowledged."""
    size = min(_LARGEST_BATCH, max(_SMALLEST_BATCH, _LARGEST_ROUND // (len(topics) * partitions)))
    producer = AIOKafkaProducer(
        **settings.client_options(), client_id="offbeat-replay", acks="all", linger_ms=0, max_batch_size=size
    )
    try:
        await producer.start()
        sender = Sender(producer, topics, partitions)
        yield sender
        await sender.finish()
    except KafkaError as error:
        raise BrokerError(f"the broker at {settings.brokers} is away: {_told(error)}") from None
    finally:
        await producer.stop()


class Sender:
    """Fills one batch per slot and sends them all together, a round; the next round is filled meanwhile.

    At most one batch per partition is on its way, so a batch that has to be sent again cannot overtake another.
    A slot is a partition of a topic: its topic's place in `topics` times `partitions`, plus the partition.
    """

    def __init__(self, producer: Any, topics: tuple[str, ...], partitions: int) -> None:
        self._producer = producer
        self._topics = topics
        self._partitions = partitions
        self.slots = len(topics) * partitions
        self.rejected = Rejected()
        """What a broker refused as too large, record by record."""
        self._first_keys: list[bytes | None] = [None] * self.slots
        self._filling: list[Any] = [None] * self.slots
        self._on_the_way: list[_Batch] = []

    def add(self, slot: int, key: bytes | None, value: bytes) -> bool:
        """Put a record into the slot's batch; False: it is full, so `flush` and add again. It is stamped with now."""
        batch = self._filling[slot]
        if batch is None:
            batch = self._filling[slot] = self._producer.create_batch()
            self._first_keys[slot] = key
        return batch.append(timestamp=None, key=key, value=value) is not None

    async def flush(self) -> None:
        """Send the batches once those before have been acknowledged. Raises ReplayError."""
        await self._settle()
        for slot, batch in enumerate(self._filling):
            if batch is not None:
                topic, partition = self._place(slot)
                records, size = batch.record_count(), batch.size()
                sent = await self._producer.send_batch(batch, topic, partition=partition)
                self._on_the_way.append(_Batch(slot, records, self._first_keys[slot], size, sent))
                self._filling[slot] = None

    async def finish(self) -> None:
        """Return when everything has been acknowledged. Raises ReplayError."""
        await self.flush()
        await self._settle()

    async def _settle(self) -> None:
        batches, self._on_the_way = self._on_the_way, []
        answers = await asyncio.gather(*(batch.acknowledged for batch in batches), return_exceptions=True)
        for batch, answer in zip(batches, answers, strict=True):
            if isinstance(answer, BaseException):
                self._failed(batch, answer)

    def _failed(self, batch: _Batch, error: BaseException) -> None:
        topic, partition = self._place(batch.slot)
        if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
            if batch.records == 1:
                key = (batch.key or b"").decode(errors="replace")[:80]
                self.rejected.add(f"an event of {batch.size} bytes of customer {key!r} is larger than {topic} takes")
                return
            raise ReplayError(f"{topic} takes no batch of {batch.size} bytes: raise its max.message.bytes") from None
        if not isinstance(error, KafkaError):
            raise error
        raise ReplayError(f"{topic}, partition {partition}, did not take a batch: {_told(error)}") from None

    def _place(self, slot: int) -> tuple[str, int]:
        topic, partition = divmod(slot, self._partitions)
        return self._topics[topic], partition


def _told(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
