"""The standard load in real time, sent by a process of its own.

`python -m tests.bench.feeder BROKERS START RATE EVENTS EVERY` prints one JSON object. Each event has an instant of its
own, from START (Unix time) on, at which it occurs and is to be sent, whatever became of those before it: a feeder that
falls behind catches up, and what it was late by is part of every delay that is counted from that instant. Every EVERYth
event is an order that makes `basket.shrunk` fire at once.
"""

import sys
import time
from array import array
from collections.abc import Iterator
from typing import Any

import msgspec
from confluent_kafka import KafkaError, Producer
from msgspec import Struct

from streams.settings import Settings
from tables.events import PURCHASES
from tests.bench.load import Row, partition_of, standard_load
from tests.bench.quantiles import Delays, delays_of
from tests.bench.staged import regular_id

LINGER_MS = 1
SMALL = 4.5
"""Of those who place it, the usual order is ten times as large (tests.bench.staged)."""
_TURN = 0.001
"""Seconds that it sleeps when nothing is to be sent yet: so late may an event be."""


class Fed(Struct):
    """What was sent."""

    events: int
    late: Delays
    """From the instant of an event to its being handed to the client."""
    acknowledged: Delays
    """From then to the broker's answer."""


def live_load(events: int, start: float, rate: float, every: int) -> Iterator[Row]:
    """The standard load from `start` on; each `every`th event is the small order of the next of the regulars."""
    end = round(start * 1000 + (events - 1) * 1000 / rate)
    encode = msgspec.json.Encoder().encode
    for number, row in enumerate(standard_load(events, end, apart=1000 / rate)):
        if (number + 1) % every:
            yield row
            continue
        customer = regular_id(number // every)
        event = {
            "type": "order.completed",
            "event_id": f"e{number:09d}",
            "customer_id": customer,
            "occurred_at": round(start * 1000 + number * 1000 / rate),
            "order_id": f"o{number:09d}",
            "total": SMALL,
            "currency": "EUR",
            "items": [{"product_id": "p00001", "quantity": 1}],
        }
        yield PURCHASES, customer.encode(), encode(event)


class _Feeder:
    """Sends rows when their time has come."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer = Producer(
            {
                "bootstrap.servers": settings.brokers,
                "enable.idempotence": True,
                "linger.ms": LINGER_MS,
                "queue.buffering.max.messages": 1_000_000,
                "allow.auto.create.topics": False,
            }
        )
        self._late, self._acknowledged = array("d"), array("d")
        self._failed: KafkaError | None = None

    def run(self, rows: Iterator[Row], start: float, rate: float) -> Fed:
        producer, settings = self._producer, self._settings
        producer.list_topics(timeout=20)  # connected before the first is due
        for number, (source, key, value) in enumerate(rows):
            due = start + number / rate
            while (now := time.time()) < due:
                producer.poll(0)
                time.sleep(_TURN)
            self._late.append(1000 * (now - due))
            producer.produce(
                settings.topic(source),
                key=key,
                value=value,
                partition=partition_of(key, settings.partitions),
                on_delivery=self._delivered,
            )
        left = producer.flush(60)
        if left or self._failed is not None:
            raise RuntimeError(f"{left} events were not acknowledged; {self._failed}")
        return Fed(len(self._late), delays_of(self._late), delays_of(self._acknowledged))

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._failed = error
        else:
            self._acknowledged.append(1000 * message.latency())


def main(brokers: str, start: float, rate: float, events: int, every: int) -> None:
    rows = live_load(events, start, rate, every)
    fed = _Feeder(Settings(brokers=brokers)).run(rows, start, rate)
    sys.stdout.write(msgspec.json.encode(fed).decode() + "\n")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
