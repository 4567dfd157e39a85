"""A worker with far more before it than it can take: what it holds in memory stays within its bounds."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.app import POLL_RECORDS
from streams.brokers.embedded import EmbeddedBroker
from streams.delivery.partition import BACKLOG, BACKLOG_BYTES
from streams.group.consumerthread import FETCH_BYTES
from tests.support.topics_io import Send, now, produce
from tests.support.workers import Deployment, Worker, deploy

LARGE = 2_000
"""Bytes of an event of which no rule looks at more than a few."""
MIB = 1 << 20


def events(to: Deployment, count: int, size: int) -> Iterator[Send]:
    """Looks at products by a thousand customers, a millisecond apart, in a partition."""
    padding = "x" * size
    begin = now() - count
    for number in range(count):
        customer = f"c{number % 1000}"
        yield Send(
            to.topic("carts"),
            customer.encode(),
            b'{"type":"product.viewed","event_id":"e%d","customer_id":"%s","product_id":"p","occurred_at":%d,"more":"%s"}'
            % (number, customer.encode(), begin + number, padding.encode()),
            0,
        )


def memory(worker: Worker) -> int:
    """Resident memory in bytes."""
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def grown(worker: Worker, before: int, seconds: float) -> int:
    """By how much the worker's memory was above `before` at the most, in so many seconds."""
    most = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        most = max(most, memory(worker) - before)
        time.sleep(0.05)
    return most


class StalledWorker(Worker):
    """Its brokers never acknowledge a batch; all else is real."""

    program = (
        "-c",
        """if True:
        import asyncio, sys
        from streams.delivery.writer import AcknowledgedWriter
        real = AcknowledgedWriter.write
        async def write(self, states, outputs, offsets):
            if not offsets:
                return await real(self, states, outputs, offsets)
            print("stalled", file=sys.stderr, flush=True)
            await asyncio.sleep(3600)
        AcknowledgedWriter.write = write
        from streams.__main__ import main
        main()
        """,
    )


def test_brokers_that_do_not_acknowledge(embedded_broker: EmbeddedBroker) -> None:
    """120 MB lie in the topic. One batch is being written, one fetch waits, and no more is asked for."""
    to = deploy(embedded_broker, partitions="1")
    with StalledWorker(to.environ) as worker:
        worker.wait_ready()
        before = memory(worker)
        produce(embedded_broker, events(to, 60_000, LARGE))
        worker.wait_told("stalled")
        assert grown(worker, before, 3.0) < 60 * MIB
        assert worker.metric("offbeat_events_total") == 0
        assert worker.errors.count("stalled") == 1


@pytest.mark.parametrize(("count", "size"), [(60_000, 0), (40_000, LARGE)])
def test_one_source_is_far_behind_another_that_says_nothing(
    embedded_broker: EmbeddedBroker, count: int, size: int
) -> None:
    """In event time nothing may be taken before the silent ones have got there: the rest stays with the brokers."""
    to = deploy(embedded_broker, clock="event", partitions="1")
    with Worker(to.environ) as worker:
        worker.wait_ready()
        before = memory(worker)
        produce(embedded_broker, events(to, count, size))
        worker.wait_until(
            lambda: (
                worker.metric("offbeat_waiting_records") > BACKLOG
                or worker.metric("offbeat_waiting_bytes") > BACKLOG_BYTES
            )
        )
        assert grown(worker, before, 2.0) < 60 * MIB
        assert worker.metric("offbeat_waiting_records") <= BACKLOG + POLL_RECORDS
        assert worker.metric("offbeat_waiting_bytes") <= BACKLOG_BYTES + max(FETCH_BYTES, POLL_RECORDS * (size + 200))
        assert worker.metric("offbeat_events_total") == 0
        worker.wait_metric("offbeat_lag_records", 0.99 * count)  # this broker tells the end of its last batch but one
        mark = json.dumps({"type": "time.mark", "occurred_at": now()}).encode()
        produce(embedded_broker, [Send(to.topic(topic), None, mark, 0) for topic in ("purchases", "customers")])
        worker.wait_metric("offbeat_events_total", count, 60)
        worker.wait_until(lambda: worker.metric("offbeat_lag_records") == 0)
        assert worker.metric("offbeat_waiting_records") == worker.metric("offbeat_waiting_bytes") == 0
        assert worker.metric("offbeat_customers") == 1_000
        assert grown(worker, before, 0.1) < 80 * MIB
