"""One round: a load, faults while it flows, then quiet; what has come out by then, compared with the pure core."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from streams.logs import read_log
from tests.chaos.faults import commit_fault
from tests.chaos.feed import Feed, portions
from tests.chaos.plan import Fault
from tests.chaos.slot import OddEnd
from tests.chaos.watch import Pause, Watch
from tests.chaos.world import World
from tests.support.invented import invented
from tests.support.oracle import Difference, difference, forget, pure
from tests.support.workers import Deployment

_PORTION = 20
"""Lines: every worker has several transactions a second to be disturbed in."""
_WELL_SECONDS = 120.0
"""After so long without a fault everything must have been caught up with."""
_QUIET_SECONDS = 180.0
_BEYOND_SECONDS = 4.0
"""The load goes on after a fault, so that what it stops is seen."""


class Behind(Protocol):
    """Who knows how far the workers are."""

    @property
    def behind(self) -> list[int]:
        """The partition numbers that have something to do."""


class Sent(Protocol):
    """Who sends the load."""

    @property
    def done(self) -> bool:
        """Whether all of it has been acknowledged."""


@dataclass(frozen=True)
class Load:
    """What flows in a round, and how it is delivered."""

    events: int
    customers: int = 300
    partitions: int = 4
    delivery: str = "exactly_once"


@dataclass
class Done:
    """A fault, and how it went."""

    fault: Fault
    began: float
    """By `time.monotonic`."""
    stuck: list[int] = field(default_factory=list)
    """Partition numbers that had not caught up before it although they had the time."""
    pause: float = 0.0
    """Seconds: the longest pause of a partition number that began with it or after it, before the next fault."""


@dataclass
class Outcome:
    """How a round ended."""

    seed: int
    done: list[Done]
    difference: Difference
    stuck: list[int]
    """Partition numbers that had not been worked off in the quiet at the end."""
    odd_ends: list[OddEnd]
    messages: int
    """That had to come out."""
    starts: int
    """Of workers."""
    delivery: str = "exactly_once"
    pauses: list[Pause] = field(default_factory=list)
    """All of them, of every partition number."""

    @property
    def right(self) -> bool:
        """Whether it is what the delivery promises, and no worker ended as it should not."""
        found = self.difference
        wrong = found.lost or found.foreign or found.wrong or (found.repeated and self.delivery == "exactly_once")
        return not (wrong or self.stuck or self.odd_ends or any(done.stuck for done in self.done))

    @property
    def pause(self) -> float:
        """The longest, in seconds."""
        return max((done.pause for done in self.done), default=0.0)


def play(
    world: World,
    faults: Sequence[Fault],
    *,
    seed: int,
    load: Load,
    session: float,
    folder: Path,
    say: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Run a round. Raises BrokerStartError, and RuntimeError when the brokers do not take the load."""

    def act(watch: Watch, feed: Feed) -> list[Done]:
        share = 1 / (len(faults) + 1)
        feed.go(share, 0)
        world.rest(1)
        wait_until_well(world, watch)
        return [_disturb(world, watch, feed, fault, share, say) for fault in faults]

    return stage(world, act, seed=seed, load=load, session=session, folder=folder)


def stage(
    world: World,
    act: Callable[[Watch, Feed], list[Done]],
    *,
    seed: int,
    load: Load,
    session: float,
    folder: Path,
) -> Outcome:
    """Topics, workers and a load of which nothing is sent yet; then `act`, quiet, and the comparison. Raises as `play`.

    :param act: what happens; what it leaves unsent is sent at its end
    """
    log = invented(folder / f"log-{seed}.jsonl", seed, events=load.events, customers=load.customers)
    settings = {"partitions": str(load.partitions), "session_timeout": f"{session:g}s", "delivery": load.delivery}
    with world.deployment(**settings) as to:
        expected = pure(log, to)
        rows = list(portions(read_log(log).lines(), to.settings, _PORTION))
        with (
            Watch(world.kafka.address, to.settings) as watch,
            Feed(world.kafka.address, rows, watch.due) as feed,
            world.running(to.environ),
        ):
            done = act(watch, feed)
            world.mend()
            feed.finish()
            stuck = wait_for_quiet(world, watch, feed, to)
            starts = sum(slot.starts for slot in world.slots)
            pauses = watch.pauses
        attribute(pauses, done)
        found = difference(to, expected)
    forget()
    return Outcome(seed, done, found, stuck, world.odd_ends.copy(), expected.count, starts, load.delivery, pauses)


def _disturb(world: World, watch: Watch, feed: Feed, fault: Fault, share: float, say: Callable[[str], None]) -> Done:
    done = Done(fault, 0.0)
    if fault.pause is None:
        done.stuck = wait_until_well(world, watch)
    else:
        world.rest(fault.pause)
    feed.go(share, fault.seconds + _BEYOND_SECONDS)
    world.rest(0.3)
    say(str(fault))
    done.began = time.monotonic()
    commit_fault(fault, world)
    return done


def wait_until_well(world: World, watch: Watch) -> list[int]:
    """Return when nothing is left to do; else the partition numbers that have, after a long time."""
    deadline = time.monotonic() + _WELL_SECONDS
    world.mend()
    while (behind := watch.behind) and time.monotonic() < deadline:
        world.rest(0.1)
    return behind


def wait_for_quiet(world: World, watch: Behind, feed: Sent, to: Deployment) -> list[int]:
    """Return when all has been sent and worked off; else the partition numbers that have not, after a long time."""
    numbers = {str(number) for number in range(to.settings.partitions)}
    deadline = time.monotonic() + _QUIET_SECONDS
    while time.monotonic() < deadline:
        world.rest(0.3)
        lags: dict[str, int | None] = {}
        for slot in world.slots:
            lags |= slot.lags()
        if feed.done and not watch.behind and lags.keys() == numbers and not any(lag != 0 for lag in lags.values()):
            return []
    return sorted({int(number) for number in numbers if lags.get(number) != 0} | set(watch.behind))


def attribute(pauses: Sequence[Pause], done: Sequence[Done]) -> None:
    """A pause is the work of the first fault that began in it, else of the last one before it."""
    for pause in pauses:
        within = [one for one in done if pause.began <= one.began <= pause.ended]
        before = [one for one in done if one.began < pause.began]
        for one in within[:1] or before[-1:]:
            one.pause = max(one.pause, pause.seconds)
