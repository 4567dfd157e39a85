"""The parser's own records: only for who asks for them, and with all that the worker reads of a record."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from streams.brokers.embedded import EmbeddedBroker
from streams.delivery.records import as_parsed
from tests.support.brokers import ApacheKafka
from tests.support.topics import make_topics

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


async def _read(address: str, topic: str, start: int, most: int | None, **options: Any) -> list[Any]:
    """All records from an offset on, `most` at a time: then a fetch is handed out in several pieces."""
    place = TopicPartition(topic, 0)
    found: list[Any] = []
    async with AIOKafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, **options) as consumer:
        consumer.assign([place])
        consumer.seek(place, start)
        end = (await consumer.end_offsets([place]))[place]
        async with asyncio.timeout(20):
            while await consumer.position(place) < end:
                records = (await consumer.getmany(timeout_ms=200, max_records=most)).get(place, [])
                assert most is None or len(records) <= most
                found += records
                if records:
                    assert await consumer.position(place) > records[-1].offset
    return found


def test_they_hold_what_was_sent_and_other_consumers_get_whole_records(embedded_broker: EmbeddedBroker) -> None:
    address = embedded_broker.address
    asyncio.run(_send(address))
    whole = asyncio.run(_read(address, TOPIC, 0, 7))
    assert len(whole) == len(SENT)
    assert all(isinstance(record, ConsumerRecord) and record.topic == TOPIC for record in whole)
    for most in (7, 1000):
        parsed = asyncio.run(_read(address, TOPIC, 0, most, value_deserializer=as_parsed))
        assert not any(isinstance(record, ConsumerRecord) for record in parsed)
        assert [(r.key, r.value, list(r.headers)) for r in parsed] == SENT
        assert [(r.offset, r.timestamp) for r in parsed] == [(r.offset, r.timestamp) for r in whole]


async def _transact(address: str, topic: str) -> None:
    """Three transactions, of which the second is aborted, in batches with others between them."""
    plain = AIOKafkaProducer(bootstrap_servers=address)
    in_turns = AIOKafkaProducer(bootstrap_servers=address, transactional_id=topic)
    async with plain, in_turns:
        for turn in ("first", "second", "third"):
            await in_turns.begin_transaction()
            for part in (1, 2):
                sent = [await in_turns.send(topic, f"{turn}, {part}, {n}".encode(), partition=0) for n in range(5)]
                await asyncio.gather(*sent)
                await plain.send_and_wait(topic, f"beside the {turn}, {part}".encode(), partition=0)
            await (in_turns.abort_transaction() if turn == "second" else in_turns.commit_transaction())


def test_what_is_read_is_what_others_read_from_wherever_and_however_many_at_a_time(apache_kafka: ApacheKafka) -> None:
    address, topic = apache_kafka.address, "records-in-transactions"
    make_topics(address, [topic], 1)
    asyncio.run(_transact(address, topic))
    for isolation in ("read_committed", "read_uncommitted"):
        for start in (0, 3, 8, 14, 19, 33):
            whole = asyncio.run(_read(address, topic, start, None, isolation_level=isolation))
            expected = [(record.offset, record.value) for record in whole]
            for most in (None, 1, 4, 1000):
                options = {"isolation_level": isolation, "value_deserializer": as_parsed}
                parsed = asyncio.run(_read(address, topic, start, most, **options))
                assert [(record.offset, record.value) for record in parsed] == expected
