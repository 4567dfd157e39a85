"""Lines to replay, where they should go, and what a broker has of them."""

import json
import time
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.partitioner import murmur2

from streams.logs import LogLine
from streams.settings import Settings
from tables.events import SOURCES

T0 = 1_700_000_000_000
Record = tuple[bytes | None, bytes]
"""Key, value."""


def view(customer: str, at: int, effective: int | None = None, source: str = "carts") -> LogLine:
    """A line of a log: a view, or the shortest event of another source."""
    value = {"type": "product.viewed", "event_id": f"e{at}", "customer_id": customer, "occurred_at": at}
    if source == "purchases":
        value |= {"type": "order.cancelled", "order_id": "o"}
    elif source == "customers":
        value |= {"type": "customer.erased"}
    else:
        value |= {"product_id": "p"}
    return LogLine(source, customer.encode(), json.dumps(value).encode(), at, at if effective is None else effective)


def place(key: bytes, partitions: int) -> int:
    """The partition that the clients of other projects choose for this key."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


def read_back(shop: Settings, count: int) -> dict[tuple[str, int], list[Any]]:
    """The records of the source topics by (source, partition), with a client that is not ours: `count`, and no more."""
    places = [TopicPartition(shop.topic(source), n) for source in SOURCES for n in range(shop.partitions)]
    names = {shop.topic(source): source for source in SOURCES}
    records: dict[tuple[str, int], list[Any]] = {(names[p.topic], p.partition): [] for p in places}
    consumer = KafkaConsumer(bootstrap_servers=shop.brokers)
    deadline = time.monotonic() + 30
    try:
        consumer.assign(places)
        consumer.seek_to_beginning()
        while (missing := count - sum(map(len, records.values()))) > 0 and time.monotonic() < deadline:
            for place_, got in consumer.poll(timeout_ms=1000).items():
                records[names[place_.topic], place_.partition] += got
        surplus = consumer.poll(timeout_ms=200)
        assert (missing, surplus) == (0, {})
        return records
    finally:
        consumer.close()
