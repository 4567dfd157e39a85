"""Writes all views anew from the changelog, and deletes those of who is not in it.

Workers may run meanwhile: while the name of this command stands at their partition numbers they write nothing, and
afterwards all that has happened since, so that what is written here never stays instead of something newer.
"""

import asyncio
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple
from uuid import uuid4

from agents.portrait import Painter
from agents.rulebook.rules import Rules
from streams.brokers.topics import look
from streams.clock import Clock, WallClock
from streams.delivery.snapshot import snapshot
from streams.delivery.writer import AcknowledgedWriter
from streams.flow.mark import Mark
from streams.settings import Settings
from streams.views.backlog import Change
from streams.views.keeper import CHUNK
from streams.views.mark import ViewMark
from streams.views.render import Renderer
from streams.views.store import ViewStore
from tables.parameters import Parameters


class Rebuilt(NamedTuple):
    """How many customers' views were written, and how many keys of others deleted."""

    customers: int
    deleted: int


class Rebuild:
    """One run."""

    def __init__(self, settings: Settings, rules: Rules, parameters: Parameters, wall: Clock | None = None) -> None:
        self._settings, self._wall = settings, wall or WallClock()
        self._renderer = Renderer(Painter(rules, parameters))
        self._store = ViewStore(settings)
        self._name = f"rebuild-{uuid4().hex}"
        self._known: set[bytes] = set()
        self._marks: dict[int, Mark | None] = {}

    def run(self, tell: Callable[[int, int], None] = lambda _number, _customers: None) -> Rebuilt:
        """Do it; `tell` hears of each partition number, and how many customers it has.

        Raises ViewError, BrokerError, StateError, StopError, KafkaError, TimeoutError: run it again.
        """
        numbers = range(look(self._settings).found[self._settings.changelog].partitions)
        try:
            self._claim(numbers)
            for number in numbers:
                tell(number, self._write(number))
                self._claim(numbers)
            deleted = self._store.sweep(self._known.__contains__)
            self._leave()
        finally:
            self._store.close()
        return Rebuilt(len(self._known), deleted)

    def _claim(self, numbers: range) -> None:
        """Put our name there, or show that it still holds."""
        for number in numbers:
            self._store.swap(number, ViewMark(owner=self._name, refreshed_at=self._wall.now()))

    def _write(self, number: int) -> int:
        writer = AcknowledgedWriter(self._settings, number, {}, lambda: None)  # which fences nobody
        packed, mark = asyncio.run(snapshot(self._settings, number, writer))
        timed = self._settings.clock == "wall" or mark is None
        now = self._wall.now() if timed or mark is None else mark.now
        states = iter(packed.items())
        while some := list(islice(states, CHUNK)):
            changes = [Change(key, wiped=False, packed=state, sent=(), healed=True) for key, state in some]
            self._store.write(self._renderer.rows(changes, now))
        self._known.update(packed)
        self._marks[number] = mark
        return len(packed)

    def _leave(self) -> None:
        """Whoever has a partition number, or takes it over later, goes on from here."""
        now = self._wall.now()
        for number, mark in self._marks.items():
            offsets = {source: position.offset for source, position in mark.positions.items()} if mark else {}
            self._store.swap(number, ViewMark(offsets=offsets, refreshed_at=now))
