"""The ends of the changelog, and the first records of topics from where on they are to be taken; without a group."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiokafka import TopicPartition

from streams.brokers.reading import Reading, end_of
from streams.delivery.changelog import MARK
from streams.flow.mark import Mark, decode_mark
from streams.settings import Settings
from tables.customer import StateError
from tables.customerform import read_head

_WINDOWS = (500, 5_000, 50_000)
"""How many offsets before the end of the changelog are read to find a mark, which comes with every batch."""
_SECONDS = 10.0


@dataclass(slots=True)
class Tail:
    """The end of a partition of the changelog."""

    mark: Mark | None = None
    whole: bool = False
    """It was read from its beginning: without a mark there is none."""
    problem: str = ""
    """Why a state in it, or the mark, cannot be read."""
    keys: set[bytes] = field(default_factory=set)
    """Customers that were found in it."""

    def add(self, key: bytes | None, value: bytes | None) -> None:
        if key is None or value is None:
            return
        try:
            if key == MARK:
                self.mark = decode_mark(value)
            elif not key.startswith(b"\0"):
                self.keys.add(key)
                read_head(value)
        except (StateError, msgspec.DecodeError) as error:
            self.problem = str(error)


async def tails(settings: Settings, partitions: int) -> dict[int, Tail]:
    """By partition number. Raises KafkaError, OSError."""
    found: dict[int, Tail] = {}
    left = set(range(partitions))
    async with Reading(settings) as consumer:
        for window in _WINDOWS:
            found |= await _ends(consumer, settings.changelog, left, window)
            left = {number for number in left if found[number].mark is None and not found[number].whole}
            if not left:
                break
    return found


async def _ends(consumer: Any, topic: str, numbers: Iterable[int], window: int) -> dict[int, Tail]:
    places = [TopicPartition(topic, number) for number in sorted(numbers)]
    first, last = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    starts = {place: max(first[place], last[place] - window) for place in places}
    found = {place.partition: Tail(whole=starts[place] <= first[place]) for place in places}
    async for place, records in _read(consumer, starts):
        for record in records:
            found[place.partition].add(record.key, record.value)
    return found


async def first_sent(settings: Settings, starts: Mapping[Any, int]) -> dict[Any, int]:
    """When the first record was sent from these offsets on, epoch ms, by topic and partition where there is one.

    Raises KafkaError, OSError.
    """
    found: dict[Any, int] = {}
    wanted = {TopicPartition(*place): place for place in starts}
    async with Reading(settings) as consumer:
        async for place, records in _read(consumer, {at: starts[place] for at, place in wanted.items()}):
            if wanted[place] not in found:
                found[wanted[place]] = records[0].timestamp
                consumer.pause(place)
    return found


async def _read(consumer: Any, starts: Mapping[Any, int]) -> AsyncIterator[tuple[Any, list[Any]]]:
    """Records by place, until the ends that the fetches tell are reached, or nothing comes for a while."""
    open_ = set(starts)
    if not open_:
        return
    consumer.assign(list(open_))
    for place, offset in starts.items():
        consumer.seek(place, offset)
    loop = asyncio.get_running_loop()
    heard = loop.time()
    while open_ and loop.time() - heard < _SECONDS:
        told = await consumer.getmany(timeout_ms=100)
        for place, records in told.items():
            heard = loop.time()
            yield place, records
        open_ = {p for p in open_ - consumer.paused() if not await _done(consumer, p)}


async def _done(consumer: Any, place: Any) -> bool:
    end = end_of(consumer, place)
    return end is not None and await consumer.position(place) >= end
