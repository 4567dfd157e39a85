"""Writing to topics and reading them with clients that are not the worker's: librdkafka and kafka-python."""

import json
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from kafka import KafkaConsumer

from streams.brokers.embedded import EmbeddedBroker
from streams.delivery.changelog import MARK
from streams.flow.mark import Mark, decode_mark
from streams.settings import Settings
from tables.customer import NEVER, Customer
from tables.customerform import unpack
from tables.events import SOURCES
from tests.support.brokers import ApacheKafka

Broker = EmbeddedBroker | ApacheKafka
LARGE = 16 << 20
"""The longest message that is written or read here, in bytes."""


class Message(NamedTuple):
    """A record as it was read."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    all_headers: tuple[tuple[str, bytes], ...]

    @property
    def headers(self) -> dict[str, bytes]:
        """By name; the last of those that have the same."""
        return dict(self.all_headers)

    @property
    def json(self) -> Any:
        assert self.value is not None
        return json.loads(self.value)


class Send(NamedTuple):
    """A record to be written. `partition` None: by the key, as Java does."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def now() -> int:
    """The wall clock, epoch ms."""
    return round(time.time() * 1000)


def event(topic: str, customer: str, at: int, kind: str, *, partition: int | None = None, **fields: Any) -> Send:
    """A contract event at `at` (epoch ms) with an id of its own unless one is given."""
    value = {"type": kind, "event_id": str(uuid.uuid4()), "customer_id": customer, "occurred_at": at, **fields}
    return Send(topic, customer.encode(), json.dumps(value).encode(), partition)


def produce(broker: Broker, records: Iterable[Send]) -> list[tuple[str, int, int]]:
    """Write with librdkafka, in order, and wait for the acknowledgements: (topic, partition, offset) of each."""
    producer = Producer(
        {
            "bootstrap.servers": broker.address,
            "partitioner": "murmur2_random",
            "message.max.bytes": LARGE,
            "linger.ms": 1,
            "acks": "all",
            "allow.auto.create.topics": False,
        }
    )
    places: list[tuple[str, int, int] | None] = []
    failed: list[KafkaError] = []

    def send(number: int, record: Send) -> None:
        def done(error: KafkaError | None, message: Any) -> None:
            if error is None:
                places[number] = message.topic(), message.partition(), message.offset()
            else:
                failed.append(error)

        options: dict[str, Any] = {} if record.partition is None else {"partition": record.partition}
        producer.produce(
            record.topic, key=record.key, value=record.value, headers=list(record.headers), on_delivery=done, **options
        )

    for number, record in enumerate(records):
        places.append(None)
        send(number, record)
        producer.poll(0)
    assert producer.flush(30) == 0, "the broker does not take the records"
    assert not failed, failed[0]
    return [place for place in places if place is not None]


