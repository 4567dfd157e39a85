"""One partition number from fetched records to what a batch comes to: decode, merge, remember, decide. No I/O.

The worker makes the outcome durable and then calls `done`; tests and the backtest do the same without a broker.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from agents.core import Core, Settled
from agents.decisions import Decision
from streams.flow.busiest import Busiest
from streams.flow.flood import FloodGuard
from streams.flow.mark import Position
from streams.flow.merge import Entry, Merge, Rejected
from streams.flow.reader import Reader, Record
from tables.customer import NEVER
from tables.events import SOURCES, type_name

SET_BACK: Final = 3_600_000
"""A wall clock set back by no more than this (ms) stands still for decisions until it has caught up.

One that is set back further was wrong, and is followed: else what falls due would look stale until it is reached again.
"""
ROOM = 5_000
"""Decisions and dead letters a batch holds at the most; what is due beyond it goes into the next one."""
MOST: Final = 5_000
"""Records a batch holds at the most: so long timers of other partitions wait, under full load, for a turn of theirs."""


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


class _Count:
    """Of one type: where compiled code adds one without looking anything up."""

    def __init__(self) -> None:
        self.events = 0


class _Batch:
    """A batch as it grows."""

    def __init__(self, room: int, left: int) -> None:
        self.room = room
        """Decisions, and dead letters, that it holds at the most."""
        self.left = left
        """Records that it may still take."""
        self.dead: list[DeadLetter] = []
        self.taken: dict[type, _Count] = {}
        """Events, by type."""


class Pipeline:
    """Everything of one partition number but the I/O. `wall`: timers follow the wall clock, not event time."""

    def __init__(self, core: Core, flood: FloodGuard, *, wall: bool) -> None:
        self.core = core
        self.merge = Merge(wall=wall)
        self._wall = wall
        self._flood = flood
        self._busiest = Busiest(core.notices)
        self._readers = self._new_readers()
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
            feed.begin(positions[source].offset, positions[source].frontier)
        self._readers = self._new_readers()
        self._positions = dict(positions)
        self.core.goes_on_from(now)
        self._live_from = min(self._live_from, live_from)

    def _new_readers(self) -> list[Reader]:
        return [Reader(source, feed, self.core.notices) for source, feed in enumerate(self.merge.feeds)]

    def feed(self, source: int, records: Sequence[Record], end: int, arrived: int, wall: int) -> None:
        """Queue records of one source up to the offset `end`. `arrived`, `wall`: epoch ms."""
        self._readers[source].receive(records, end, arrived, wall)

    def complete(self, source: int, end: int, at: int) -> None:
        """The broker said at `at` (epoch ms) that the source ends at offset `end`."""
        feed = self.merge.feeds[source]
        if feed.fetched >= end:
            feed.complete_at = max(feed.complete_at, at)

    def work(self, wall: int, most: int = MOST) -> Outcome:
        """Take what may be taken, `most` records, and fire what is due, as one batch. `wall`: epoch ms.

        Raises `FloodError`; then the pipeline is not to be used again.
        """
        emitter, merge = self.core.emitter, self.merge
        if self._wall and not wall < emitter.now <= wall + SET_BACK:
            emitter.now = wall
        batch = _Batch(min(ROOM, most), most)
        self.more = False
        while True:
            read = self._read_on()
            ready = merge.take()
            if ready:
                done = self._take(ready, batch, wall)
                self._busiest.look(ready, done, emitter.now)
                if self.more:
                    merge.put_back(ready, done)
                    break
            elif not read:
                until = min(merge.reached, wall + 1)
                self.more = not self.core.advance(until, batch.room, live_from=self._live_from)
                break
        return self._outcome(batch.dead, batch.taken)

    def _read_on(self) -> bool:
        """Decode the next portion of the feeds that have run out; whether there was any."""
        found = False
        for feed, reader in zip(self.merge.feeds, self._readers, strict=True):
            if feed.unread and not feed.entries:
                reader.read()
                found = True
            self._live_from = min(self._live_from, reader.live_from)
        return found

    def _take(self, ready: list[Entry], batch: _Batch, wall: int) -> int:
        """Take records in order, and what is due before them; how many were, before the batch was full."""
        core, flood, wall_clock, live_from = self.core, self._flood, self._wall, self._live_from
        emitter, room, dead, taken = core.emitter, batch.room, batch.dead, batch.taken
        decisions = emitter.decisions
        done = judged = 0
        next_due = core.next_due
        self.more = len(ready) > batch.left
        for effective, source, offset, _, at, key, event in ready[: batch.left] if self.more else ready:
            if len(decisions) >= room or len(dead) >= room:
                self.more = True
                break
            if next_due < effective:
                until = min(effective, wall + 1) if wall_clock else effective
                if not core.advance(until, room, live_from=live_from):
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
                count = taken.get(type(event))
                if count is None:
                    count = taken[type(event)] = _Count()
                count.events += 1
            done += 1
        flood.good(done - judged)
        batch.left -= done
        return done

    def _outcome(self, dead: list[DeadLetter], taken: dict[type, _Count]) -> Outcome:
        positions = {source: Position(*feed.position) for source, feed in zip(SOURCES, self.merge.feeds, strict=True)}
        if positions == self._positions:
            positions = {}
        events = Counter({type_name(kind): count.events for kind, count in taken.items()})
        return Outcome(self.core.settle(), dead, positions, self.core.emitter.now, self._live_from, events)

    def done(self, outcome: Outcome) -> None:
        """The outcome is durable."""
        self.core.adopt()
        if outcome.positions:
            self._positions = outcome.positions
