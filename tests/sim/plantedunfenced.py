"""Bugs that are put in on purpose where no broker fences: delivery at_least_once. See planted.py."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from agents.core import Core
from streams.delivery import rows as row_writer
from streams.delivery.changelog import MARK
from streams.delivery.overtaken import Sieve
from streams.delivery.ports import Row
from streams.delivery.writer import AcknowledgedWriter
from tests.sim import worker
from tests.sim.world import World

_acknowledged = AcknowledgedWriter.write

Outputs = Mapping[str, list[Row]]
Offsets = Mapping[str, int]


def states_before_triggers(_world: World) -> AbstractContextManager[object]:
    """States and their mark are written before the triggers are acknowledged."""

    async def write(writer: AcknowledgedWriter, states: list[Row], outputs: Outputs, _offsets: Offsets) -> None:
        sent = await writer.send(writer.settings.changelog, states)
        for topic, rows in outputs.items():
            sent += await writer.send(topic, rows)
        for batch in sent:
            await batch.taken()

    return patch.object(AcknowledgedWriter, "write", write)


def mark_before_states(_world: World) -> AbstractContextManager[object]:
    """The mark is acknowledged before the states that it stands for."""

    async def write(writer: AcknowledgedWriter, states: list[Row], outputs: Outputs, offsets: Offsets) -> None:
        changes = list(states)
        await _acknowledged(writer, [row for row in changes if row[0] == MARK], outputs, offsets)
        await _acknowledged(writer, [row for row in changes if row[0] != MARK], {}, {})

    return patch.object(AcknowledgedWriter, "write", write)


def applied_not_tracked(_world: World) -> AbstractContextManager[object]:
    """States do not know which offsets they have seen: what comes again is left to the ids of events."""

    def core(*args: Any, **_options: Any) -> Core:
        return Core(*args)

    return patch.object(worker, "Core", core)


def overtaken_counts(_world: World) -> AbstractContextManager[object]:
    """What a former owner wrote late counts, as the newest of its key."""

    def pass_on(_sieve: Sieve, records: list[Any]) -> list[Any]:
        return records

    return patch.object(Sieve, "pass_on", pass_on)


def erased_without_offsets(_world: World) -> AbstractContextManager[object]:
    """A tombstone does not say which offsets it has seen."""
    return patch.object(row_writer, "tombstone_headers", lambda _applied: [])


UNFENCED = (
    states_before_triggers,
    mark_before_states,
    applied_not_tracked,
    overtaken_counts,
    erased_without_offsets,
)
