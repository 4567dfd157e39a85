"""What a batch costs by itself, however few events it holds: `python -m tests.bench.transactions`.

Writers of many partition numbers in one process, each with one transaction after the other, as a live worker with
little to do has them: one state, one trigger, the offsets. CPU time is told beside the rate, which is that of a client
and a broker that share the machine.
"""

import asyncio
import logging
import sys
import time
from dataclasses import dataclass

import click

from streams.brokers.embedded import BrokerStartError
from streams.brokers.topics import create
from streams.delivery.ports import Row
from streams.delivery.writer import make_writer
from streams.settings import Settings
from tests.bench.process import use_of
from tests.bench.report import machine
from tests.support.brokers import ApacheKafka

_WARM = 20
"""Transactions of each before measuring: a broker that has just started is slow."""
_STATE: list[Row] = [(b"c00000000", b"s" * 350, [])]
_TRIGGER: list[Row] = [(b"c00000000", b"t" * 790, [])]


@dataclass(frozen=True, slots=True)
class Found:
    """Of all writers together."""

    transactions: int
    seconds: float
    client_cpu: float
    broker_cpu: float
    """CPU seconds of this process, and of the broker's."""


async def _keep_writing(settings: Settings, number: int, warm: asyncio.Barrier, seconds: float) -> int:
    """One transaction after the other for so many seconds; how many."""
    writer = make_writer(settings, number, dict.fromkeys(settings.outputs, settings.partitions))
    outputs = {settings.topic("triggers_cart"): _TRIGGER}
    await writer.open()
    for offset in range(_WARM):
        await writer.write(_STATE, outputs, dict.fromkeys(settings.sources, offset))
    await warm.wait()
    loop, done = asyncio.get_running_loop(), 0
    began = loop.time()
    while loop.time() - began < seconds:
        done += 1
        await writer.write(_STATE, outputs, dict.fromkeys(settings.sources, done))
    await writer.close()
    return done


async def _all(settings: Settings, broker: int, seconds: float) -> Found:
    warm = asyncio.Barrier(settings.partitions + 1)
    writers = [
        asyncio.create_task(_keep_writing(settings, number, warm, seconds)) for number in range(settings.partitions)
    ]
    await warm.wait()
    began, client_before, broker_before = time.perf_counter(), time.process_time(), use_of(broker).cpu_seconds
    done = await asyncio.gather(*writers)
    return Found(
        sum(done),
        time.perf_counter() - began,
        time.process_time() - client_before,
        use_of(broker).cpu_seconds - broker_before,
    )


def measure(numbers: int, seconds: float) -> Found:
    """Raises BrokerStartError."""
    with ApacheKafka() as broker:
        settings = Settings(brokers=broker.address, partitions=numbers)
        create(settings)
        if broker.pid is None:
            raise BrokerStartError("the broker has ended")
        return asyncio.run(_all(settings, broker.pid, seconds))


@click.command()
@click.option("--numbers", type=click.IntRange(1, 1_000), default=8, show_default=True, help="Partition numbers.")
@click.option("--seconds", type=click.FloatRange(1.0), default=10.0, show_default=True)
def transactions(numbers: int, seconds: float) -> None:
    """Measure transactions of one state and one trigger, on Apache Kafka with one broker."""
    for name in ("kafka", "aiokafka"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    where = machine()
    try:
        found = measure(numbers, seconds)
    except BrokerStartError as error:
        click.echo(f"transactions: {error}", err=True)
        sys.exit(1)
    count = found.transactions
    click.echo(", ".join(f"{name} {value}" for name, value in where.items()))
    click.echo(f"{numbers} partition numbers, each with one transaction after the other")
    click.echo(
        f"{count / found.seconds:,.0f} transactions/s; one takes {numbers * found.seconds / count * 1000:.1f} ms"
    )
    click.echo(f"{found.client_cpu / count * 1000:.2f} CPU ms of the client for one")
    click.echo(f"{found.broker_cpu / count * 1000:.2f} CPU ms of the broker for one")


if __name__ == "__main__":
    transactions()
