"""A soak: load all the time, restarts of everything in turn, calm, and again; then what all came to."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.chaos.round import wait_for_quiet
from tests.chaos.slot import OddEnd
from tests.chaos.world import World
from tests.soak.flow import Flow
from tests.soak.judge import Judge, Verdict
from tests.soak.lag import LagWatch
from tests.soak.memory import MemoryWatch, Stretch, stretches
from tests.soak.restarts import Bounds, Restart, Thing, everything, restart
from tests.soak.shop import Shop
from tests.support.workers import Deployment

CYCLE_SECONDS = 3600.0
"""Everything is restarted once in such a time; in a shorter soak once all the same."""
_CALM_BEFORE = 0.3
_SETTLING = 0.05
"""After start and restarts memory and lag are not looked at yet; at least so many seconds:"""
_SETTLING_SECONDS = 5.0
_CALM_AFTER = 0.25
"""At least. These three are shares of a cycle."""
_CALM_SECONDS = 5.0
"""At least, however short a cycle is."""
_TURNS = 20
"""Of the population in a soak, at most: event time is not to reach the present."""


@dataclass(frozen=True)
class Plan:
    """What is to be done."""

    seconds: float
    rate: float
    """Events in a second."""
    customers: int
    seed: int = 1
    partitions: int = 4
    session: float = 6.0
    redis: str = ""
    """A URL; empty: no views."""
    bounds: Bounds = field(default_factory=Bounds)

    @property
    def cycles(self) -> int:
        return max(1, round(self.seconds / CYCLE_SECONDS))

    @property
    def cycle(self) -> float:
        """Seconds."""
        return self.seconds / self.cycles

    @property
    def turn(self) -> float:
        """Seconds until what is remembered has reached its plateau."""
        return max(self.cycle * _CALM_BEFORE, self.seconds / _TURNS)

    @property
    def shop(self) -> Shop:
        return Shop(self.seed, self.customers, round(self.turn * self.rate))

    @property
    def settings(self) -> dict[str, str]:
        """Of the workers."""
        found = {
            "partitions": str(self.partitions),
            "session_timeout": f"{self.session:g}s",
            "delivery": "exactly_once",
        }
        return {**found, "redis": self.redis} if self.redis else found


@dataclass
class Outcome:
    """What a soak came to."""

    plan: Plan
    seconds: float = 0.0
    lines: int = 0
    """Sent."""
    restarts: list[Restart] = field(default_factory=list)
    calm_lag: float = 0.0
    """The longest lag while nothing was restarted, seconds."""
    stretches: list[Stretch] = field(default_factory=list)
    stuck: list[int] = field(default_factory=list)
    """Partition numbers that were not worked off at the end."""
    odd_ends: list[OddEnd] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)


def soak(
    world: World,
    plan: Plan,
    say: Callable[[str], None] = lambda _: None,
    *,
    things: Callable[[World], Iterable[Thing]] = everything,
) -> Outcome:
    """Do it; `things` are restarted in turn.

    Raises BrokerStartError, and RuntimeError when brokers, workers or the judge give up.
    """
    outcome = Outcome(plan)
    address = world.kafka.address
    with (
        world.deployment(**plan.settings) as to,
        LagWatch(address, to.settings) as watch,
        Judge(address, to.settings, plan.shop) as judge,
    ):
        flow = Flow(
            address,
            plan.shop.lines(),
            to.settings,
            rate=plan.rate,
            acknowledged=watch.due,
            announce=judge.announce,
        )
        with world.running(to.environ), MemoryWatch(lambda: [slot.pid for slot in world.slots]) as memory:
            world.wait_until_ready(world.slots)
            with flow:
                run = _Run(world, watch, flow, memory, outcome, say)
                run.cycles(things)
                outcome.stuck = _end(world, watch, flow, to)
        outcome.lines, outcome.odd_ends = flow.lines, world.odd_ends.copy()
        say("comparing")
        outcome.verdict = judge.decide()
    return outcome


def _end(world: World, watch: LagWatch, flow: Flow, to: Deployment) -> list[int]:
    flow.end()
    return wait_for_quiet(world, watch, flow, to)


class _Run:
    """What happens while the load flows."""

    def __init__(
        self,
        world: World,
        watch: LagWatch,
        flow: Flow,
        memory: MemoryWatch,
        outcome: Outcome,
        say: Callable[[str], None],
    ) -> None:
        self._world, self._watch, self._flow, self._memory = world, watch, flow, memory
        self._outcome, self._plan, self._say = outcome, outcome.plan, say
        self._settling = max(_SETTLING_SECONDS, self._plan.cycle * _SETTLING)
        self._began = time.monotonic()

    def cycles(self, things: Callable[[World], Iterable[Thing]]) -> None:
        plan = self._plan
        for number in range(plan.cycles):
            cycle = self._began + number * plan.cycle
            self._calm(cycle + plan.cycle * _CALM_BEFORE)
            self._restart(things(self._world))
        calm = self._settling + max(_CALM_SECONDS, plan.cycle * _CALM_AFTER)
        self._calm(max(self._began + plan.seconds, time.monotonic() + calm))
        self._outcome.seconds = time.monotonic() - self._began

    def _restart(self, things: Iterable[Thing]) -> None:
        for thing in things:
            found = restart(self._world, self._watch, thing, self._plan.bounds)
            self._outcome.restarts.append(found)
            told = "not back in time" if found.back is None else f"back after {found.back:.1f} s"
            self._say(f"{found.what}: {told}, lag {found.lag:.1f} s; {self._flow.lines} events so far")

    def _calm(self, until: float) -> None:
        """Nothing but load; memory is looked at when it should have reached its plateau."""
        self._world.rest(min(self._settling, max(0.0, until - time.monotonic())))
        begin = time.monotonic()
        while time.monotonic() < until:
            self._world.rest(0.2)
            self._outcome.calm_lag = max(self._outcome.calm_lag, self._watch.seconds)
        if begin > self._began + self._plan.turn:
            found = stretches(self._memory.samples, begin, time.monotonic())
            self._outcome.stretches += found
            for one in found:
                self._say(f"worker {one.worker}: {one.median:.0f} MiB, {one.slope:+.1f} MiB/h in {one.seconds:.0f} s")
        self._memory.samples.clear()
