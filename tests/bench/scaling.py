"""What a second worker brings: `python -m tests.bench.scaling`.

The same log, exactly once, on Apache Kafka, by one worker that shares one processor with its broker; by one that
shares two with it; and by two workers that share two. Twice as many workers on twice as many processors, brokers
included, is what growing means; a second worker beside a broker that needs the same processor is not.
"""

import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
from msgspec import Struct

from streams.brokers.embedded import BrokerStartError
from streams.brokers.topics import create
from streams.settings import Settings
from tests.bench.crew import Crew, rate_between
from tests.bench.load import produce, standard_load
from tests.bench.report import machine
from tests.bench.table import spread
from tests.bench.topics import remove_topics
from tests.bench.worker import BenchError
from tests.support.brokers import ApacheKafka

_WITHOUT_ENDS = 0.1, 0.9
"""The share of the events between which the rate is taken: all workers are at work then."""
_PATIENCE = 120.0


class Way(Struct, frozen=True):
    """Workers, and the processors that they share with the broker."""

    workers: int
    processors: int

    def __str__(self) -> str:
        return f"{_counted(self.workers, 'worker')}, {_counted(self.processors, 'processor')}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count > 1)}"


WAYS = (Way(1, 1), Way(1, 2), Way(2, 2))


class Pace(Struct):
    """One run."""

    rate: float
    """Events per second, of all workers."""
    cpu_seconds: float
    """Of all workers, per million events."""


@contextmanager
def confined(pid: int, processors: Sequence[int]) -> Iterator[None]:
    """Let a process, and ours with what it starts meanwhile, have these processors alone."""
    everything = os.sched_getaffinity(0)
    _confine(pid, processors)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, everything)
        _confine(pid, everything)


def _confine(pid: int, processors: Sequence[int] | set[int]) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), processors)


def pace(settings: Settings, broker: ApacheKafka, way: Way, events: int) -> Pace:
    """Measure one way. Raises BenchError."""
    if broker.pid is None:
        raise BenchError("the broker is gone")
    name = f"scaling-{time.time_ns()}"
    settings = replace(settings, group=name, topics=replace(settings.topics, changelog=name))
    create(settings)
    processors = sorted(os.sched_getaffinity(0))[: way.processors]
    if len(processors) < way.processors:
        raise BenchError(f"{way} are not to be had here")
    with confined(broker.pid, processors), Crew(settings, way.workers, _PATIENCE) as crew:
        before = crew.cpu_seconds()
        samples = crew.watch(events)
        used = crew.cpu_seconds() - before
    low, high = (share * events for share in _WITHOUT_ENDS)
    remove_topics(broker.address, name)
    return Pace(rate_between(samples, low, high), used / events * 1e6)


def lines_of(found: dict[Way, list[Pace]]) -> list[str]:
    """A table in plain text, minimum / median / maximum; and what was gained, round by round."""
    lines = [f"{'':<30}{'events/s':>28}{'CPU s per 1M events':>28}"]
    for way, paces in found.items():
        rates, used = spread([one.rate for one in paces], ",.0f"), spread([one.cpu_seconds for one in paces], ".1f")
        lines.append(f"{way!s:<30}{rates:>28}{used:>28}")
    most = found[WAYS[-1]]
    for way in WAYS[:-1]:
        gained = spread([two.rate / one.rate for two, one in zip(most, found[way], strict=True)], ".2f")
        lines.append(f"{WAYS[-1]} over {way}: {gained} times")
    return lines


@click.command()
@click.option("--events", type=click.IntRange(10_000), default=1_000_000, show_default=True, help="Size of the load.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="How often each is measured.")
def scaling(events: int, rounds: int) -> None:
    """Measure what a second worker brings."""
    for name in ("kafka", "aiokafka"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    where = machine()
    found: dict[Way, list[Pace]] = {way: [] for way in WAYS}
    try:
        with ApacheKafka() as broker:
            settings = Settings(brokers=broker.address, session_timeout=10_000)
            create(settings)
            produce(settings, standard_load(events, round(1000 * time.time())))
            for number in range(1, rounds + 1):
                for way in WAYS:
                    found[way].append(pace(settings, broker, way, events))
                    click.echo(f"  round {number}: {way}: {found[way][-1].rate:,.0f} events/s", err=True)
    except (BenchError, BrokerStartError) as error:
        click.echo(f"scaling: {error}", err=True)
        sys.exit(1)
    click.echo(", ".join(f"{name} {value}" for name, value in where.items()))
    click.echo("\n".join(lines_of(found)))


if __name__ == "__main__":
    scaling()
