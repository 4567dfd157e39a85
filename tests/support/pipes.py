"""Drives a `Pipeline` as a partition does, without a broker: records in, batches made durable, restarts in between."""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

from agents.core import Core
from agents.decisions import Decision
from agents.rulebook.rules import Rules
from streams.flow.flood import FloodGuard
from streams.flow.mark import Position
from streams.flow.messages import json_line
from streams.flow.pipeline import DeadLetter, Outcome, Pipeline
from streams.logs import LogLine
from streams.logs.merge import merge
from streams.replay.pace import Clock
from streams.replay.run import _Replay
from streams.replay.sender import Sender
from tables.customer import NEVER, Customer
from tables.customerform import unpack
from tables.events import SOURCES, AnyEvent
from tables.parameters import BUILTIN, BasketPrior, Parameters, TimingPrior
from tests.support.core import encode, source_of

KEY = b"ann"
QUICK = Parameters(
    version="test-1",
    timing=TimingPrior(mu0=0.5, tau2=1.0, a=0.3, b=0.6, weights=(0.2, 0.2, 0.2, 0.2, 0.2)),
    basket=BasketPrior(m0=3.5, k0=1.0, a0=3.0, b0=0.5),
)
"""A population that orders about weekly, so that a short log holds every kind of trigger."""


class Kept(NamedTuple):
    """A record of a topic."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Run:
    """A worker's care for one partition number. `topics`: its records, by the index of SOURCES."""

    def __init__(
        self,
        topics: Sequence[Sequence[Kept]] = ((), (), ()),
        *,
        wall: bool = False,
        now: int = 1 << 43,
        rules: Rules | None = None,
        parameters: Parameters = BUILTIN,
        share: float = 1.0,
    ) -> None:
        self.topics: list[list[Kept]] = [list(topic) for topic in topics]
        self.now = now
        """The wall clock."""
        self.states: dict[bytes, bytes] = {}
        self.decisions: list[Decision] = []
        self.dead: list[DeadLetter] = []
        self.outcomes: list[Outcome] = []
        self._wall, self._rules, self._parameters = wall, rules or Rules(), parameters
        self._flood = FloodGuard(share)
        self._durable = (dict.fromkeys(SOURCES, Position(0)), 0, NEVER)
        self.pipeline = self._open()

    def _open(self) -> Pipeline:
        core = Core(self._rules, self._parameters)
        core.states.restore(self.states)
        core.states.ready()
        pipeline = Pipeline(core, self._flood, wall=self._wall)
        pipeline.seek(*self._durable)
        return pipeline

    def restart(self) -> None:
        """The worker is gone with all that was not durable."""
        self.pipeline = self._open()

    def write(self, source: str, *values: tuple[bytes | None, bytes | None]) -> None:
        """Producers send keys and values."""
        topic = self.topics[SOURCES.index(source)]
        for key, value in values:
            topic.append(Kept(len(topic), key, value))

    def left(self, source: int) -> int:
        """How many records are not fetched."""
        return len(self.topics[source]) - self.pipeline.merge.feeds[source].fetched

    def fetch(self, source: int, count: int = NEVER) -> None:
        begin = self.pipeline.merge.feeds[source].fetched
        records = self.topics[source][begin : begin + count]
        self.pipeline.feed(source, records, begin + len(records), self.now, self.now)

    def hear_ends(self, *sources: int) -> None:
        """The broker says where topics end."""
        for source in sources or range(3):
            self.pipeline.complete(source, len(self.topics[source]), self.now)

    def work(self) -> Outcome:
        """One batch, made durable."""
        outcome = self.pipeline.work(self.now)
        self.outcomes.append(outcome)
        if not outcome.empty:
            for key, value in outcome.settled.changes.items():
                if value is None:
                    self.states.pop(key, None)
                else:
                    self.states[key] = value
            positions = outcome.positions or self._durable[0]
            self._durable = (positions, outcome.now, outcome.live_from)
            self.decisions += outcome.decisions
            self.dead += outcome.dead
            self.pipeline.done(outcome)
        return outcome

    def work_all(self) -> list[Decision]:
        """Batches until there is no more to do; what they decided."""
        before = len(self.decisions)
        self.work()
        while self.pipeline.more:
            self.work()
        return self.decisions[before:]

    def catch_up(self) -> list[Decision]:
        """Fetch everything, hear that it was everything, work."""
        for source in range(3):
            self.fetch(source)
        self.hear_ends()
        return self.work_all()

    def at_random(self, rng: random.Random) -> None:
        """Everything, fetched and worked on in random portions, with crashes in between."""
        while any(map(self.left, range(3))):
            source = rng.choice([source for source in range(3) if self.left(source)])
            self.fetch(source, rng.choice((1, 2, 3, 10, 50)))
            what = rng.random()
            if what < 0.6:
                self.work_all()
            elif what < 0.7:
                self.pipeline.work(self.now)  # decided, but the worker dies before it is durable
                self.restart()
            elif what < 0.8:
                self.restart()
        self.work_all()

    @property
    def types(self) -> list[str]:
        return [decision.type for decision in self.decisions]

    def customer(self, key: bytes) -> Customer:
        return unpack(self.states[key])


