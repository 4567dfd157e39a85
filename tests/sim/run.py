"""Many runs: of each what came of it, of all what was seen, on as many processors as there are."""

import gc
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context

from tests.sim.check import verdict
from tests.sim.faults import ACTS
from tests.sim.load import V2
from tests.sim.planted import PLANTED
from tests.sim.world import World

CHUNK = 25
"""Seeds between two collections of garbage, which would take a fifth of the time if it came when it likes."""
EVERY = 1_000
"""Seeds within which each of these is to be seen once."""
_REQUESTS = ("Produce", "OffsetFetch", "Fetch", "JoinGroup", "Heartbeat")
_BRANCHES = (
    *ACTS,
    "batch refused",
    "fetched batch dropped",
    "more workers than partitions",
    "rebalance",
    "session expired",
    "worker ended with 0",
    "worker ended with 75",
)


def _fates(*requests: str) -> list[str]:
    return [f"{request} {fate}" for request in requests for fate in ("slow", "lost", "unanswered", "late")]


_TRANSACTIONS = (
    *_BRANCHES,
    *_fates(*_REQUESTS, "InitProducerId", "TxnOffsetCommit", "EndTxn"),
    "fenced by the coordinator",
    "init ends an open transaction",
    "slow markers",
    "transaction timed out",
)


SOMETIMES = {
    "exactly_once": (*_TRANSACTIONS, *_fates("AddPartitionsToTxn", "AddOffsetsToTxn")),
    V2: (*_TRANSACTIONS, "EndTxn asked for again", "late EndTxn refused"),
    "at_least_once": (*_BRANCHES, *_fates(*_REQUESTS, "OffsetCommit")),
}
"""By delivery."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one run."""

    seed: int
    checksum: int
    """Of its trace: equal for equal runs."""
    wrong: list[str]
    seen: Counter[str]
    seconds: float
    """Of virtual time."""
    lines: list[str] = field(default_factory=list)
    """Its trace, if it was to be kept."""


def run(seed: int, bug: str = "", delivery: str = "exactly_once", *, keep: bool = False) -> Result:
    """One run, with a planted bug if one is named: then the delivery is that which the bug is of."""
    world = World(seed, PLANTED[bug].delivery if bug else delivery, keep=keep)
    with PLANTED[bug].plant(world) if bug else nullcontext():
        world.run()
    return Result(seed, world.trace.checksum, verdict(world), world.trace.seen, world.loop.time(), world.trace.lines)


def run_all(seeds: Iterable[int], *, bug: str = "", delivery: str = "exactly_once", jobs: int = 1) -> Iterator[Result]:
    """Runs of these seeds, in their order."""
    chunks = _chunks(seeds)
    if jobs == 1:
        for chunk in chunks:
            yield from _run_chunk(chunk, bug, delivery)
        return
    with get_context("fork").Pool(jobs) as pool:
        for results in pool.imap(partial(_run_chunk, bug=bug, delivery=delivery), chunks):
            yield from results


def _run_chunk(seeds: list[int], bug: str, delivery: str) -> list[Result]:
    gc.disable()
    try:
        return [run(seed, bug, delivery) for seed in seeds]
    finally:
        gc.enable()
        gc.collect()


def _chunks(seeds: Iterable[int]) -> Iterator[list[int]]:
    chunk: list[int] = []
    for seed in seeds:
        chunk.append(seed)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def unseen(seen: Counter[str], runs: int, delivery: str = "exactly_once") -> list[str]:
    """What so many runs should have gone through and have not; nothing below `EVERY` runs."""
    return [what for what in SOMETIMES[delivery] if not seen[what]] if runs >= EVERY else []


def first_caught(bug: str, limit: int) -> Result | None:
    """The first run, from seed 0 on, that a planted bug makes wrong."""
    return next((result for result in map(partial(run, bug=bug), range(limit)) if result.wrong), None)
