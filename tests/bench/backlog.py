"""What a worker holds with far more before it than it can take: `python -m tests.bench.backlog --events 1000000`.

On Apache Kafka, exactly once, in three cases: brokers that are fast, brokers that are slow, and a source that says
nothing while time follows events, so that nothing of the others may be taken.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from streams.brokers.embedded import BrokerStartError, free_port
from tables.events import CARTS
from tests.bench.load import produce, standard_load
from tests.bench.report import machine
from tests.support.brokers import ApacheKafka
from tests.support.node import Listener
from tests.support.proxy import Link, Proxy
from tests.support.workers import Deployment, Worker, deploy

_LOOK_SECONDS = 0.25
_MIB = 1 << 20


@dataclass(slots=True)
class Held:
    """What a worker held at the most while it was looked at."""

    rss: int = 0
    """Bytes of resident memory, above those at the start."""
    records: float = 0.0
    """Waiting for another source, over all partition numbers."""
    bytes: float = 0.0
    lag: float = 0.0
    catch_up: float = 0.0
    """The longest finite time until it would have caught up, in seconds."""
    taken: float = 0.0

    def look(self, worker: Worker, before: int) -> None:
        self.rss = max(self.rss, memory(worker) - before)
        self.records = max(self.records, worker.metric("offbeat_waiting_records"))
        self.bytes = max(self.bytes, worker.metric("offbeat_waiting_bytes"))
        self.lag = max(self.lag, worker.metric("offbeat_lag_records"))
        left = worker.metric("offbeat_catch_up_seconds")
        self.catch_up = max(self.catch_up, left if left < float("inf") else 0.0)
        self.taken = worker.metric("offbeat_events_total")

    def __str__(self) -> str:
        return (
            f"{self.rss / _MIB:,.0f} MiB above the start, {self.records:,.0f} records and {self.bytes / _MIB:,.1f} MiB "
            f"waiting, lag {self.lag:,.0f}, {self.catch_up:,.0f} s to catch up; taken in the end {self.taken:,.0f}"
        )


def memory(worker: Worker) -> int:
    """Resident memory in bytes."""
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


@contextmanager
def broker_and_link() -> Iterator[tuple[ApacheKafka, Link]]:
    """A broker, and a second way to it that can be made slow. Raises BrokerStartError."""
    with Proxy() as proxy:
        link = proxy.link(free_port())
        with ApacheKafka(listeners=[[Listener("SLOW", link.target, link.port)]]) as kafka:
            yield kafka, link


def watch(to: Deployment, done: Callable[[Held], bool], seconds: float, brokers: str) -> Held:
    """Run a worker until it is `done`, or for so long."""
    held = Held()
    with Worker({**to.environ, "OFFBEAT_BROKERS": brokers}) as worker:
        worker.wait_ready(120)
        before = memory(worker)
        deadline = time.monotonic() + seconds
        while not done(held) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
            held.look(worker, before)
    return held


def filled(kafka: ApacheKafka, events: int, *, silent: bool) -> tuple[Deployment, int]:
    """Topics with the standard load, or with its part in `carts` alone; and how many events there are."""
    to = deploy(kafka, clock="event" if silent else "wall")
    rows = standard_load(events, round(time.time() * 1000))
    return to, produce(to.settings, (row for row in rows if not silent or row[0] == CARTS)).events


@click.command()
@click.option("--events", type=click.IntRange(1000), default=1_000_000, show_default=True)
@click.option(
    "--delay", type=float, default=0.1, show_default=True, help="Seconds by which packets of slow brokers are late."
)
@click.option("--seconds", type=float, default=120.0, show_default=True, help="How long a case is watched at the most.")
def backlog(events: int, delay: float, seconds: float) -> None:
    """Show what a worker holds at the most with so many events before it."""
    where = machine()
    try:
        with broker_and_link() as (kafka, link):
            click.echo(", ".join(f"{name} {value}" for name, value in where.items()))
            to, count = filled(kafka, events, silent=False)
            click.echo(f"fast brokers: {watch(to, lambda held: held.taken >= count, seconds, kafka.address)}")
            to, count = filled(kafka, events, silent=False)
            link.delay(delay)
            slow = watch(to, lambda held: held.taken >= count, seconds, f"127.0.0.1:{link.port}")
            click.echo(f"slow brokers: {slow}")
            link.heal()
            to, _ = filled(kafka, events, silent=True)
            silent = watch(to, lambda _held: False, min(seconds, 20.0), kafka.address)
            click.echo(f"a silent source: {silent}")
    except BrokerStartError as error:
        click.echo(f"backlog: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    backlog()
