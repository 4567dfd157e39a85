"""The topic of parameters, read from its beginning and followed; and written to."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.settings import Settings

Take = Callable[[bytes | None, bytes | None], None]
"""Takes a record's key and value."""
_CLOSE_SECONDS = 2.0
_FETCH_BYTES = 4 << 20


class Topic:
    """`async with Topic(settings) as topic`: connects; may be entered again after an error, and then goes on.

    Everything raises KafkaError, OSError, TimeoutError: enter it again.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._place = TopicPartition(settings.published, 0)
        self._next: int | None = None
        """The offset to go on from."""
        self._consumer: Any = None
        self._producer: Any = None

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(
            **self._settings.client_options(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_FETCH_BYTES,
            fetch_max_wait_ms=500,
            retry_backoff_ms=50,
        )
        try:
            await self._consumer.start()
            self._consumer.assign([self._place])
            if self._next is None:
                await self._consumer.seek_to_beginning(self._place)
            else:
                self._consumer.seek(self._place, self._next)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        clients = [client for client in (self._producer, self._consumer) if client is not None]
        self._producer = self._consumer = None
        for client in clients:
            with suppress(Exception):  # it may be broken; its connections must go all the same
                await asyncio.wait_for(client.stop(), _CLOSE_SECONDS)

    async def poll(self, take: Take, seconds: float) -> bool:
        """Hand over what there is, waiting so long for it at the most. True: that was all, as far as is known."""
        found = await self._consumer.getmany(self._place, timeout_ms=round(seconds * 1000))
        for record in found.get(self._place, []):
            self._next = record.offset + 1
            take(record.key, record.value)
        end = self._consumer.highwater(self._place)
        return end is not None and await self._consumer.position(self._place) >= end

    async def write(self, key: bytes, value: bytes) -> None:
        """Return when the brokers have it."""
        if self._producer is None:
            producer = AIOKafkaProducer(**self._settings.client_options(), acks="all", retry_backoff_ms=50)
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        await self._producer.send_and_wait(self._place.topic, value, key, partition=0)
