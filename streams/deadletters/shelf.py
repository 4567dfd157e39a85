"""Reads the topic of dead letters to where it ended when first looked at; in bounded memory, writing nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import TopicPartition

from streams.brokers.reading import Reading, end_of
from streams.deadletters.letter import Letter, Receipt, SentBack, read
from streams.delivery.records import as_parsed
from streams.errors import StopError
from streams.settings import Settings

PATIENCE = 60.0
"""Seconds without a sign of the end after which reading is given up."""
_FETCH_BYTES = 4 << 20
Tell = Callable[[float, str], None]
"""Told the share that is read, 0 to 1, and of what."""


class Shelf:
    """Reads one partition after the other, by one fetch at a time, with a consumer of `open_shelf`.

    Raises KafkaError, and StopError when there is no end of a partition.
    """

    def __init__(self, consumer: Any, topic: str, partitions: int, tell: Tell) -> None:
        self._consumer, self._topic = consumer, topic
        self._partitions, self._tell = partitions, tell
        self._ends: dict[int, int] = {}

    async def sent_back(self) -> SentBack:
        """What the receipts tell."""
        found = SentBack()
        for number in range(self._partitions):
            async for entry in self._read(number, found):
                if isinstance(entry, Receipt):
                    found.note(number, entry)
        return found

    async def letters(self) -> AsyncIterator[Letter]:
        """Every letter, by partition and offset: what was written after the first look is left for another time."""
        for number in range(self._partitions):
            async for entry in self._read(number):
                if isinstance(entry, Letter):
                    yield entry

    async def _read(self, number: int, begins: SentBack | None = None) -> AsyncIterator[Letter | Receipt]:
        place = TopicPartition(self._topic, number)
        self._consumer.assign([place])
        await self._consumer.seek_to_beginning(place)
        first = await self._consumer.position(place)
        if begins is not None:
            begins.begins(number, first)
        loop = asyncio.get_running_loop()
        heard = loop.time()
        while True:
            records = (await self._consumer.getmany(place, timeout_ms=100)).get(place, [])
            end = self._end(place)
            for record in records:
                if end is None or record.offset < end:
                    yield read(number, record)
            reached = await self._consumer.position(place)
            if end is not None:
                if reached >= end:
                    return
                self._tell((number + (reached - first) / (end - first)) / self._partitions, f"reading {self._topic}")
            if records:
                heard = loop.time()
            elif loop.time() - heard > PATIENCE:
                raise StopError(f"{self._topic}[{number}]: no end within {PATIENCE:.0f} s; see offbeat doctor")

    def _end(self, place: TopicPartition) -> int | None:
        """Where what is committed ended, as the first fetch told."""
        if place.partition not in self._ends:
            end = end_of(self._consumer, place)
            if end is None:
                return None
            self._ends[place.partition] = end
        return self._ends[place.partition]


@asynccontextmanager
async def open_shelf(
    settings: Settings, partitions: int, tell: Tell = lambda _share, _what: None
) -> AsyncIterator[Shelf]:
    """Connects. Raises KafkaError, OSError."""
    async with Reading(settings, value_deserializer=as_parsed, max_partition_fetch_bytes=_FETCH_BYTES) as consumer:
        yield Shelf(consumer, settings.topic("dead_letters"), partitions, tell)
