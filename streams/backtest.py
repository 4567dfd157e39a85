"""The same rules over a log, without Kafka, in event time: what the worker would have sent."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from agents.core import Core
from agents.decisions import Cancellation, Decision
from agents.rulebook.rules import Rules
from streams.flow.decode import RejectedError, decoder
from streams.livepath import LivePath, Renewal
from streams.logs import LogLine, Rejected
from tables.customer import NEVER
from tables.events import SOURCES, TimeMark
from tables.parameters import Parameters

BATCH = 5_000
"""Events between two settlements; the decisions do not depend on it."""
_NO_LIMIT = 1 << 62


@dataclass(slots=True)
class Tally:
    """What a backtest came to."""

    events: int = 0
    customers: int = 0
    triggers: Counter[str] = field(default_factory=Counter)
    cancelled: Counter[str] = field(default_factory=Counter)
    suppressed: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    """Events by feed."""
    dead: Rejected = field(default_factory=Rejected)
    """Lines that the worker would send to the dead letters."""

    def count(self, decision: Decision) -> None:
        if isinstance(decision, Cancellation):
            self.cancelled[decision.rule.name] += 1
        elif isinstance(decision.suppressed_by, str):
            self.suppressed[decision.type] += 1
        else:
            self.triggers[decision.type] += 1


def backtest(
    lines: Iterable[LogLine],
    rules: Rules,
    parameters: Parameters,
    *,
    wall: int,
    emit: Callable[[Decision], None],
    renewed: Callable[[Renewal], None] | None = None,
) -> Tally:
    """Run the pure core over a log's merged lines; `emit` gets every decision, in order.

    `wall` (epoch ms): events more than an hour beyond it are refused, as in the worker. With `renewed`, which gets what
    each week's end came to, parameters are learned on the way, as live workers do it; else they stay.
    """
    run = _Run(Core(rules, parameters), emit)
    decoders = {source: decoder(source) for source in SOURCES}
    indices = {source: index for index, source in enumerate(SOURCES)}
    path = None if renewed is None else LivePath(run.core, parameters, renewed)
    core, tally = run.core, run.tally
    for number, line in enumerate(lines):
        try:
            event, at = decoders[line.source](line.key, line.value, wall)
        except RejectedError as exc:
            tally.dead.add(f"{line.source}: {exc}")
            continue
        if isinstance(event, TimeMark):
            continue
        if not event.backfill:
            run.live_from = min(run.live_from, line.effective)
        if path is not None:
            path.follow(line.effective, run.reach)
        run.advance(line.effective)
        core.emitter.now = run.reached = line.effective
        core.take(indices[line.source], number, line.key, event, at)
        tally.events += 1
        tally.sources[line.source] += 1
        if not tally.events % BATCH:
            run.settle()
    run.reach(run.reached + 1)
    tally.customers = len(core.states)
    return tally


@dataclass(slots=True)
class _Run:
    """A core on its way through a log."""

    core: Core
    emit: Callable[[Decision], None]
    tally: Tally = field(default_factory=Tally)
    reached: int = 0
    live_from: int = NEVER

    def advance(self, until: int) -> None:
        """Fire what is due before it."""
        if self.core.next_due < until:
            self.core.advance(until, _NO_LIMIT, live_from=self.live_from)

    def reach(self, until: int) -> None:
        """The same, and end the batch."""
        self.advance(until)
        self.settle()

    def settle(self) -> None:
        """End the batch."""
        settled = self.core.settle()
        for decision in settled.decisions:
            self.tally.count(decision)
            self.emit(decision)
        self.core.adopt()
