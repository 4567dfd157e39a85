"""The parser's own records: only for who asks for them, and with all that the worker reads of a record."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from streams.brokers.embedded import EmbeddedBroker
from streams.delivery.records import as_parsed

TOPIC = "records-as-parsed"
SENT: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]] = [
    (b"a", b"1", []),
    (None, b"", [("x", b"\x00"), ("x", b"2")]),
    (b"b", None, []),
    *((b"c", b"%d" % number, []) for number in range(50)),
]


async def _send(address: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=address)
    await producer.start()
    for key, value, headers in SENT:
        await producer.send_and_wait(TOPIC, value, key=key, partition=0, headers=headers)
    await producer.stop()


async def _read(address: str, most: int, **options: Any) -> list[Any]:
    """All records, `most` at a time: a fetch is handed out in several pieces."""
    consumer = AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest", **options)
    await consumer.start()
    consumer.assign([TopicPartition(TOPIC, 0)])
    found: list[Any] = []
    try:
        async with asyncio.timeout(20):
            while len(found) < len(SENT):
                for records in (await consumer.getmany(timeout_ms=200, max_records=most)).values():
                    found += records
        assert await consumer.position(TopicPartition(TOPIC, 0)) == len(SENT)
    finally:
        await consumer.stop()
    return found


def test_they_hold_what_was_sent_and_other_consumers_get_whole_records(embedded_broker: EmbeddedBroker) -> None:
    address = embedded_broker.address
    asyncio.run(_send(address))
    whole = asyncio.run(_read(address, 7))
    assert all(isinstance(record, ConsumerRecord) and record.topic == TOPIC for record in whole)
    for most in (7, 1000):
        parsed = asyncio.run(_read(address, most, value_deserializer=as_parsed))
        assert not any(isinstance(record, ConsumerRecord) for record in parsed)
        assert [(r.key, r.value, list(r.headers)) for r in parsed] == SENT
        assert [(r.offset, r.timestamp) for r in parsed] == [(r.offset, r.timestamp) for r in whole]
