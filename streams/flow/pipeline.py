"""One partition number from fetched records to what a batch comes to: decode, merge, remember, decide. No I/O.

The worker makes the outcome durable and then calls `done`; tests and the backtest do the same without a broker.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from agents.core import Core, Settled
from agents.decisions import Decision
from streams.flow.busiest import Busiest
from streams.flow.decode import LARGE, RejectedError, cut_down, decoder
from streams.flow.flood import FloodGuard
from streams.flow.mark import Position
from streams.flow.merge import Merge, Rejected
from tables.customer import NEVER
from tables.events import SOURCES, AnyEvent, TimeMark, type_name

SET_BACK = 3_600_000
"""A wall clock set back by no more than this (ms) stands still for decisions until it has caught up.

One that is set back further was wrong, and is followed: else what falls due would look stale until it is reached again.
"""
ROOM = 5_000
"""Decisions and dead letters a batch holds at the most; what is due beyond it goes into the next one."""
MOST = 5_000
"""Records a batch holds at the most: so long timers of other partitions wait, under full load, for a turn of theirs."""


class Record(Protocol):
    """What a Kafka client hands over of a record."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Iterable[tuple[str, bytes]]: ...


class DeadLetter(NamedTuple):
    """A record that is not an event, and where it stood: an index of SOURCES, and its offset."""

    source: int
    offset: int
    record: Rejected


@dataclass(slots=True)
class Outcome:
    """What a batch comes to, to be made durable at once: all of it, or nothing."""

    settled: Settled
    dead: list[DeadLetter]
    positions: dict[str, Position]
    """Per source: where to go on from. All of them, or none when none has moved."""
    now: int
    """As the mark has it, epoch ms."""
    live_from: int
    """See Mark."""
    events: Counter[str] = field(default_factory=Counter)
    """Events taken, by type."""

    @property
    def decisions(self) -> list[Decision]:
        return self.settled.decisions

    @property
    def empty(self) -> bool:
        return not (self.positions or self.settled.changes or self.settled.decisions)


class Pipeline:
    """Everything of one partition number but the I/O. `wall`: timers follow the wall clock, not event time."""

    def __init__(self, core: Core, flood: FloodGuard, *, wall: bool) -> None:
        self.core = core
        self.merge = Merge(wall=wall)
        self._wall = wall
        self._flood = flood
        self._busiest = Busiest(core.notices)
        self._decoders = [decoder(source) for source in SOURCES]
        self._positions: dict[str, Position] = {}
        self._live_from = 0 if wall else NEVER
        """Before it time passes on account of an import, so customers whose orders it brings are left in peace."""
        self.more = False
        """The last batch was full: there is more to do without new records."""

    @property
    def positions(self) -> Mapping[str, Position]:
        """Per source: where the last durable outcome went on from."""
        return self._positions

    def seek(self, positions: Mapping[str, Position], now: int = 0, live_from: int = NEVER) -> None:
        """Begin at these positions, with empty feeds. `now`, `live_from`: as the mark has them."""
        self.merge = Merge(wall=self._wall)
        for source, feed in zip(SOURCES, self.merge.feeds, strict=True):
            feed.fetched = feed.begun = positions[source].offset
            feed.frontier = positions[source].frontier
            feed.taken = feed.frontier
        self._positions = dict(positions)
        self.core.goes_on_from(now)
        self._live_from = min(self._live_from, live_from)

    def feed(self, source: int, records: Iterable[Record], end: int, arrived: int, wall: int) -> None:
        """Queue records of one source up to the offset `end`. `arrived`, `wall`: epoch ms.

        A `time.mark` is not queued: it says where the feed has got to.
        """
        feed = self.merge.feeds[source]
        append, decode, frontier = feed.entries.append, self._decoders[source], feed.frontier
        size = 0
        for record in records:
            key, value = record.key, record.value
            event: AnyEvent | Rejected
            try:
                found, at = decode(key, value, wall)
            except RejectedError as exc:
                # without a time of its own it is late: where it stands in the merge is kept with its position
                event, at = Rejected(key, value, tuple(record.headers), exc.kind, str(exc)), 0
                size += event.size
            else:
                length = len(value)  # type: ignore[arg-type] # no event without one
                size += length
                if at > frontier:  # noqa: PLR1730 - asked for every record; max() takes four times as long
                    frontier = at
                if frontier < self._live_from and not found.backfill:
                    self._live_from = frontier
                if type(found) is TimeMark:  # isinstance() takes three times as long
                    continue
                event = found
                if length > LARGE and cut_down(found):
                    self.core.notices.add("message", found.customer_id)
            append((frontier, source, record.offset, arrived, at, key or b"", event))
        feed.frontier = frontier
        feed.fetched = end
        feed.holds(end, size)

    def complete(self, source: int, end: int, at: int) -> None:
        """The broker said at `at` (epoch ms) that the source ends at offset `end`."""
        feed = self.merge.feeds[source]
        if feed.fetched >= end:
            feed.complete_at = max(feed.complete_at, at)

    def work(self, wall: int, most: int = MOST) -> Outcome:
        """Take what may be taken, `most` records, and fire what is due, as one batch. `wall`: epoch ms.

        Raises `FloodError`; then the pipeline is not to be used again.
        """
        core, flood, wall_clock = self.core, self._flood, self._wall
        emitter = core.emitter
        decisions = emitter.decisions
        room = min(ROOM, most)
        dead: list[DeadLetter] = []
        if wall_clock and not wall < emitter.now <= wall + SET_BACK:
            emitter.now = wall
        ready = self.merge.take()
        taken: dict[type, int] = {}
        done = judged = 0
        next_due = core.next_due
        self.more = len(ready) > most
        for effective, source, offset, _, at, key, event in ready[:most] if self.more else ready:
            if len(decisions) >= room or len(dead) >= room:
                self.more = True
                break
            if next_due < effective:
                until = min(effective, wall + 1) if wall_clock else effective
                if not core.advance(until, room, live_from=self._live_from):
                    self.more = True
                    break
                next_due = core.next_due
            if not wall_clock:
                emitter.now = effective
            if isinstance(event, Rejected):
                flood.good(done - judged)
                flood.dead(f"{event.kind}, at offset {offset} of {SOURCES[source]}")
                judged = done + 1
                dead.append(DeadLetter(source, offset, event))
            else:
                next_due = core.take(source, offset, key, event, at)
                kind = event.__class__
                taken[kind] = taken.get(kind, 0) + 1
            done += 1
        flood.good(done - judged)
        self._busiest.look(ready, done, emitter.now)
        if self.more:
            self.merge.put_back(ready, done)
        else:
            self.more = not core.advance(min(self.merge.reached, wall + 1), room, live_from=self._live_from)
        return self._outcome(dead, taken)

    def _outcome(self, dead: list[DeadLetter], taken: dict[type, int]) -> Outcome:
        positions = {source: Position(*feed.position) for source, feed in zip(SOURCES, self.merge.feeds, strict=True)}
        if positions == self._positions:
            positions = {}
        events = Counter({type_name(kind): count for kind, count in taken.items()})
        return Outcome(self.core.settle(), dead, positions, self.core.emitter.now, self._live_from, events)

    def done(self, outcome: Outcome) -> None:
        """The outcome is durable."""
        self.core.adopt()
        if outcome.positions:
            self._positions = outcome.positions