class Slots:
    """Stands for the sender of `replay`: keeps what each partition of each topic gets."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.records: list[list[Kept]] = [[] for _ in range(slots)]

    def add(self, slot: int, key: bytes | None, value: bytes) -> bool:
        records = self.records[slot]
        records.append(Kept(len(records), key, value))
        return True

    async def flush(self) -> None:
        """Nothing is kept back."""


class Line(NamedTuple):
    """One event of a log. `at`: None for what the worker will refuse."""

    source: str
    key: bytes
    value: bytes
    at: int | None


def merged(lines: Iterable[Line], begin: int) -> list[LogLine]:
    """A log's lines as `read_log` gives them: late ones stay late, the three topics by effective time."""
    topics: dict[str, list[LogLine]] = {source: [] for source in SOURCES}
    for line in lines:
        topic = topics[line.source]
        reached = topic[-1].effective if topic else begin
        at = reached if line.at is None else line.at
        topic.append(LogLine(line.source, line.key, line.value, at, max(reached, at)))
    return list(merge([topics[source] for source in SOURCES]))


def replayed(lines: list[LogLine], partitions: int, *, marks_every: int = 1000) -> list[list[list[Kept]]]:
    """What `replay` writes: per partition number, per feed, the records, marks among them."""
    slots = Slots(len(SOURCES) * partitions)

    async def send() -> None:
        clock = Clock(lambda: 0.0, asyncio.sleep)
        run = _Replay(cast("Sender", slots), partitions, None, False, clock, lambda _: None)
        run._mark_lines = marks_every
        await run.send(lines)

    asyncio.run(send())
    return [[slots.records[rank * partitions + number] for rank in range(3)] for number in range(partitions)]


def by_customer(decisions: Iterable[Decision]) -> dict[str, list[bytes]]:
    """Each customer's decisions in order, as `backtest --triggers` writes them."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for decision in decisions:
        found[decision.customer_id].append(json_line(decision))
    return dict(found)


def sent(*events: AnyEvent) -> list[tuple[bytes, bytes]]:
    """Key and value of each, as producers send them."""
    return [(event.customer_id.encode(), encode(event)) for event in events]


def write(run: Run, *events: AnyEvent) -> None:
    """Events happen, each in its topic."""
    for event in events:
        run.write(source_of(event), *sent(event))


def mark(at: int, *, backfill: bool = False) -> tuple[None, bytes]:
    """Nothing earlier than `at` follows, as `replay` says it."""
    return None, json.dumps({"type": "time.mark", "occurred_at": at, "backfill": backfill}).encode()


def write_marks(run: Run, at: int, *, backfill: bool = False) -> None:
    """A mark in all three topics."""
    for source in SOURCES:
        run.write(source, mark(at, backfill=backfill))


def live(now: int) -> Run:
    """A worker on the wall clock that has read all there was."""
    run = Run(wall=True, now=now, parameters=QUICK)
    run.catch_up()
    return run
