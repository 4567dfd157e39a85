"""What all writers have in common: a producer for one partition number, and rows sent as whole record batches.

The private attributes of aiokafka 0.14.0 that are used are marked.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidProducerEpoch,
    KafkaError,
    MessageSizeTooLargeError,
    NodeNotReadyError,
    ProducerClosed,
    ProducerFenced,
)
from aiokafka.producer import sender as aiokafka_sender
from aiokafka.protocol.transaction import EndTxnRequest

from streams.delivery.ports import STEP_SECONDS, Row
from streams.delivery.refused import Refused
from streams.errors import FencedError
from streams.settings import Settings
from streams.watch.logformat import pseudonym

log = logging.getLogger(__name__)

CLOSE_SECONDS = 2.0
RETRY_MS = 5

aiokafka_sender.BACKOFF_OVERRIDE = RETRY_MS / 1000
"""How long aiokafka waits when the coordinator still writes the markers of the transaction before. That takes it a few
milliseconds; aiokafka's own 20 ms are as long as half of the way from an event to its trigger."""


class RecordBatch(NamedTuple):
    """A whole record batch of so many `records`; `key` is that of the last one."""

    builder: Any
    topic: str
    partition: int
    records: int
    key: bytes | None

    def too_large(self) -> MessageSizeTooLargeError:
        """The brokers do not take it; says what it is."""
        what = (
            f"the record of customer {pseudonym(self.key or b'')}"
            if self.records == 1
            else f"a batch of {self.records} records"
        )
        return MessageSizeTooLargeError(
            f"{what} has {self.builder.size()} bytes; raise max.message.bytes of {self.topic}"
        )


class Sent(NamedTuple):
    """A record batch on its way."""

    future: "asyncio.Future[Any]"
    batch: RecordBatch

    async def taken(self) -> None:
        """Return when the brokers have it. Raises KafkaError; of what is too large it says what that is."""
        try:
            await self.future
        except MessageSizeTooLargeError as exc:
            raise self.batch.too_large() from exc


class Producing:
    """Opening, sending and closing; what it means for a batch is the writer's."""

    def __init__(self, settings: Settings, number: int, partitions: Mapping[str, int], **options: Any) -> None:
        self.settings = settings
        self.number = number
        self._partitions = partitions
        self._options = options
        self._producer: AIOKafkaProducer | None = None
        self._refused = Refused()
        self._unanswered = False
        """The end of a transaction was not answered at once: its producer must not begin another one."""

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
            retry_backoff_ms=RETRY_MS,
            max_batch_size=1 << 20,
            max_request_size=64 << 20,
            request_timeout_ms=int(STEP_SECONDS * 1000),
            **self._options,
        )
        self._refused.watch(self._producer.client.cluster)
        try:
            await asyncio.wait_for(self._start(self._producer), STEP_SECONDS)
        except (ProducerFenced, InvalidProducerEpoch) as exc:
            raise FencedError(str(exc)) from exc

    async def _start(self, producer: AIOKafkaProducer) -> None:
        await producer.start()

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                await asyncio.wait_for(producer.stop(), CLOSE_SECONDS)
            except Exception as exc:  # noqa: BLE001 - it is broken already; its connections must go all the same
                log.debug("closing the producer of partition %d: %r", self.number, exc)
                await _break_off(producer)

    async def send(self, topic: str, rows: Iterable[Row], partition: int | None = None) -> list[Sent]:
        """Hand the rows to the producer as record batches; `Sent.taken` tells what became of each."""
        return [
            Sent(await self.producer.send_batch(batch.builder, topic, partition=batch.partition), batch)
            for batch in self.batches(topic, rows, partition)
        ]

    def batches(self, topic: str, rows: Iterable[Row], partition: int | None = None) -> Iterator[RecordBatch]:
        """The rows as record batches, one by one."""
        if partition is None:
            partition = self.number % self._partitions.get(topic, self.number + 1)
        self._refused.want(topic)
        last: bytes | None = None
        now = int(time.time() * 1000)
        builder, append, count = self._new_batch()
        for key, value, headers in rows:
            if append(count, now, key, value, headers) is None:
                yield _complete(builder, topic, partition, count, last)
                builder, append, count = self._new_batch()
                if append(count, now, key, value, headers) is None:
                    raise ValueError(f"a record for {topic} is too large to be sent")
            count, last = count + 1, key
        if count:
            yield _complete(builder, topic, partition, count, last)

    def _watch_ends(self, client: Any) -> None:
        """Aiokafka asks again when it gets no answer to the end of a transaction.

        The first request may still be on its way, and would end the next transaction of this epoch halfway.
        """
        send = client.send

        async def watched(node: int, request: Any, **options: Any) -> Any:
            try:
                return await send(node, request, **options)
            except NodeNotReadyError:  # nothing was sent
                raise
            except KafkaError:
                self._unanswered |= isinstance(request, EndTxnRequest)
                raise

        client.send = watched

    def _new_batch(self) -> tuple[Any, Callable[..., Any], int]:
        """A batch, how to append to its buffer (four times as fast as by its own `append`), and its length."""
        batch = self.producer.create_batch()
        return batch, batch._builder.append, 0  # noqa: SLF001


def _complete(builder: Any, topic: str, partition: int, count: int, last: bytes | None) -> RecordBatch:
    builder._relative_offset = count  # noqa: SLF001
    builder.close()
    return RecordBatch(builder, topic, partition, count, last)


async def _break_off(producer: AIOKafkaProducer) -> None:
    """End what still sends: aiokafka would go on, on new connections, and be it with the end of a transaction."""

    async def refuse(*_args: Any, **_options: Any) -> NoReturn:
        raise ProducerClosed

    producer.client.send = refuse
    sender = producer._sender.sender_task  # noqa: SLF001
    if sender is not None:
        sender.cancel()
    with suppress(Exception):
        await asyncio.wait_for(producer.client.close(), CLOSE_SECONDS)
