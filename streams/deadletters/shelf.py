"""Reads the topic of dead letters to where it ended when first looked at; in bounded memory, writing nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

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
    """`async with Shelf(settings, partitions) as shelf`: reads one partition after the other, by one fetch at a time.

    Raises KafkaError, and StopError when there is no end of a partition.
    """

    def __init__(self, settings: Settings, partitions: int, tell: Tell = lambda _share, _what: None) -> None:
        self.topic = settings.topic("dead_letters")
        self._partitions, self._tell = partitions, tell
        self._ends: dict[int, int] = {}
        self._consumer: Any = AIOKafkaConsumer(
            **settings.client_options(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            value_deserializer=as_parsed,
            max_partition_fetch_bytes=_FETCH_BYTES,
            fetch_max_wait_ms=50,
            retry_backoff_ms=20,
        )

    async def __aenter__(self) -> Self:
        try:
            await self._consumer.start()
        except BaseException:
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._consumer.stop(), 5)

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
        place = TopicPartition(self.topic, number)
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
                self._tell((number + (reached - first) / (end - first)) / self._partitions, f"reading {self.topic}")
            if records:
                heard = loop.time()
            elif loop.time() - heard > PATIENCE:
                raise StopError(f"{self.topic}[{number}]: no end within {PATIENCE:.0f} s; see offbeat doctor")

    def _end(self, place: TopicPartition) -> int | None:
        """Where what is committed ended, as the first fetch told: the embedded broker tells it no other way."""
        if place.partition not in self._ends:
            told = self._consumer.last_stable_offset(place)
            end = told if told is not None and told >= 0 else self._consumer.highwater(place)
            if end is None:
                return None
            self._ends[place.partition] = end
        return self._ends[place.partition]
