"""A log to the three topics, with the marks that let a worker merge them in event time.

A `time.mark` of T in a partition says: nothing with an effective time earlier than T follows here. Marks go into every
partition of every topic as time goes on, and one after the end, so a worker never waits for a topic that is silent.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import msgspec
from aiokafka.partitioner import murmur2

from streams.flow.decode import RejectedError, decoder
from streams.logs import LogLine, Rejected
from streams.replay.pace import Clock, Pace
from streams.replay.sender import Sender, partitions_of, sender_to
from streams.settings import Settings
from tables.customer import NEVER
from tables.events import SOURCES

_MARK_LINES = 1000
"""Lines between two marks, at least; more where marks for so many partitions would be a large part of all records."""
_MARK_SECONDS = 0.2
"""Of the clock, between two marks when paced."""
_ROUND_LINES = 8192
"""Lines between two rounds of batches, at most: a worker that reads at the same time must not wait for a full one."""
_BREATH_LINES = 512
"""Lines after which others on the event loop have a turn."""
_SLACK_SECONDS = 0.01
"""Being early by less is not worth a pause."""
_DECODERS = {source: decoder(source) for source in SOURCES}
_CUSTOMERS = 1 << 18
"""Whose partition is remembered: finding it is the slowest part for a customer seen before."""


class Progress(NamedTuple):
    """How far a replay is."""

    lines: int
    marks: int
    reached: int
    """Effective time, epoch ms."""


@dataclass(frozen=True)
class ReplayResult:
    """What a replay sent; all of it acknowledged."""

    lines: int
    marks: int
    """Records of them: one in each partition of each topic counts as many."""
    late: int
    """Lines behind the running maximum of their topic."""
    seconds: float
    rejected: Rejected
    """Lines that the brokers refused as too large."""


async def replay(
    lines: Iterable[LogLine],
    *,
    settings: Settings,
    speed: float | None = None,
    backfill: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> ReplayResult:
    """Send lines, in order of effective time, to the source topics that the settings name.

    The partition is the one that Kafka's own clients choose for the key, a record's time is that of sending. `speed`:
    how many times as fast as the clock; None: as fast as the brokers take it. `backfill` is for the marks; the lines
    are sent as they are. Memory does not grow with the log. Raises `TopicsError`, `streams.brokers.topics.BrokerError`,
    `streams.settings.SettingsError` (nothing was sent), `ReplayError`, and what `lines` raises.
    """
    clock = Clock(time.monotonic, asyncio.sleep)
    begin = clock.now()
    partitions = await partitions_of(settings)
    async with sender_to(settings, settings.sources, partitions) as sender:
        run = _Replay(sender, partitions, speed, backfill, clock, on_progress or (lambda _: None))
        await run.send(lines)
    return ReplayResult(run.lines - sender.rejected.count, run.marks, run.late, clock.now() - begin, sender.rejected)


class _Replay:
    def __init__(
        self,
        sender: Sender,
        partitions: int,
        speed: float | None,
        backfill: bool,
        clock: Clock,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._sender = sender
        self._clock = clock
        self._pace = Pace(speed, clock.now) if speed else None
        self._backfill = backfill
        self._live = False
        """A line that is not an import has come; before it, marks say that time passes on account of an import."""
        self._on_progress = on_progress
        self._base = {source: rank * partitions for rank, source in enumerate(SOURCES)}
        self._topic_reached = dict.fromkeys(SOURCES, 0)
        self._slot_reached = [0] * sender.slots
        """The running maximum that a reader of the partition has."""
        self._mark_lines = max(_MARK_LINES, 4 * sender.slots)
        self._since_mark = self._since_flush = 0
        self._marked = clock.now()
        self._reached = 0
        """The highest effective time sent, marks included."""
        self.lines = self.marks = self.late = 0

        @lru_cache(maxsize=_CUSTOMERS)
        def partition(key: bytes) -> int:
            return int((murmur2(key) & 0x7FFFFFFF) % partitions)

        self._partition = partition

    async def send(self, lines: Iterable[LogLine]) -> None:
        for line in lines:
            if line.effective > self._reached:
                await self._advance(line.effective)
            if not self._live and not _is_import(line):
                self._live = True
                if self.lines:  # every partition is to know when the import ended, not only this line's
                    await self._mark_all(line.effective)
            slot = self._base[line.source] + self._partition(line.key)
            if line.at < line.effective:
                await self._announce_late(line, slot)
            elif line.effective > self._topic_reached[line.source]:
                # only then: a line that a worker will refuse is at the running maximum, and does not move it
                self._topic_reached[line.source] = self._slot_reached[slot] = line.effective
            await self._put(slot, line.key, line.value)
            self.lines += 1
            self._since_mark += 1
            self._since_flush += 1
            if self._since_flush >= _ROUND_LINES:
                await self._flush()
            elif not self.lines % _BREATH_LINES:
                await self._clock.sleep(0)
        if self.lines:
            await self._mark_all(self._reached + 1)
        await self._flush()

    async def _advance(self, effective: int) -> None:
        """Time goes on to `effective`, the first line of which comes next."""
        if self._pace:
            await self._wait(self._pace, effective)
        if self._since_mark >= self._mark_lines or (self._pace and self._clock.now() - self._marked >= _MARK_SECONDS):
            await self._mark_all(effective)
        self._reached = effective

    async def _wait(self, pace: Pace, effective: int) -> None:
        """Until the time has come; marks tell meanwhile that it goes on."""
        while (left := pace.left(effective)) > _SLACK_SECONDS:
            await self._flush()
            await self._clock.sleep(min(left, _MARK_SECONDS))
            reached = pace.reached(effective - 1)
            if reached > self._reached and self._clock.now() - self._marked >= _MARK_SECONDS:
                await self._mark_all(reached)
                self._reached = reached

    async def _announce_late(self, line: LogLine, slot: int) -> None:
        """The reader's running maximum must be that of the file, wherever the line that made it so went to."""
        self.late += 1
        if self._slot_reached[slot] < line.effective:
            await self._mark(slot, line.effective)

    async def _mark_all(self, moment: int) -> None:
        for slot in range(self._sender.slots):
            await self._mark(slot, moment)
        self._since_mark = 0
        self._marked = self._clock.now()

    async def _mark(self, slot: int, moment: int) -> None:
        mark: dict[str, object] = {"type": "time.mark", "occurred_at": moment}
        if self._backfill or not self._live:
            mark["backfill"] = True
        self._slot_reached[slot] = moment
        self.marks += 1
        await self._put(slot, None, msgspec.json.encode(mark))

    async def _put(self, slot: int, key: bytes | None, value: bytes) -> None:
        if not self._sender.add(slot, key, value):
            await self._flush()
            self._sender.add(slot, key, value)

    async def _flush(self) -> None:
        await self._sender.flush()
        self._since_flush = 0
        self._on_progress(Progress(self.lines, self.marks, self._reached))


def _is_import(line: LogLine) -> bool:
    """Whether an event is marked as backfill; what is no event says nothing, and passes as what came before it."""
    try:
        return _DECODERS[line.source](line.key, line.value, NEVER)[0].backfill
    except RejectedError:
        return True
