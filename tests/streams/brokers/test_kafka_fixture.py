"""Apache Kafka as tests get it: it answers, it has transactions, it survives what tests do to it."""

import asyncio
import socket
import uuid
from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.brokers.embedded import free_port
from tests.support import brokers
from tests.support.brokers import ApacheKafka


async def create(address: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()


async def transaction(address: str, topic: str, value: bytes, *, commit: bool) -> None:
    async with AIOKafkaProducer(bootstrap_servers=address, transactional_id=topic) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, value)
        await (producer.commit_transaction() if commit else producer.abort_transaction())


async def committed(address: str, topic: str, count: int) -> list[bytes]:
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=address, auto_offset_reset="earliest", isolation_level="read_committed"
    ) as consumer:
        return [(await asyncio.wait_for(consumer.getone(), 30)).value for _ in range(count)]


def test_a_transaction_is_seen_when_committed(apache_kafka: ApacheKafka) -> None:
    async def scenario() -> list[bytes]:
        topic = f"kafka-{uuid.uuid4().hex[:8]}"
        await create(apache_kafka.address, topic)
        await transaction(apache_kafka.address, topic, b"aborted", commit=False)
        await transaction(apache_kafka.address, topic, b"x" * 900_000, commit=True)
        return await committed(apache_kafka.address, topic, 1)

    assert asyncio.run(scenario()) == [b"x" * 900_000]


@pytest.fixture
def own_kafka(apache_kafka: ApacheKafka, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApacheKafka]:
    """A second one that a test may hurt; the ports that it chooses first are taken, one by the shared one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [int(apache_kafka.address.partition(":")[2]), taken.getsockname()[1]]
        monkeypatch.setattr(brokers, "free_port", lambda: ports.pop() if ports else free_port())
        with ApacheKafka(properties={"num.partitions": "3"}) as kafka:
            yield kafka


def test_address_and_data_outlive_a_crash(own_kafka: ApacheKafka) -> None:
    address = own_kafka.address
    asyncio.run(create(address, "kept"))
    asyncio.run(transaction(address, "kept", b"before", commit=True))
    own_kafka.kill()
    assert own_kafka.pid is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(address.partition(":")[2])))
    own_kafka.restart()
    assert own_kafka.address == address
    asyncio.run(transaction(address, "kept", b"after", commit=True))
    assert asyncio.run(committed(address, "kept", 2)) == [b"before", b"after"]
