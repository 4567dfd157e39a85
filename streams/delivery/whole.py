"""Reads a partition of a topic to where it ended when it was first looked at: in bounded memory, without a group."""

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Self

from aiokafka import TopicPartition

from streams.brokers.reading import Reading, end_of
from streams.delivery.records import as_parsed
from streams.errors import StopError
from streams.settings import Settings

PATIENCE = 60.0
"""Seconds without a sign of the end after which reading is given up."""
_FETCH_BYTES = 4 << 20
Tell = Callable[[float, str], None]
"""Told the share that is read, 0 to 1, and of what."""


class WholeReading:
    """`async with WholeReading(settings) as reading`: one partition after the other, what is committed of it alone.

    Records are as aiokafka's parser leaves them (`streams.delivery.records`). Raises KafkaError, and StopError when
    there is no end of a partition.
    """

    def __init__(self, settings: Settings) -> None:
        self._ends: dict[TopicPartition, int] = {}
        self._reading = Reading(settings, value_deserializer=as_parsed, max_partition_fetch_bytes=_FETCH_BYTES)
        self._consumer: Any = None

    async def __aenter__(self) -> Self:
        self._consumer = await self._reading.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._reading.__aexit__(kind, error, trace)

    async def records(
        self,
        topic: str,
        number: int,
        tell: Callable[[float], None] = lambda _share: None,
        begins: Callable[[int], None] = lambda _offset: None,
    ) -> AsyncIterator[list[Any]]:
        """All records of a partition, fetch by fetch; `tell` hears which share of it is read.

        `begins` hears, before all else, the offset at which it begins. However often it is read, it ends where it did
        the first time.
        """
        place = TopicPartition(topic, number)
        self._consumer.assign([place])
        await self._consumer.seek_to_beginning(place)
        first = int(await self._consumer.position(place))
        begins(first)
        loop = asyncio.get_running_loop()
        heard = loop.time()
        while True:
            records = (await self._consumer.getmany(place, timeout_ms=100)).get(place, [])
            end = self._end(place)
            if records:
                heard = loop.time()
                yield records if end is None else [record for record in records if record.offset < end]
            reached = await self._consumer.position(place)
            if end is not None:
                if reached >= end:
                    return
                tell((reached - first) / (end - first))
            if loop.time() - heard > PATIENCE:
                raise StopError(f"{topic}[{number}]: no end within {PATIENCE:.0f} s; see offbeat doctor")

    def _end(self, place: TopicPartition) -> int | None:
        """Where what is committed ended, as the first fetch told."""
        if place not in self._ends:
            end = end_of(self._consumer, place)
            if end is None:
                return None
            self._ends[place] = end
        return self._ends[place]
