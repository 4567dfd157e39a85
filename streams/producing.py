"""What all writers have in common: a producer for one partition number, and rows sent as whole record batches.

The private attributes of aiokafka 0.14.0 that are used are marked.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, NoReturn

from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidProducerEpoch, ProducerClosed, ProducerFenced

from streams.errors import FencedError
from streams.ports import STEP_SECONDS, Row
from streams.settings import Settings

log = logging.getLogger(__name__)

CLOSE_SECONDS = 2.0


class Producing:
    """Opening, sending and closing; what it means for a batch is the writer's."""

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
                await asyncio.wait_for(producer.stop(), CLOSE_SECONDS)
            except Exception as exc:  # noqa: BLE001 - it is broken already; its connections must go all the same
                log.debug("closing the producer of partition %d: %r", self.number, exc)
                await _break_off(producer)

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
