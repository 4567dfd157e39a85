"""A deploy: every worker is replaced in turn while events flow, and how long each partition number paused for that.

python -m tests.chaos.rolling
"""

import itertools
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from streams.brokers.embedded import BrokerStartError
from tests.chaos.feed import Feed
from tests.chaos.plan import Fault
from tests.chaos.report import details, summary
from tests.chaos.round import Done, Load, Outcome, stage, wait_until_well
from tests.chaos.slot import Slot
from tests.chaos.watch import Pause, Watch
from tests.chaos.world import World, make_world

_READY_SECONDS = 90.0
_APART_SECONDS = 1.5
"""The load alone, before the first worker is replaced and after each."""


class Flow(NamedTuple):
    """The load of a rolling restart."""

    history: int
    """Events that there are before, and that states come from."""
    seconds: float
    """How long events flow."""
    rate: float
    """Events in a second."""

    @property
    def events(self) -> int:
        return self.history + round(self.seconds * self.rate)


def roll(
    world: World,
    *,
    flow: Flow,
    customers: int = 300,
    partitions: int = 6,
    session: float = 10.0,
    times: int = 1,
    seed: int = 1,
    folder: Path,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Outcome, bool]:
    """Tell each worker to stop, start its successor, wait until that is ready, go on with the next; so many `times`.

    The second: events flowed to the end. Raises what `stage` does, and RuntimeError when a worker does not get ready.
    """
    lasted = False

    def act(watch: Watch, feed: Feed) -> list[Done]:
        nonlocal lasted
        feed.go(flow.history / flow.events, 0)
        _wait_until_ready(world, world.slots)
        wait_until_well(world, watch)
        feed.go(1, flow.seconds)
        world.rest(_APART_SECONDS)
        done = [_replace(world, slot, say) for _ in range(times) for slot in world.slots]
        lasted = not feed.done
        return done

    load = Load(flow.events, customers, partitions)
    return stage(world, act, seed=seed, load=load, session=session, folder=folder), lasted


def _replace(world: World, slot: Slot, say: Callable[[str], None]) -> Done:
    done = Done(Fault("worker-replaced", None, 0.0, slot.number, None, 0.0), time.monotonic())
    slot.stop(back=0.0)
    ended = time.monotonic()
    _wait_until_ready(world, [slot])
    ready = time.monotonic()
    say(f"worker {slot.number}: ended after {ended - done.began:.1f} s, successor ready {ready - ended:.1f} s later")
    world.rest(_APART_SECONDS)
    return done


def _wait_until_ready(world: World, slots: Sequence[Slot]) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    world.rest(0)
    while not all(slot.ready for slot in slots):
        if time.monotonic() > deadline:
            raise RuntimeError(f"not all of the workers {[slot.number for slot in slots]} got ready")
        world.rest(0.05)


def table(pauses: Sequence[Pause], done: Sequence[Done], partitions: int) -> list[str]:
    """In Markdown: by the worker that was replaced, however often, the longest pause of each partition number."""
    begins = [done[0].began - _APART_SECONDS, *(one.began for one in done), float("inf")]
    names = ["none", *(f"worker {one.fault.worker}" for one in done)]
    longest = {name: [0.0] * partitions for name in names}
    for name, (begin, end) in zip(names, itertools.pairwise(begins), strict=True):
        row = longest[name]
        for pause in pauses:
            if begin <= pause.ended < end:
                row[pause.partition] = max(row[pause.partition], pause.seconds)
    return [
        f"| replaced | {' | '.join(f'partition {number}' for number in range(partitions))} | longest |",
        f"|---{'|---' * (partitions + 1)}|",
        *(f"| {name} | {' | '.join(f'{cell:.1f} s' for cell in (*row, max(row)))} |" for name, row in longest.items()),
    ]


@click.command()
@click.option("--times", type=click.IntRange(1), default=1, show_default=True, help="How often all are replaced.")
@click.option("--workers", type=click.IntRange(1), default=3, show_default=True)
@click.option("--partitions", type=click.IntRange(1), default=6, show_default=True)
@click.option("--customers", type=click.IntRange(10), default=5000, show_default=True)
@click.option("--history", type=click.IntRange(100), default=20_000, show_default=True, help="Events before.")
@click.option("--rate", type=click.FloatRange(1), default=100.0, show_default=True, help="Events in a second.")
@click.option("--seconds", type=click.FloatRange(1), default=120.0, show_default=True, help="How long events flow.")
@click.option("--session", type=click.FloatRange(1), default=10.0, show_default=True, help="Session time-out, seconds.")
@click.option("--brokers", type=click.Choice(["1", "3"]), default="1", show_default=True)
@click.option("--seed", default=1, show_default=True, help="Of the log.")
def rolling(
    times: int,
    workers: int,
    partitions: int,
    customers: int,
    history: int,
    rate: float,
    seconds: float,
    session: float,
    brokers: str,
    seed: int,
) -> None:
    """Replace every worker in turn while events flow; exit 0 when what came out is exact."""
    for name in ("kafka", "aiokafka"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="offbeat-rolling-"))
    try:
        with make_world(folder, workers=workers, brokers=int(brokers)) as world:
            outcome, lasted = roll(
                world,
                flow=Flow(history, seconds, rate),
                customers=customers,
                partitions=partitions,
                session=session,
                times=times,
                seed=seed,
                folder=folder,
                say=_say,
            )
    except (BrokerStartError, RuntimeError) as error:
        _say(f"given up: {error}")
        sys.exit(1)
    click.echo("\n".join(table(outcome.pauses, outcome.done, partitions)))
    _say(summary(1, outcome))
    if not lasted:
        _say("the events were over before the last worker was replaced: give more --seconds")
    if outcome.right:
        shutil.rmtree(folder)
    else:
        (folder / "wrong.txt").write_text(details(outcome))
        _say(f"what workers said, and what is wrong, is in {folder}")
    sys.exit(0 if outcome.right and lasted else 1)


def _say(text: str) -> None:
    click.echo(text, err=True)


if __name__ == "__main__":
    rolling()
