"""How fast a worker is ready again: `python -m tests.bench.recovery --customers 1000000`.

The states are those that the standard load leaves, written into a changelog under as many keys as asked for, each
once, as after compaction. Then a worker starts on it; it logs how long each partition number took.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, islice

import click

from agents.core import Core
from agents.rulebook.rules import Rules
from streams.brokers.embedded import BrokerStartError
from streams.brokers.topics import create
from streams.flow.decode import decoder
from streams.settings import Settings
from tables.events import SOURCES, TimeMark
from tables.parameters import BUILTIN
from tables.states import Change
from tests.bench.load import standard_load
from tests.bench.report import machine
from tests.bench.stored import write
from tests.bench.table import spread
from tests.bench.worker import BenchError, Worker
from tests.support.brokers import ApacheKafka

_LOAD = 200_000
"""Events of the standard load whose states are taken."""


def states_of_load(events: int) -> list[bytes]:
    """The packed states that the standard load leaves behind."""
    wall = round(time.time() * 1000)
    core = Core(Rules(), BUILTIN)
    decoders = {source: decoder(source) for source in SOURCES}
    for number, (source, key, value) in enumerate(standard_load(events, wall)):
        event, at = decoders[source](key, value, wall)
        if not isinstance(event, TimeMark):
            core.take(SOURCES.index(source), number, key, event, at)
    return [packed for packed in core.settle().changes.values() if packed is not None]


def changes(customers: int) -> Iterator[Change]:
    """A state for each of so many customers."""
    packed = states_of_load(_LOAD)
    return ((f"r{i:09d}".encode(), packed[i % len(packed)]) for i in islice(count(), customers))


@dataclass(slots=True)
class Starts:
    """What starting anew took, time by time."""

    rates: list[float] = field(default_factory=list)
    """States per second."""
    cpu_seconds: list[float] = field(default_factory=list)
    """Of the worker, from its start to being ready."""
    bytes_each: list[float] = field(default_factory=list)
    """Resident memory of the worker per customer."""


def measure(customers: int, rounds: int) -> Starts:
    """Raises BenchError, BrokerStartError."""
    found = Starts()
    with ApacheKafka() as broker:
        settings = Settings(brokers=broker.address, session_timeout=10_000, delivery="exactly_once")
        create(settings)
        write(settings, changes(customers))
        for _ in range(rounds):
            with Worker(settings) as worker:
                states, seconds = worker.restored()
                if states != customers:
                    raise BenchError(f"{states} of {customers} customers were restored")
                found.rates.append(states / seconds)
                found.cpu_seconds.append(worker.use().cpu_seconds)
                found.bytes_each.append(worker.use().rss / customers)
    return found


@click.command()
@click.option("--customers", type=click.IntRange(1), default=1_000_000, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="How often a worker starts.")
def recovery(customers: int, rounds: int) -> None:
    """Measure how fast states are read back from the changelog, on Apache Kafka, exactly once."""
    where = machine()
    try:
        found = measure(customers, rounds)
    except (BenchError, BrokerStartError) as error:
        click.echo(f"recovery: {error}", err=True)
        sys.exit(1)
    click.echo(", ".join(f"{name} {value}" for name, value in where.items()))
    click.echo(f"{customers:,} customers, read back from the changelog; minimum / median / maximum of {rounds} starts")
    click.echo(f"{spread(found.rates)} states/s")
    click.echo(f"{spread(found.cpu_seconds, '.1f')} CPU s of the worker from its start to being ready")
    click.echo(f"{spread(found.bytes_each)} bytes of resident memory per customer, the worker's own included")


if __name__ == "__main__":
    recovery()
