"""A small shop's log, and what the pure core makes of it, event by event.

The expected outcome shares with the worker the decoder of events, the pure core and the format of messages; merging,
batching and delivery it does without.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple
from zlib import crc32

import msgspec

from agents.core import Core
from agents.decisions import Decision
from agents.rulebook.rules import Rules
from streams.flow.decode import RejectedError, decoder
from streams.flow.merge import Rejected
from streams.flow.messages import MessageWriter
from streams.settings import Settings
from tables.customer import NEVER, Customer
from tables.events import CARTS, CUSTOMERS, PURCHASES, SOURCES, AnyEvent, TimeMark
from tables.parameters import BUILTIN
from tests.sim.log import Row
from tests.support.core import HOUR, MINUTE, ROOM, T0, added, cart, checkout, encode, erased, order, viewed
from tests.support.topics_io import comparable

VARIANTS = 24
"""Different logs, made once in a process and used in turn."""
PEOPLE = 10
EVENTS = 56
STEP = (5 * MINUTE, 9 * HOUR)
"""Event time between two events of the shop."""
WALL = T0 + 10 * 365 * 24 * HOUR
"""The workers' clocks: the log lies years back, so that no step of a clock changes what an event is."""
SETTINGS = Settings(clock="event", metrics="", session_timeout=6_000, dead_letter_share=1.0)
V2 = "exactly_once_v2"
"""Exactly once, where the brokers have agreed on transactions v2."""
DELIVERIES = {
    "exactly_once": SETTINGS,
    V2: SETTINGS,
    "at_least_once": replace(SETTINGS, delivery="at_least_once"),
}
"""The settings of each delivery."""
RULES = Rules()

Written = tuple[str, bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]
"""Topic, key, value, headers."""


@dataclass(frozen=True)
class Load:
    """A log over so many partition numbers, and all that is to come of it."""

    partitions: int
    rows: dict[tuple[int, int], list[Row]]
    """By index of SOURCES and partition number."""
    messages: Counter[Written]
    states: dict[bytes, Customer]

    def ends(self, number: int) -> tuple[int, ...]:
        """The offset after the last record of each source."""
        return tuple(len(self.rows[source, number]) for source in range(len(SOURCES)))


@cache
def load(variant: int, partitions: int) -> Load:
    """The same one for the same numbers."""
    rows: dict[tuple[int, int], list[Row]] = {(s, n): [] for s in range(len(SOURCES)) for n in range(partitions)}
    for source, key, value in _shop(random.Random(variant)):
        numbers = range(partitions) if key is None else [crc32(key) % partitions]
        for number in numbers:
            rows[SOURCES.index(source), number].append((key, value, ()))
    messages: Counter[Written] = Counter()
    states: dict[bytes, Customer] = {}
    for number in range(partitions):
        serial = _Serial(number)
        serial.run([rows[source, number] for source in range(len(SOURCES))])
        messages.update(serial.messages)
        states.update(serial.states())
    return Load(partitions, rows, messages, states)


# -- what happens in the shop


def _shop(rng: random.Random) -> Iterator[tuple[str, bytes | None, bytes]]:
    """Source, key (None: for every partition number), value; some events late, some repeated, some broken."""
    at, last = T0, b""
    for index in range(EVENTS):
        at += rng.randint(*STEP)
        event = _event(rng, index, at - (rng.randint(*STEP) if rng.random() < 0.1 else 0))
        source, key, last = _source(event), event.customer_id.encode(), encode(event)
        yield source, key, last
        chance = rng.random()
        if chance < 0.05:
            yield source, key, last
        elif chance < 0.08:
            yield source, key, b'{"type": "order.completed"'
        if index % 12 == 11:
            yield from ((name, None, _mark(at)) for name in SOURCES)
    yield from ((name, None, _mark(at + 120 * 24 * HOUR)) for name in SOURCES)


def _event(rng: random.Random, index: int, at: int) -> AnyEvent:
    person = f"c{rng.randrange(PEOPLE)}"
    name, kind = f"e{index}", rng.random()
    if kind < 0.12:
        return order(at, float(rng.randint(5, 200)), customer=person, event_id=name)
    if kind < 0.5:
        return added(at, f"p{rng.randrange(5)}", customer=person, event_id=name)
    if kind < 0.65:
        return cart(at, "tea", f"p{rng.randrange(5)}", customer=person, event_id=name)
    if kind < 0.8:
        return checkout(at, customer=person, event_id=name)
    return (
        erased(at, customer=person, event_id=name) if kind < 0.84 else viewed(at, "tea", customer=person, event_id=name)
    )


def _source(event: AnyEvent) -> str:
    kind = type(event).__name__
    return PURCHASES if kind.startswith("Order") else CUSTOMERS if kind == "CustomerErased" else CARTS


def _mark(at: int) -> bytes:
    return msgspec.json.encode(TimeMark(occurred_at=at))


# -- what is to come of it


class _Place(NamedTuple):
    effective: int
    source: int
    offset: int
    at: int
    row: Row
    event: AnyEvent | Rejected


class _Serial:
    """The pure core over one partition number's merged log."""

    def __init__(self, number: int) -> None:
        self.messages: list[Written] = []
        self._number = number
        self._core = Core(RULES, BUILTIN)
        self._writer = MessageWriter(SETTINGS)

    def run(self, topics: list[list[Row]]) -> None:
        core, live_from, reached = self._core, NEVER, NEVER
        places: list[_Place] = []
        for source, rows in enumerate(topics):
            frontier = 0
            for place in self._decoded(source, rows):
                frontier = place.effective
                if not isinstance(place.event, Rejected):
                    live_from = min(live_from, place.effective)
                if not isinstance(place.event, TimeMark):
                    places.append(place)
            reached = min(reached, frontier)
        places.sort(key=lambda place: place[:3])
        for place in places:
            core.advance(place.effective, ROOM, live_from=live_from)
            core.emitter.now = place.effective
            if isinstance(place.event, Rejected):
                topic = SETTINGS.sources[place.source]
                self._write(self._writer.dead_letter(place.event, topic, self._number, place.offset))
            else:
                core.take(place.source, place.offset, place.row[0] or b"", place.event, place.at)
            self._settle()
        core.advance(reached, ROOM, live_from=live_from)
        self._settle()

    def _decoded(self, source: int, rows: Iterable[Row]) -> Iterator[_Place]:
        decode, frontier = decoder(SOURCES[source]), 0
        for offset, row in enumerate(rows):
            event: AnyEvent | TimeMark | Rejected
            try:
                event, at = decode(row[0], row[1], WALL)
            except RejectedError as exc:
                event, at = Rejected(row[0], row[1], row[2], exc.kind, str(exc)), 0
            frontier = max(frontier, at)
            yield _Place(frontier, source, offset, at, row, event)  # type: ignore[arg-type] # marks are left out

    def _settle(self) -> None:
        settled = self._core.settle()
        self._core.adopt()
        decisions: list[Decision] = settled.decisions
        for decision in decisions:
            self._write(self._writer.decision(decision))

    def _write(self, message: tuple[str, bytes | None, bytes | None, list[tuple[str, bytes]]]) -> None:
        topic, key, value, headers = message
        self.messages.append((topic, key, value, tuple(headers)))

    def states(self) -> dict[bytes, Customer]:
        found = {key: self._core.states.read(key) for key in self._core.states}
        return comparable({key: state for key, state in found.items() if state is not None})
