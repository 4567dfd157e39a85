"""What customers cost: `python -m tests.bench.memory`.

For each number of customers, on Apache Kafka, exactly once: how soon workers are ready from the changelog, how much
memory they take and for what, and how fast they are then. The states are those of `customers.py`.
"""

import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from agents.agenda import plan_fingerprint
from agents.rulebook.rules import Rules
from streams.brokers.embedded import BrokerStartError
from streams.brokers.topics import create
from streams.settings import Settings
from tables.parameters import BUILTIN
from tests.bench.crew import Crew, Start, rate_between
from tests.bench.customers import DISTINCT, everybody, packed_states
from tests.bench.load import produce, standard_load
from tests.bench.parts import Parts, parts_of
from tests.bench.plot import Panel, svg
from tests.bench.report import machine
from tests.bench.stored import write
from tests.bench.worker import BenchError
from tests.support.brokers import ApacheKafka

SIZES = (10_000, 100_000, 200_000, 1_000_000, 10_000_000)
_GIB = 1 << 30
_APART_MS = 1
"""Between two events of the load, in event time: in all it is a quarter of an hour."""
_PATIENCE = 900.0
_WITHOUT_ENDS = 0.1, 0.9
"""Throughput is taken between these shares of the load."""
_BROKER = {
    # as brokers have it, so that workers who start together share at once
    "group.initial.rebalance.delay.ms": "3000",
    # every key is there once: looking for others would only take time from what is measured
    "log.cleaner.enable": "false",
}


class Size(Struct):
    """What so many customers cost."""

    customers: int
    workers: int
    write_seconds: float
    """For filling the changelog."""
    empty: Start
    """The same workers without a customer."""
    start: Start
    events: int
    rate: float
    """Events per second of the standard load over these customers."""
    peak_bytes: int
    """Of resident memory, at the end of the load."""
    parts: Parts

    @property
    def bytes_each(self) -> float:
        """Resident memory per customer when ready, above that of workers without any."""
        return (self.start.rss_bytes - self.empty.rss_bytes) / self.customers


class Costs(Struct):
    machine: dict[str, str]
    sizes: list[Size]


def measure(customers: int, workers: int, events: int, packed: Sequence[bytes]) -> Size:
    """On a broker of its own. Raises BenchError, BrokerStartError."""
    with ApacheKafka(properties=_BROKER, heap="1g") as broker:
        settings = Settings(brokers=broker.address, session_timeout=10_000)
        empty = replace(settings, group="empty", topics=replace(settings.topics, changelog="empty"))
        create(settings)
        create(empty)
        with Crew(empty, workers, _PATIENCE) as crew:
            without = crew.begun(0)
        began = time.perf_counter()
        write(settings, everybody(packed, customers))
        written = time.perf_counter() - began
        _say(f"{customers:,} customers: the changelog was written in {written:.0f} s")
        with Crew(settings, workers, _PATIENCE) as crew:
            start = crew.begun(customers)
        _say(f"{customers:,} customers: ready after {start.seconds:.1f} s")
        produce(settings, standard_load(events, round(1000 * time.time()), customers=customers, apart=_APART_MS))
        with Crew(settings, workers, _PATIENCE) as crew:
            low, high = (share * events for share in _WITHOUT_ENDS)
            rate = rate_between(crew.watch(events), low, high)
            peak = crew.begun(customers).peak_bytes
    parts = parts_of(packed, max(1, customers // settings.partitions), plan_fingerprint(Rules(), BUILTIN))
    return Size(customers, workers, written, without, start, events, rate, peak, parts)


def lines_of(costs: Costs) -> list[str]:
    """A table in plain text, and what the memory of a customer goes to."""
    lines = [
        ", ".join(f"{name} {value}" for name, value in costs.machine.items()),
        f"{'customers':>12} {'ready s':>8} {'CPU s':>7} {'GiB':>7} {'bytes each':>10} {'peak GiB':>8} {'events/s':>9}",
    ]
    return [*lines, *map(_row, costs.sizes), "", *_parts(costs.sizes[-1])]


def _row(size: Size) -> str:
    start = size.start
    return (
        f"{size.customers:>12,} {start.seconds:>8.1f} {start.cpu_seconds:>7.1f} {start.rss_bytes / _GIB:>7.2f} "
        f"{size.bytes_each:>10,.0f} {size.peak_bytes / _GIB:>8.2f} {size.rate:>9,.0f}"
    )


def _parts(size: Size) -> list[str]:
    parts = size.parts
    rows = {
        "packed state": parts.packed,
        **{f"  {name}": share for name, share in parts.sections.items() if share > 1},
        "its object": parts.value - parts.packed,
        "the id": parts.key,
        "the dictionary": parts.table,
        "timers": parts.timers,
        "the rest: allocator, buffers": size.bytes_each - parts.total,
    }
    told = [f"bytes per customer, of {size.bytes_each:,.0f} with {size.customers:,} customers"]
    return told + [f"  {name:<30}{value:>8,.0f}" for name, value in rows.items()]


def picture(costs: Costs) -> str:
    """The costs against the number of customers, as an SVG."""
    sizes = costs.sizes
    return svg(
        [
            Panel("Resident memory per customer, bytes", [(size.customers, size.bytes_each) for size in sizes]),
            Panel("Seconds from the start to being ready", [(size.customers, size.start.seconds) for size in sizes]),
            Panel("Events per second", [(size.customers, size.rate) for size in sizes]),
        ]
    )


def _say(text: str) -> None:
    click.echo(f"  {text}", err=True)


@click.command()
@click.option("--customers", type=click.IntRange(1_000), multiple=True, default=SIZES, show_default=True)
@click.option("--workers", type=click.IntRange(1, 4), default=1, show_default=True)
@click.option("--events", type=click.IntRange(1_000), default=1_000_000, show_default=True, help="Size of the load.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here, too.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw them here, as an SVG.")
def memory(customers: tuple[int, ...], workers: int, events: int, file: Path | None, plot: Path | None) -> None:
    """Measure what customers cost: memory, time to start, throughput."""
    for name in ("kafka", "aiokafka"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    costs = Costs(machine(), [])
    packed = packed_states(DISTINCT, round(1000 * time.time()))
    try:
        for count in sorted(customers):
            costs.sizes.append(measure(count, workers, events, packed))
    except (BenchError, BrokerStartError) as error:
        click.echo(f"memory: {error}", err=True)
        sys.exit(1)
    click.echo("\n".join(lines_of(costs)))
    if file is not None:
        file.write_bytes(msgspec.json.format(msgspec.json.encode(costs)) + b"\n")
    if plot is not None:
        plot.write_text(picture(costs))


if __name__ == "__main__":
    memory()
