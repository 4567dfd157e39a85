"""The topic of parameters, read from its beginning and followed; and written to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer, TopicPartition

from streams.brokers.reading import Reading, end_of
from streams.settings import Settings

Take = Callable[[bytes | None, bytes | None], None]
"""Takes a record's key and value."""
_CLOSE_SECONDS = 2.0
_PATIENT = {"max_partition_fetch_bytes": 4 << 20, "fetch_max_wait_ms": 500, "retry_backoff_ms": 50}


class Topic:
    """`async with Topic(settings) as topic`: connects; may be entered again after an error, and then goes on.

    Everything raises KafkaError, OSError, TimeoutError: enter it again.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._place = TopicPartition(settings.published, 0)
        self._next: int | None = None
        """The offset to go on from."""
        self._clients = AsyncExitStack()
        self._consumer: Any = None
        self._producer: Any = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as clients:
            self._consumer = await clients.enter_async_context(Reading(self._settings, **_PATIENT))
            self._consumer.assign([self._place])
            if self._next is None:
                await self._consumer.seek_to_beginning(self._place)
            else:
                self._consumer.seek(self._place, self._next)
            self._clients = clients.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._producer = self._consumer = None
        await self._clients.aclose()

    async def poll(self, take: Take, seconds: float) -> bool:
        """Hand over what there is, waiting so long for it at the most. True: that was all, as far as is known."""
        found = await self._consumer.getmany(self._place, timeout_ms=round(seconds * 1000))
        for record in found.get(self._place, []):
            self._next = record.offset + 1
            take(record.key, record.value)
        end = end_of(self._consumer, self._place)
        return end is not None and await self._consumer.position(self._place) >= end

    async def write(self, key: bytes, value: bytes) -> None:
        """Return when the brokers have it."""
        if self._producer is None:
            self._producer = await self._clients.enter_async_context(_producing(self._settings))
        await self._producer.send_and_wait(self._place.topic, value, key, partition=0)


@asynccontextmanager
async def _producing(settings: Settings) -> AsyncIterator[Any]:
    producer = AIOKafkaProducer(**settings.client_options(), acks="all", retry_backoff_ms=50)
    try:
        await producer.start()
        yield producer
    finally:
        with suppress(Exception):  # it may be broken; its connections must go all the same
            await asyncio.wait_for(producer.stop(), _CLOSE_SECONDS)
