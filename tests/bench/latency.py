"""How soon a trigger is there: `python -m tests.bench.latency`.

Apache Kafka, exactly once, a worker, and a subscriber that reads what is committed. Three parts: `events`, a shop in
real time; `timers`, many armed, of which some fall due in one second, with nothing else to do; `load`, the same while
the worker works off a backlog at full speed.
"""

import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from streams.brokers.embedded import BrokerStartError
from streams.brokers.topics import create
from streams.settings import Settings
from tests.bench.customers import DISTINCT, packed_states
from tests.bench.falling import Fall, Fallen
from tests.bench.falling import measure as measure_fall
from tests.bench.realtime import Realtime, Shop
from tests.bench.realtime import measure as measure_shop
from tests.bench.report import machine
from tests.bench.worker import BenchError, built
from tests.support.brokers import ApacheKafka

PARTS = ("events", "timers", "load")


class Figures(Struct):
    """What was measured; None: that part was not."""

    machine: dict[str, str]
    events: Realtime | None = None
    timers: Fallen | None = None
    load: Fallen | None = None


def lines_of(figures: Figures) -> list[str]:
    """In plain text."""
    lines = [", ".join(f"{name} {value}" for name, value in figures.machine.items())]
    if (found := figures.events) is not None:
        lines += [
            f"event to trigger, {found.shop.rate:,.0f} events/s for {found.shop.seconds:,.0f} s",
            f"  {found.triggers}",
            f"  of it: sent late {found.fed.late}",
            f"  the broker's answer to the feeder after {found.fed.acknowledged}",
            f"  CPU of the worker: {found.worker_cpu:.0%} of a processor",
        ]
    for fallen in (figures.timers, figures.load):
        if fallen is not None:
            fall = fallen.fall
            lines += [
                f"due time to trigger, {fall.due:,} of {fall.armed:,} timers due in one second",
                f"  {fallen.triggers}",
                f"  events taken meanwhile: {fallen.meanwhile:,.0f}/s",
            ]
    return lines


def _say(text: str) -> None:
    click.echo(f"  {text}", err=True)


def measure(parts: Sequence[str], shop: Shop, idle: Fall, busy: Fall) -> Figures:
    """Each part on a broker of its own. Raises BenchError, BrokerStartError."""
    figures = Figures(machine() | {"worker": built()})
    packed = packed_states(DISTINCT, round(time.time() * 1000))
    for part in parts:
        _say(f"{part}: preparing")
        with ApacheKafka() as broker:
            settings = Settings(brokers=broker.address, session_timeout=10_000)
            create(settings)
            if part == "events":
                figures.events = measure_shop(settings, shop, packed, _say)
            elif part == "timers":
                figures.timers = measure_fall(settings, idle, packed, _say)
            else:
                figures.load = measure_fall(settings, busy, packed, _say)
    return figures


@click.command()
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, default=PARTS, show_default=True)
@click.option("--rate", type=click.FloatRange(1), default=5_000, show_default=True, help="Events per second.")
@click.option("--seconds", type=click.FloatRange(1), default=60, show_default=True, help="For how long.")
@click.option("--every", type=click.IntRange(1), default=50, show_default=True, help="Every so many events one fires.")
@click.option("--warm-up", type=click.FloatRange(0), default=5, show_default=True, help="Seconds not counted.")
@click.option("--timers", type=click.IntRange(2), default=1_000_000, show_default=True, help="Armed in all.")
@click.option("--due", type=click.IntRange(1), default=10_000, show_default=True, help="Of these, due in one second.")
@click.option("--lead", type=click.FloatRange(2), default=15, show_default=True, help="Seconds it has to start.")
@click.option("--backlog", type=click.IntRange(1), default=2_500_000, show_default=True, help="Events, under `load`.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here, too.")
def latency(
    parts: tuple[str, ...],
    rate: float,
    seconds: float,
    every: int,
    warm_up: float,
    timers: int,
    due: int,
    lead: float,
    backlog: int,
    file: Path | None,
) -> None:
    """Measure how soon a trigger is there after its event, or after its timer was due."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    if due > timers:
        raise click.UsageError("--due: more than --timers are armed")
    if seconds <= warm_up:
        raise click.UsageError("--warm-up: nothing would be counted; it must be shorter than --seconds")
    try:
        figures = measure(
            parts, Shop(rate, seconds, every, warm_up), Fall(timers, due, lead), Fall(timers, due, lead, backlog)
        )
    except (BenchError, BrokerStartError) as error:
        click.echo(f"latency: {error}", err=True)
        sys.exit(1)
    click.echo("\n".join(lines_of(figures)))
    if file is not None:
        file.write_bytes(msgspec.json.format(msgspec.json.encode(figures)) + b"\n")


if __name__ == "__main__":
    latency()
