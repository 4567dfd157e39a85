"""How a batch becomes durable: all records of one partition number, and then the group's offsets.

`TransactionalWriter` (exactly_once): one Kafka transaction per batch. Opening it ends the previous owner's transaction
and fences it: nothing that it sends afterwards is taken.
`AcknowledgedWriter` (at_least_once, for brokers without transactions): decisions are acknowledged before states, states
before their mark. Whatever is written again after a crash is written with the same ids.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalOperation, InvalidProducerEpoch, KafkaError, ProducerFenced

from streams.errors import FencedError
from streams.ports import Row, Writer
from streams.settings import Settings

log = logging.getLogger(__name__)

TRANSACTION_MS = 15_000
"""A transaction of a frozen worker is ended by the broker after this, and holds up readers no longer."""
STEP_SECONDS = 30.0
"""No step of a batch may take longer: then the outcome is unknown, and the partition is taken over anew."""


class _Producing:
    """What both have in common: a producer, and sending rows as whole record batches."""

    def __init__(self, settings: Settings, number: int, partitions: Mapping[str, int], **options: Any) -> None:
        self.settings = settings
        self.number = number
        self._partitions = partitions
        self._options = options
        self._producer: AIOKafkaProducer | None = None

    @property
    def producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise RuntimeError("the writer is not open")
        return self._producer

    async def open(self) -> None:
        self._producer = AIOKafkaProducer(
            **self.settings.client_options(),
            acks="all",
            linger_ms=0,
            retry_backoff_ms=5,
            max_batch_size=1 << 20,
            max_request_size=64 << 20,
            request_timeout_ms=int(STEP_SECONDS * 1000),
            **self._options,
        )
        try:
            await asyncio.wait_for(self._producer.start(), STEP_SECONDS)
        except (ProducerFenced, InvalidProducerEpoch) as exc:
            raise FencedError(str(exc)) from exc

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                await asyncio.wait_for(producer.stop(), 2)
            except Exception as exc:  # noqa: BLE001 - it is broken already; its connections must go all the same
                log.debug("closing the producer of partition %d: %r", self.number, exc)
                with suppress(Exception):
                    await producer.client.close()

    async def send(self, topic: str, rows: Iterable[Row]) -> list["asyncio.Future[Any]"]:
        """Hand the rows to the producer as record batches; the futures tell what became of each."""
        producer = self.producer
        partition = self.number % self._partitions.get(topic, self.number + 1)
        sent: list[asyncio.Future[Any]] = []
        batch = producer.create_batch()
        for key, value, headers in rows:
            if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                batch.close()
                sent.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                    raise ValueError(f"a record for {topic} is too large to be sent")
        if batch.record_count():
            batch.close()
            sent.append(await producer.send_batch(batch, topic, partition=partition))
        return sent


class TransactionalWriter(_Producing):
    """One transaction per batch; the transactional id is the partition number's."""

    def __init__(self, settings: Settings, number: int, partitions: Mapping[str, int]) -> None:
        super().__init__(
            settings,
            number,
            partitions,
            enable_idempotence=True,
            transactional_id=settings.transactional_id(number),
            transaction_timeout_ms=TRANSACTION_MS,
        )

    async def write(self, states: list[Row], outputs: Mapping[str, list[Row]], offsets: Mapping[str, int]) -> None:
        try:
            async with asyncio.timeout(STEP_SECONDS):
                await self._write(states, outputs, offsets)
        except (KafkaError, TimeoutError, IllegalOperation) as exc:
            cause = self._cause()
            if isinstance(exc, ProducerFenced | InvalidProducerEpoch) or cause is not None:
                raise FencedError(repr(cause or exc)) from exc
            if isinstance(exc, IllegalOperation):  # the producer was broken by an earlier error
                raise KafkaError(repr(exc)) from exc
            raise

    async def _write(self, states: list[Row], outputs: Mapping[str, list[Row]], offsets: Mapping[str, int]) -> None:
        producer = self.producer
        await producer.begin_transaction()
        sent = await self.send(self.settings.changelog, states)
        for topic, rows in outputs.items():
            sent += await self.send(topic, rows)
        if offsets:
            await producer.send_offsets_to_transaction(
                {TopicPartition(topic, self.number): offset for topic, offset in offsets.items()},
                self.settings.group_id,
            )
        for future in sent:
            await future  # commit_transaction succeeds although a batch has failed
        await producer.commit_transaction()

    def _cause(self) -> BaseException | None:
        """The fencing that another error hides: it ends the producer's sender first."""
        task = self._producer._sender.sender_task if self._producer else None  # noqa: SLF001
        if task is not None and task.done() and not task.cancelled():
            exc: BaseException | None = task.exception()
            return exc if isinstance(exc, (ProducerFenced, InvalidProducerEpoch)) else None
        return None


class AcknowledgedWriter(_Producing):
    """Without transactions. The group's offsets are the caller's to commit, afterwards.

    `check` raises `FencedError` when somebody else may have the partition: no broker would refuse what is sent then.
    """

    def __init__(
        self, settings: Settings, number: int, partitions: Mapping[str, int], check: Callable[[], None]
    ) -> None:
        super().__init__(settings, number, partitions)
        self._check = check

    async def write(self, states: list[Row], outputs: Mapping[str, list[Row]], _offsets: Mapping[str, int]) -> None:
        async with asyncio.timeout(STEP_SECONDS):
            sent: list[asyncio.Future[Any]] = []
            self._check()
            for topic, rows in outputs.items():
                sent += await self.send(topic, rows)
            for future in sent:
                await future
            self._check()
            for future in await self.send(self.settings.changelog, states):
                await future  # one after the other: the mark comes last


def make_writer(
    settings: Settings, number: int, partitions: Mapping[str, int], check: Callable[[], None] = lambda: None
) -> Writer:
    """The writer of the delivery mode. `partitions`: how many each output topic has; `check`: of AcknowledgedWriter."""
    if settings.delivery == "exactly_once":
        return TransactionalWriter(settings, number, partitions)
    return AcknowledgedWriter(settings, number, partitions, check)
