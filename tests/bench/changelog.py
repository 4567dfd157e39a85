"""What a changelog tells after a run: when the last event was written, and how large the states are."""

import asyncio
from dataclasses import dataclass, field

from aiokafka import TopicPartition

from streams.brokers.reading import Reading
from streams.delivery.changelog import FENCE, MARK, fence_record
from streams.delivery.writer import make_writer
from streams.settings import Settings

_OURS = "bench"
_SILENCE = 30.0


@dataclass(slots=True)
class Contents:
    """The changelog from its beginning to its end."""

    records: int = 0
    """Of states, without marks and fences."""
    marked_at: int = 0
    """When the newest mark was written, epoch ms: there is one in every batch that takes events."""
    sizes: dict[bytes, int] = field(default_factory=dict)
    """Bytes of the newest state of each customer, key included."""


def read_contents(settings: Settings) -> Contents:
    """Read all partitions of the settings' changelog; the worker must have ended. Raises KafkaError, TimeoutError."""
    return asyncio.run(_read(settings))


async def _read(settings: Settings) -> Contents:
    contents = Contents()
    for number in range(settings.partitions):
        # a fence of our own marks the end: what a broker tells of its end is not to be trusted
        writer = make_writer(settings, number, {settings.changelog: settings.partitions})
        await writer.open()
        await writer.write([(*fence_record(_OURS), [])], {}, {})
        await writer.close()
        async with asyncio.timeout(600):
            await _read_partition(settings, number, contents)
    return contents


async def _read_partition(settings: Settings, number: int, contents: Contents) -> None:
    place = TopicPartition(settings.changelog, number)
    async with Reading(settings, max_partition_fetch_bytes=8 << 20) as consumer:
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        while True:
            async with asyncio.timeout(_SILENCE):
                records = (await consumer.getmany(timeout_ms=1000)).get(place, [])
            for record in records:
                if record.key == FENCE:
                    if record.value == _OURS.encode():
                        return
                elif record.key == MARK:
                    contents.marked_at = max(contents.marked_at, record.timestamp)
                else:
                    contents.records += 1
                    contents.sizes[record.key] = len(record.key) + len(record.value or b"")
