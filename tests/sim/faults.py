"""What goes wrong in a run, drawn from its seed: of all kinds of faults each run has some only (swarm testing)."""

import random
from dataclasses import dataclass, field

from tests.sim.network import Weather

FAULTY_SECONDS = 25.0
"""From the start on; then nothing goes wrong any more."""
SESSION, TRANSACTION = 6.0, 15.0
"""Time-outs in seconds, which freezes are measured by."""
CHURN = 0.05
"""Share of the runs in which workers do nothing but come and go, all the time."""
ACTS = (
    "crash",
    "freeze",
    "freeze beyond the session",
    "freeze beyond the transaction",
    "stop",
    "join",
    "leave",
    "rebalance",
    "transactions move",
    "group moves",
    "leaders move",
    "cut",
    "refusal",
    "clock step",
)


@dataclass(frozen=True, slots=True)
class Act:
    """A fault at a time, in seconds from the start. `chance`: in [0, 1), for what the act has to choose."""

    at: float
    name: str
    chance: float


@dataclass(slots=True)
class Plan:
    """All faults of a run."""

    partitions: int
    workers: int
    tick: float
    weather: Weather
    dropped: float
    """Share of fetched batches that are lost inside a worker."""
    acts: list[Act] = field(default_factory=list)


def plan(rng: random.Random) -> Plan:
    """The faults of a seed."""

    def some(high: float) -> float:
        return rng.uniform(0.0, high) if rng.random() < 0.5 else 0.0

    found = Plan(
        partitions=rng.choice((1, 1, 1, 2, 2, 3)),
        workers=rng.choice((1, 2, 2, 3)),
        tick=rng.choice((0.5, 1.0, 2.0)),
        weather=Weather(
            slow=some(0.05),
            lost=some(0.06),
            unanswered=some(0.06),
            late=some(0.12),
            late_ends=some(0.3),
            silent=some(0.3),
        ),
        dropped=some(0.1),
    )
    kinds = [name for name in ACTS if rng.random() < 0.4]
    every = rng.choice((1.5, 3.0, 6.0))
    if rng.random() < CHURN:
        kinds, every = ["join", "leave"], every / 10
    if kinds:
        at = 0.0
        while (at := at + rng.expovariate(1 / every)) < FAULTY_SECONDS:
            found.acts.append(Act(at, rng.choice(kinds), rng.random()))
    return found