def read_all(broker: Broker, topics: Sequence[str], *, committed: bool = True, seconds: float = 30) -> list[Message]:
    """Every record that there is, with librdkafka, to the ends that fetches tell; in order within each partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": f"reader-{uuid.uuid4()}",
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
            "fetch.message.max.bytes": LARGE,
            "fetch.wait.max.ms": 20,
            "allow.auto.create.topics": False,
        }
    )
    found: list[Message] = []
    try:
        known = consumer.list_topics(timeout=10).topics
        places = [TopicPartition(t, p, OFFSET_BEGINNING) for t in topics for p in known[t].partitions]
        consumer.assign(places)
        open_ = {(place.topic, place.partition) for place in places}
        deadline = time.monotonic() + seconds
        while open_:
            assert time.monotonic() < deadline, f"no end of {sorted(open_)}"
            for message in consumer.consume(1000, timeout=0.1):
                error = message.error()
                if error is None:
                    found.append(_message(message))
                elif error.code() == KafkaError._PARTITION_EOF:
                    open_.discard((message.topic(), message.partition()))
                else:
                    raise AssertionError(str(error))
    finally:
        consumer.close()
    return found


def _message(message: Any) -> Message:
    return Message(
        message.topic(),
        message.partition(),
        message.offset(),
        message.key(),
        message.value(),
        tuple(message.headers() or ()),
    )


class GroupReader:
    """A consumer group of kafka-python, as a sender of messages would be; `with GroupReader(...) as reader:`."""

    def __init__(self, broker: Broker, topics: Sequence[str], group: str) -> None:
        embedded = isinstance(broker, EmbeddedBroker)
        session = 1000 if embedded else 6000
        self._consumer = KafkaConsumer(
            bootstrap_servers=broker.address,
            group_id=group,
            auto_offset_reset="earliest",
            isolation_level="read_uncommitted" if embedded else "read_committed",
            session_timeout_ms=session,
            heartbeat_interval_ms=session // 5,
            fetch_max_wait_ms=50,
        )
        # asked first: a join that is due to topics which became known is forgotten by kafka-python 3.0 now and then
        for topic in topics:
            assert self._consumer.partitions_for_topic(topic), topic
        self._consumer.subscribe(list(topics))

    def read(self, count: int, seconds: float = 30) -> list[Message]:
        """The next `count` records, and whatever else comes with them; fails when they take longer."""
        found: list[Message] = []
        deadline = time.monotonic() + seconds
        while len(found) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} records: {found}; {self._where()}"
            for records in self._consumer.poll(timeout_ms=100).values():
                found += [
                    Message(r.topic, r.partition, r.offset, r.key, r.value, tuple(r.headers or ())) for r in records
                ]
        return found

    def _where(self) -> str:
        """How far it is in what it was given, for the message of a failed test."""
        places = sorted(self._consumer.assignment())
        ends = self._consumer.end_offsets(places)
        found = {place: (self._consumer.position(place, 1000), ends[place]) for place in places}
        return f"at {found} (next, end)"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()


def group_lag(broker: Broker, settings: Settings) -> int:
    """Records of the sources that the workers' group has not been told of."""
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": settings.group_id})
    sources = [
        TopicPartition(settings.topic(source), number) for source in SOURCES for number in range(settings.partitions)
    ]
    try:
        told = consumer.committed(sources, timeout=30)
        ends = [consumer.get_watermark_offsets(place, timeout=30)[1] for place in told]
    finally:
        consumer.close()
    return sum(end - max(place.offset, 0) for place, end in zip(told, ends, strict=True))


def states(broker: Broker, settings: Settings) -> dict[bytes, Customer]:
    """The customers that the changelog holds, comparable.

    That is without the offsets applied, which depend on the delivery, and without the time of the next look at them,
    which need not be durable.
    """
    found: dict[bytes, Customer] = {}
    for here in packed_states(broker, settings)[0].values():
        assert not found.keys() & here.keys(), "a customer is in two partitions"
        found |= {key: unpack(value) for key, value in here.items()}
    return comparable(found)


def packed_states(
    broker: EmbeddedBroker | ApacheKafka, settings: Settings
) -> tuple[dict[int, dict[bytes, bytes]], dict[int, Mark]]:
    """What the changelog holds, by partition: the packed states, and the mark."""
    packed: dict[int, dict[bytes, bytes]] = defaultdict(dict)
    marks: dict[int, Mark] = {}
    for record in read_all(broker, [settings.changelog]):
        assert record.key is not None
        if record.key == MARK:
            assert record.value is not None
            marks[record.partition] = decode_mark(record.value)
        elif record.value is None:
            packed[record.partition].pop(record.key, None)
        elif not record.key.startswith(MARK[:1]):
            packed[record.partition][record.key] = record.value
    return dict(packed), marks


def comparable(customers: Mapping[bytes, Customer]) -> dict[bytes, Customer]:
    """The same customers as `states` gives them."""
    for customer in customers.values():
        customer.applied = None
        customer.wake = NEVER
    return dict(customers)
