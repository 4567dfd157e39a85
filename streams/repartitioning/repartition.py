"""Gives the sources and the changelog more partitions, and moves the customers to where their events will be.

No worker runs meanwhile, and none can start: the changelog grows first and the sources last, and a worker refuses
topics of different sizes. Each step may be done again, so the whole may be broken off and run again at any point.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiokafka.errors import KafkaError
from kafka import TopicPartition
from kafka.errors import CoordinatorLoadInProgressError, CoordinatorNotAvailableError, IncompatibleBrokerVersion

from streams.brokers.topics import admin, look
from streams.delivery.changelog import mark_record
from streams.delivery.ports import Row
from streams.delivery.rows import NO_HEADERS
from streams.delivery.snapshot import snapshot
from streams.delivery.writer import make_writer
from streams.errors import FencedError, StopError
from streams.flow.mark import Mark
from streams.repartitioning.mover import Mover
from streams.repartitioning.repartitionplan import (
    PARTITIONERS,
    Census,
    Ends,
    RepartitionError,
    Step,
    check_drained,
    new_marks,
    plan,
)
from streams.settings import Settings
from tables.customerform import moved
from tables.events import SOURCES

CHUNK = 5_000
"""Customers that are moved at once: with transactions, all of them or none."""
_GROW_SECONDS = 60.0
_LATEST, _EARLIEST = -1, -2


class Moved(NamedTuple):
    """What was done."""

    customers: int
    """Known."""
    moved: int
    """In this run."""


def repartition(
    settings: Settings, new: int, partitioner: str | None = None, tell: Callable[[str], None] = lambda _line: None
) -> Moved | None:
    """Do it; None: all topics have `new` partitions already. `tell` gets a line per step.

    Raises RepartitionError, BrokerError, StateError.
    """
    step = plan(settings, look(settings), new)
    if step is None:
        return None
    _check_brokers(settings, step)
    try:
        census, marks = asyncio.run(_survey(settings, step))
        name = census.choose(partitioner)
        check_drained(settings, marks, _ends(settings), begun=step.begun)
        tell(f"{census.customers} customers in {step.old} partitions, put there by {name}")
        _grow(settings, [settings.changelog], new)
        _check_quiet(settings, marks)
        count = asyncio.run(_move(settings, step, PARTITIONERS[name], tell))
        asyncio.run(_mark(settings, new_marks(step, marks, _ends(settings))))
    except FencedError as error:
        raise RepartitionError("somebody else repartitions these topics: leave it to one") from error
    except (KafkaError, TimeoutError, StopError) as error:
        raise RepartitionError(f"broken off: {error!r}; run it again") from error
    _check_quiet(settings, marks)
    _grow(settings, settings.sources, new)
    return Moved(census.customers, count)


# --- what must hold --------------------------------------------------------------------------------------------------


def _check_brokers(settings: Settings, step: Step) -> None:
    """Before anything is changed: they can add partitions, and no worker runs."""
    if not step.begun:
        with admin(settings) as client:
            try:
                client.create_partitions({settings.changelog: step.new}, validate_only=True)
            except IncompatibleBrokerVersion:
                raise RepartitionError(
                    "these brokers cannot add partitions to a topic: make new topics under another OFFBEAT_PREFIX and "
                    "send the events again"
                ) from None
    _check_idle(settings)


def _check_quiet(settings: Settings, marks: Mapping[int, Mark | None]) -> None:
    """Nobody has come meanwhile: no worker, no event."""
    _check_idle(settings)
    check_drained(settings, marks, _ends(settings), begun=True)


def _check_idle(settings: Settings) -> None:
    group = settings.group_id
    with admin(settings) as client:
        members = len(_describe(client, group).get("members") or ())
    if members:
        raise RepartitionError(
            f"group {group} still has {members} member{'s'[: members - 1]}: stop all workers, and what starts them "
            "again; one that was killed leaves after session_timeout"
        )


def _describe(client: Any, group: str) -> dict[str, Any]:
    deadline = time.monotonic() + _GROW_SECONDS
    while True:
        try:
            found: dict[str, Any] = client.describe_groups([group])[group]
        except (CoordinatorNotAvailableError, CoordinatorLoadInProgressError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return found


def _ends(settings: Settings) -> Ends:
    """Of all partitions that the sources have."""
    found = look(settings).found
    places = {
        TopicPartition(settings.topic(source), number): (source, number)
        for source in SOURCES
        for number in range(found[settings.topic(source)].partitions)
    }
    with admin(settings) as client:
        first, last = (client.list_partition_offsets(dict.fromkeys(places, what)) for what in (_EARLIEST, _LATEST))
    return {place: (first[tp].offset, last[tp].offset) for tp, place in places.items()}


# --- what is done ----------------------------------------------------------------------------------------------------


def _grow(settings: Settings, topics: Iterable[str], new: int) -> None:
    """Add partitions where there are fewer, and wait until the brokers tell so."""
    with admin(settings) as client:
        lacking = {t: new for t in topics if look(settings).found[t].partitions < new}
        if lacking:
            client.create_partitions(lacking)
    deadline = time.monotonic() + _GROW_SECONDS
    while any(look(settings).found[topic].partitions < new for topic in topics):
        if time.monotonic() > deadline:
            raise RepartitionError(
                f"the brokers do not tell of the new partitions of {', '.join(topics)}; run it again"
            )
        time.sleep(0.2)


@asynccontextmanager
async def _mover(settings: Settings) -> AsyncIterator[Mover]:
    """The only one: opening it ends what another one has begun."""
    mover = Mover(settings)
    try:
        await mover.open()
        yield mover
    finally:
        await mover.close()


async def _survey(settings: Settings, step: Step) -> tuple[Census, dict[int, Mark | None]]:
    async with _mover(settings):  # a transaction that was broken off would hold readers up
        pass
    census, marks = Census(step), dict[int, Mark | None]()
    for number in step.places:
        packed, marks[number] = await _read(settings, number)
        census.add(number, packed)
    return census, marks


async def _read(settings: Settings, number: int) -> tuple[dict[bytes, bytes], Mark | None]:
    """The packed states and the mark of a partition of the changelog, read as a worker does that takes it over."""
    return await snapshot(settings, number, make_writer(settings, number, {}))


async def _move(settings: Settings, step: Step, hashed: Callable[[bytes], int], tell: Callable[[str], None]) -> int:
    """Everybody to where the hash of their key says; how many had to go."""
    count = 0
    async with _mover(settings) as mover:
        for number in step.places:
            packed, _ = await _read(settings, number)
            leaving = [(key, place) for key in packed if (place := hashed(key) % step.new) != number]
            for start in range(0, len(leaving), CHUNK):
                arriving: dict[int, list[Row]] = defaultdict(list)
                for key, place in (chunk := leaving[start : start + CHUNK]):
                    arriving[place].append((key, moved(packed[key]), NO_HEADERS))
                await mover.write(arriving, {number: [(key, None, NO_HEADERS) for key, _ in chunk]})
            tell(f"partition {number}: {len(leaving)} of {len(packed)} customers moved")
            count += len(leaving)
    return count


async def _mark(settings: Settings, marks: Mapping[int, Mark]) -> None:
    async with _mover(settings) as mover:
        await mover.write({number: [(*mark_record(mark), NO_HEADERS)] for number, mark in marks.items()}, {})
