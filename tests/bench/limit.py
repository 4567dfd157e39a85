"""The client's limit: how fast aiokafka and msgspec bring events into Python, with nothing done to them.

`python -m tests.bench.limit BROKERS EVENTS TOPIC...` reads the topics from their beginning with `getmany`, decodes
every value into a plain object, and prints one JSON object. Timed from the first request to the last event.
"""

import asyncio
import sys
import time
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer

from streams.app import POLL_RECORDS
from streams.group.consumerthread import FETCH_BYTES


class Plain(msgspec.Struct):
    """Any event of the standard load, unchecked."""

    type: str
    event_id: str
    customer_id: str
    occurred_at: int
    product_id: str | None = None
    quantity: int = 1
    price: float = 0.0
    category: str | None = None
    order_id: str | None = None
    total: float = 0.0
    currency: str | None = None
    items: list[Any] | None = None


async def read_all(brokers: str, events: int, topics: list[str]) -> dict[str, float]:
    """Read and decode `events` events; seconds, CPU seconds of this process, and their number."""
    consumer = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=brokers,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    await consumer.start()
    try:
        decode = msgspec.json.Decoder(Plain).decode
        done, began, spent = 0, time.perf_counter(), time.process_time()
        while done < events:
            for records in (await consumer.getmany(timeout_ms=200, max_records=POLL_RECORDS)).values():
                for record in records:
                    decode(record.value)
                done += len(records)
        return {
            "events": done,
            "seconds": time.perf_counter() - began,
            "cpu_seconds": time.process_time() - spent,
        }
    finally:
        await consumer.stop()


if __name__ == "__main__":
    found = asyncio.run(read_all(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
