"""Finds the state of one customer in the changelog, and what was sent; in no group, writing nothing."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import DecodeError

from streams.delivery.changelog import MARK, sieve_for
from streams.delivery.tails import Tail, tails
from streams.delivery.whole import Tell, WholeReading
from streams.flow.mark import decode_mark
from streams.repartitioning.repartitionplan import PARTITIONERS, partitioners
from streams.settings import Settings


class Found(NamedTuple):
    """The last that the changelog says of a customer."""

    number: int
    """The partition."""
    packed: bytes | None
    """The state; None: it was erased, or forgotten."""
    at: int
    """When that was written, epoch ms."""
    now: int | None
    """Where the partition's time stands, epoch ms, where timers follow the time of events."""


async def find(settings: Settings, partitions: int, key: bytes, tell: Tell) -> Found | None:
    """The customer with this key; None: the changelog, which has so many partitions, knows nothing of one.

    Raises KafkaError, OSError, StopError, StateError.
    """
    buried = None
    places = places_of(key, await tails(settings, partitions), partitions)
    async with WholeReading(settings) as reading:
        for done, number in enumerate(places):
            found = await _Search(settings, key).through(reading, number, _part(tell, done, len(places)))
            if found is not None and found.packed is not None:
                return found
            buried = found or buried
    return buried


def places_of(key: bytes, found: Mapping[int, Tail], partitions: int) -> list[int]:
    """Where a customer can be, the likeliest place first.

    By the partitioners that explain where the latest customers are (`found`: the ends of the partitions); where none
    does, anywhere. Pure.
    """
    fitting = partitioners({number: tail.keys for number, tail in found.items()}, partitions)
    likely = [hashed(key) % partitions for hashed in fitting or PARTITIONERS.values()]
    return list(dict.fromkeys(likely if fitting else [*likely, *range(partitions)]))


def _part(tell: Tell, done: int, of: int) -> Tell:
    return lambda share, what: tell((done + share) / of, what)


class _Search:
    """Looks for a key in one partition."""

    def __init__(self, settings: Settings, key: bytes) -> None:
        self._topic, self._key = settings.changelog, key
        self._wanted = (key, MARK) if settings.clock == "event" else (key,)
        self._sieve = sieve_for(settings, {})

    async def through(self, reading: WholeReading, number: int, tell: Tell) -> Found | None:
        wanted, newest = self._wanted, dict[bytes, Any]()
        async for records in reading.records(self._topic, number, lambda share: tell(share, f"reading {self._topic}")):
            ours = [record for record in records if record.key in wanted]
            for record in self._sieve.pass_on(ours) if self._sieve else ours:
                newest[record.key] = record
        if (state := newest.get(self._key)) is None:
            return None
        return Found(number, state.value, state.timestamp, _now(newest.get(MARK)))


def _now(record: Any) -> int | None:
    """Of the partition's last mark, as far as it can be read."""
    try:
        return None if record is None or record.value is None else decode_mark(record.value).now
    except DecodeError:
        return None
