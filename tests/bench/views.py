"""What views cost the worker: `python -m tests.bench.views --events 500000`.

The same load with no Redis, with one that takes views, and with one that takes connections and never answers.
"""

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

import click

from streams.brokers.embedded import BrokerStartError, EmbeddedBroker
from tests.bench.load import produce, standard_load
from tests.bench.process import use_of
from tests.bench.report import machine
from tests.support.brokers import ApacheKafka
from tests.support.redis_server import RedisServer
from tests.support.topics_io import Broker
from tests.support.workers import Worker, deploy

_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Found:
    """Of one worker; `views_at` counts from the last event."""

    rate: float
    cpu_seconds: float
    """Up to the last event."""
    during: float
    """Views of customers written up to then."""
    views: float
    views_at: float

    def __str__(self) -> str:
        return (
            f"{self.rate:,.0f} events/s, {self.cpu_seconds:.1f} CPU s; {self.during:,.0f} views written meanwhile, "
            f"all {self.views:,.0f} after {self.views_at:.1f} s more"
        )


@contextmanager
def hanging() -> Iterator[str]:
    """The URL of a place that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def measure(broker: Broker, redis: str, events: int) -> Found:
    """A worker over so many events."""
    to = deploy(broker, redis=redis, partitions="4")
    produce(to.settings, standard_load(events, round(time.time() * 1000)))
    with Worker(to.environ) as worker:
        worker.wait_ready(120)
        began, used = time.monotonic(), use_of(worker.process.pid).cpu_seconds
        while worker.metric("offbeat_events_total") < events:
            time.sleep(_LOOK_SECONDS)
        ended, spent = time.monotonic(), use_of(worker.process.pid).cpu_seconds - used
        during = worker.metric("offbeat_views_written_total", kind="customer")
        if during:
            while worker.metric("offbeat_views_waiting") or worker.metric("offbeat_views_renewing"):
                time.sleep(_LOOK_SECONDS)
        views = worker.metric("offbeat_views_written_total", kind="customer")
        return Found(events / (ended - began), spent, during, views, time.monotonic() - ended)


@click.command()
@click.option("--events", type=click.IntRange(1000), default=500_000, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=2, show_default=True)
@click.option("--broker", type=click.Choice(["embedded", "kafka"]), default="kafka", show_default=True)
def views(events: int, rounds: int, broker: str) -> None:
    """Measure a worker without Redis, with it, and with one that hangs."""
    click.echo(", ".join(f"{name} {value}" for name, value in machine().items()))
    try:
        with ExitStack() as stack:
            there: AbstractContextManager[Broker] = EmbeddedBroker() if broker == "embedded" else ApacheKafka()
            brokers = stack.enter_context(there)
            places = {
                "no Redis": "",
                "Redis": stack.enter_context(RedisServer()).url,
                "Redis hangs": stack.enter_context(hanging()),
            }
            for _ in range(rounds):
                for name, url in places.items():
                    click.echo(f"{name}: {measure(brokers, url, events)}")
    except BrokerStartError as error:
        click.echo(f"views: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    views()
