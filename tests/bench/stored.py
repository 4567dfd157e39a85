"""Puts states into a changelog before a worker starts: each once, as after compaction, by the worker's own writer."""

import asyncio
import time
from collections.abc import Iterable

from streams.delivery.changelog import mark_record
from streams.delivery.ports import Row
from streams.delivery.writer import make_writer
from streams.flow.mark import Mark, Position
from streams.settings import Settings
from tables.events import SOURCES
from tables.states import Change
from tests.bench.load import partition_of

_BATCH = 10_000


def write(settings: Settings, changes: Iterable[Change]) -> int:
    """Fill the settings' changelog, with a mark at the beginning of all sources; how many it was. Raises KafkaError.

    `changes` is gone through once: nothing but a batch of each partition is kept.
    """
    return asyncio.run(_write(settings, changes))


async def _write(settings: Settings, changes: Iterable[Change]) -> int:
    nowhere = Mark({source: Position(0) for source in SOURCES}, round(time.time() * 1000))
    waiting: list[list[Row]] = [[(*mark_record(nowhere), [])] for _ in range(settings.partitions)]
    everywhere = {settings.changelog: settings.partitions}
    writers = [make_writer(settings, number, everywhere) for number in range(settings.partitions)]
    for writer in writers:
        await writer.open()
    count = 0
    for key, packed in changes:
        number = partition_of(key, settings.partitions)
        rows = waiting[number]
        rows.append((key, packed, []))
        count += 1
        if len(rows) >= _BATCH:
            await writers[number].write(rows, {}, {})
            rows.clear()
    for writer, rows in zip(writers, waiting, strict=True):
        await writer.write(rows, {}, {})
        await writer.close()
    return count
