"""The standard load: contract events of a busy shop, and putting them into the source topics.

50 % cart.item_added, 30 % order.completed with 1 to 4 items, 20 % product.viewed; customers are drawn so
that few are busy and many are not. The same seed gives the same events; only their times depend on when the load ends.
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any
from zlib import crc32

import msgspec
from aiokafka import AIOKafkaProducer

from streams.settings import Settings
from tables.events import CARTS, PURCHASES

CUSTOMERS = 200_000
APART_MS = 5
SEED = 1
_BATCH_BYTES = 256 << 10
_IN_FLIGHT = 32

Row = tuple[str, bytes, bytes]
"""Source, key, value."""


@dataclass(slots=True)
class Sent:
    """What lies in the topics."""

    events: int = 0
    bytes: int = 0
    """Of the values alone."""


def standard_load(
    count: int, end: int, *, customers: int = CUSTOMERS, seed: int = SEED, apart: float = APART_MS
) -> Iterator[Row]:
    """`count` events in the order of their times, `apart` ms between two, the last of them at `end` (epoch ms).

    Event number i, from 0 on, has the id `e%09d`, and the order in it `o%09d`.
    """
    random = Random(seed)
    draw, within = random.random, random.randrange
    encode = msgspec.json.Encoder().encode
    began = end - (count - 1) * apart
    for i in range(count):
        customer = customer_id(int(customers * draw() ** 1.5))
        kind = draw()
        event: dict[str, Any] = {
            "type": "",
            "event_id": f"e{i:09d}",
            "customer_id": customer,
            "occurred_at": round(began + i * apart),
        }
        if kind < 0.5:
            event |= _product(within, i) | {"quantity": 1, "price": round(draw() * 80, 2)}
            source, event["type"] = CARTS, "cart.item_added"
        elif kind < 0.8:
            items = [
                _product(within, i) | {"quantity": 1 + i % 3, "price": round(draw() * 80, 2)} for _ in range(1 + i % 4)
            ]
            total = round(sum(item["quantity"] * item["price"] for item in items), 2)
            event |= {"order_id": f"o{i:09d}", "total": total, "currency": "EUR", "items": items}
            source, event["type"] = PURCHASES, "order.completed"
        else:
            event |= _product(within, i)
            source, event["type"] = CARTS, "product.viewed"
        yield source, customer.encode(), encode(event)


def customer_id(number: int) -> str:
    """The customer of this number, from 0 on; the lower, the busier."""
    return f"c{number:08d}"


def _product(within: Any, i: int) -> dict[str, Any]:
    return {"product_id": f"p{within(9999):05d}", "category": f"c{i % 30}"}


def partition_of(key: bytes, partitions: int) -> int:
    """As librdkafka spreads keys unless told otherwise."""
    return crc32(key) % partitions


def produce(settings: Settings, rows: Iterable[Row]) -> Sent:
    """Put the rows into the settings' source topics. Raises KafkaError."""
    return asyncio.run(_produce(settings, rows))


async def _produce(settings: Settings, rows: Iterable[Row]) -> Sent:
    # idempotence would be refused by the embedded broker
    producer = AIOKafkaProducer(
        **settings.client_options(), acks=1, max_batch_size=_BATCH_BYTES, max_request_size=4 << 20
    )
    await producer.start()
    try:
        return await _send(producer, settings, rows)
    finally:
        await producer.stop()


async def _send(producer: Any, settings: Settings, rows: Iterable[Row]) -> Sent:
    sent = Sent()
    waiting: list[Any] = []
    open_batches: dict[tuple[str, int], Any] = {}

    async def close(place: tuple[str, int]) -> None:
        batch = open_batches.pop(place)
        batch.close()
        waiting.append(await producer.send_batch(batch, settings.topic(place[0]), partition=place[1]))
        if len(waiting) > _IN_FLIGHT:
            await waiting.pop(0)

    for source, key, value in rows:
        place = source, partition_of(key, settings.partitions)
        batch = open_batches.get(place)
        if batch is None or batch.append(key=key, value=value, timestamp=None) is None:
            if batch is not None:
                await close(place)
            batch = open_batches[place] = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None)
        sent.events += 1
        sent.bytes += len(value)
    for place in list(open_batches):
        await close(place)
    await asyncio.gather(*waiting)
    return sent
