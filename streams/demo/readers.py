"""Reading what the worker writes, and how far it is, from the broker."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import TopicPartition

from streams.brokers.reading import Reading
from streams.demo.tally import Tally
from streams.settings import Settings

_RECORDS = 1000
"""At a time: between two of them the view and the sender have their turn."""
_WAIT_MS = 100
_LOOK_SECONDS = 0.1


def _partitions(settings: Settings, topics: Sequence[str]) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for topic in topics for number in range(settings.partitions)]


class Reader:
    """Reads the worker's output topics from the beginning into a tally, with a consumer of `Reading`."""

    def __init__(self, consumer: Any, settings: Settings, tally: Tally) -> None:
        self._consumer, self._tally = consumer, tally
        self._suppressed, self._dead = settings.topic("triggers.suppressed"), settings.topic("dead_letters")
        self._places = _partitions(settings, settings.outputs)
        self._consumer.assign(self._places)
        self._finish_after: float | None = None

    def finish_after(self, moment: float) -> None:
        """Nothing is written after this moment (epoch seconds): `run` ends when it has read up to there."""
        self._finish_after = moment

    async def run(self) -> None:
        """Read until told to finish, and then to the end."""
        while not await self._at_end():
            found = await self._consumer.getmany(timeout_ms=_WAIT_MS, max_records=_RECORDS)
            for place, records in found.items():
                if place.topic == self._suppressed:
                    self._tally.suppressed += len(records)
                elif place.topic == self._dead:
                    self._tally.dead_letters += len(records)
                else:
                    for record in records:
                        self._tally.take(record.value)
            await asyncio.sleep(0)

    async def _at_end(self) -> bool:
        """Whether the broker has said of each partition, after the last write, that it ends where we are."""
        if self._finish_after is None:
            return False
        for place in self._places:
            asked = self._consumer.last_poll_timestamp(place)  # of the broker's answer, epoch ms
            end = self._consumer.highwater(place)
            if asked is None or end is None or asked <= self._finish_after * 1000:
                return False
            if await self._consumer.position(place) < end:
                return False
        return True


async def ends_of(settings: Settings, topics: Sequence[str]) -> dict[TopicPartition, int]:
    """The offsets after the last records. A fetch tells them; the embedded broker's ListOffsets does not."""
    places = _partitions(settings, topics)
    async with Reading(settings, auto_offset_reset="latest") as consumer:
        consumer.assign(places)
        while any(consumer.highwater(place) is None for place in places):
            await consumer.getmany(timeout_ms=_WAIT_MS)
        return {place: int(consumer.highwater(place)) for place in places}


async def handled(settings: Settings, ends: Mapping[TopicPartition, int]) -> None:
    """Return when the workers' group has committed up to these offsets: all before them is durable."""
    async with Reading(settings, group_id=settings.group_id) as consumer:
        consumer.assign(list(ends))  # by hand: it does not join the group
        waiting = list(ends)
        while waiting:
            place = waiting[-1]
            if (await consumer.committed(place) or 0) >= ends[place]:
                waiting.pop()
            else:
                await asyncio.sleep(_LOOK_SECONDS)
