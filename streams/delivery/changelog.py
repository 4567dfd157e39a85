"""The changelog: what it holds, and how it is read back. One module owns the format of its records.

A compacted topic with the partition numbers of the sources. Keys: a customer id (UTF-8) for a packed state or its
tombstone; and, beginning with NUL, which no customer id holds, the *mark* (positions in the sources, with every batch)
and the *fence* (written by a worker that takes the partition over: reading ends there).
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any

import msgspec
from aiokafka import TopicPartition

from streams.brokers.reading import Reading
from streams.delivery.overtaken import Sieve
from streams.delivery.records import as_parsed
from streams.errors import ChangelogError
from streams.flow.mark import Mark, Position, decode_mark, encode_mark
from streams.settings import Settings
from tables.states import Change

MARK = b"\0mark"
FENCE = b"\0fence"
_CUSTOMERS = b"\1"
"""No key of a customer is smaller, and every other is."""
PATIENCE = 60.0
"""Seconds without a record after which reading the changelog is given up."""
_FETCH_BYTES = 2 << 20
"""What is parsed at once stays in the processor's cache until it is remembered: with 8 MiB it takes a sixth longer."""


def mark_record(mark: Mark) -> Change:
    return MARK, encode_mark(mark)


def fence_record(token: str) -> Change:
    return FENCE, token.encode()


async def read_changelog(
    settings: Settings,
    number: int,
    token: str,
    restore: Callable[[Mapping[bytes, bytes | None]], None],
    progress: Callable[[int, int], None] = lambda _count, _left: None,
    erased: MutableMapping[bytes, list[int]] | None = None,
) -> Mark | None:
    """Read partition `number` from its beginning to the fence `token`, handing the states' changes to `restore`.

    `progress` hears how many records came, and about how many are left; `erased` is filled with the offsets that erased
    customers had applied, where the delivery is at_least_once. Returns the last mark, or None. Raises `ChangelogError`,
    StateError. The fence, not an offset, is the end: some brokers' end offsets lie.
    """
    sieve = sieve_for(settings, {} if erased is None else erased)
    tp = TopicPartition(settings.changelog, number)
    async with Reading(settings, value_deserializer=as_parsed, max_partition_fetch_bytes=_FETCH_BYTES) as consumer:
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        mark: Mark | None = None
        loop = asyncio.get_running_loop()
        heard = loop.time()
        while True:
            records = (await consumer.getmany(tp, timeout_ms=100)).get(tp, [])
            if records:
                newest, ended = _newest(list(sieve.pass_on(records)) if sieve else records, token.encode())
                if MARK in newest:
                    mark = _read_mark(settings, number, newest[MARK])
                for key in [key for key in newest if key < _CUSTOMERS]:
                    del newest[key]
                restore(newest)
                progress(len(records), max(0, (consumer.highwater(tp) or 0) - records[-1].offset - 1))
                if ended:
                    return mark
                heard = loop.time()
            elif loop.time() - heard > PATIENCE:
                raise ChangelogError(
                    f"{settings.changelog}[{number}]: no end within {PATIENCE:.0f} s; is its leader available?"
                )


def sieve_for(settings: Settings, erased: MutableMapping[bytes, list[int]]) -> Sieve | None:
    """For what may have been overtaken; with fencing nothing is. `erased`: see `Sieve`."""
    return Sieve(MARK, erased, together=settings.clock == "event") if settings.delivery == "at_least_once" else None


def _newest(records: Iterable[Any], token: bytes) -> tuple[dict[bytes, bytes | None], bool]:
    """The last value of each key, and whether the fence was found: then up to it."""
    newest: dict[bytes, bytes | None] = {record.key: record.value for record in records}
    newest.pop(None, None)  # type: ignore[call-overload] # nobody's, not ours
    if FENCE not in newest:
        return newest, False
    newest = {}
    for record in records:
        if record.key is not None:
            newest[record.key] = record.value
        if record.key == FENCE and record.value == token:
            return newest, True
    return newest, False


def _read_mark(settings: Settings, number: int, value: bytes | None) -> Mark | None:
    if value is None:
        return None
    try:
        return decode_mark(value)
    except msgspec.DecodeError as exc:
        raise ChangelogError(f"{settings.changelog}[{number}]: a mark cannot be read: {exc}") from exc


def offsets(positions: Mapping[str, Position], settings: Settings) -> dict[str, int]:
    """Positions by topic, as the group commits them."""
    return {settings.topic(source): position.offset for source, position in positions.items()}
