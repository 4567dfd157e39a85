"""What doctor sees in the changelog and in the sources, on Apache Kafka."""

import time
from collections.abc import Mapping

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.delivery.changelog import MARK
from streams.flow.mark import Mark, Position, encode_mark
from tables.events import SOURCES
from tests.streams.doctor.finding import checks, failed, finds
from tests.streams.doctor.test_topics import configs, configure, local, wait_for
from tests.support.brokers import ApacheKafka
from tests.support.topics_io import Send, produce
from tests.support.workers import Deployment, deploy

pytestmark = pytest.mark.usefixtures("own_directory")
HOUR = 3_600_000


def stand(to: Deployment, offset: int = 0, topics: Mapping[str, str] | None = None) -> None:
    """Partition 0 was taken so far, of each source."""
    mark = Mark({source: Position(offset) for source in SOURCES}, topics=dict(topics or {}))
    produce(to.broker, [Send(to.topic("changelog"), MARK, encode_mark(mark), 0)])


def send(to: Deployment, topic: str, count: int, *, seconds_ago: float = 0.0) -> None:
    """Records of that age into partition 0."""
    producer = Producer({"bootstrap.servers": to.broker.address, "linger.ms": 5})
    at = round((time.time() - seconds_ago) * 1000)
    for _ in range(count):
        producer.produce(to.topic(topic), b"{}", b"c", partition=0, timestamp=at)
    assert producer.flush(30) == 0


@finds("States of a newer version", "states")
def test_a_state_of_a_newer_version(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka)
    produce(apache_kafka, [Send(to.topic("changelog"), b"ann", bytes([99]) + bytes(12), 1)])
    told = checks(local(to))
    assert failed(told) == {"states"}
    assert told["states"].detail.startswith(f"{to.topic('changelog')}[1]: state was written by a newer version")


@finds("A state that does not go with the topics", "positions")
def test_events_that_were_deleted_unread(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka, partitions="1")
    send(to, "carts", 5)
    admin = AdminClient({"bootstrap.servers": apache_kafka.address})
    for done in admin.delete_records([TopicPartition(to.topic("carts"), 0, 3)]).values():
        done.result(30)
    stand(to)
    told = checks(local(to))
    assert failed(told) == {"positions", "workers"}
    assert "the topic begins at 3: 3 events were deleted unread" in told["positions"].detail


@finds("A state that does not go with the topics", "positions")
def test_a_topic_that_was_made_anew(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka, partitions="1")
    stand(to, topics={"carts": "of-another-one"})
    told = checks(local(to))
    assert failed(told) == {"positions"}
    assert told["positions"].detail.startswith(f"topic {to.topic('carts')} was made anew")


@finds("A state that does not go with the topics", "positions")
def test_a_changelog_that_was_lost(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka, partitions="1")
    send(to, "carts", 5)
    place = TopicPartition(to.topic("carts"), 0, 4)
    told = ConsumerGroupTopicPartitions(to.settings.group_id, [place])
    admin = AdminClient({"bootstrap.servers": apache_kafka.address})
    for done in admin.alter_consumer_group_offsets([told]).values():
        done.result(30)
    found = checks(local(to))
    assert failed(found) == {"positions"}
    assert f"has committed offset 4, but {to.topic('changelog')} holds no state" in found["positions"].detail
    stand(to, 2)
    assert "only knows 2: it has lost records" in checks(local(to))["positions"].detail


@finds("OffbeatAllDown", "workers")
@finds("OffbeatLagging", "lag")
@finds("OffbeatRetention", "retention")
def test_events_that_nobody_takes(apache_kafka: ApacheKafka) -> None:
    """Before any worker has run there is nothing wrong with that."""
    to = deploy(apache_kafka, partitions="1")
    configure(to, "carts", retention_ms=str(48 * HOUR))
    wait_for(lambda: configs(to, "carts").get("retention.ms") == str(48 * HOUR))
    send(to, "carts", 7, seconds_ago=40 * 3600)
    told = checks(local(to))
    assert failed(told) == set()
    assert told["workers"].detail == "none runs, and none has run yet"
    stand(to)
    told = checks(local(to))
    assert failed(told) == {"workers", "lag", "retention"}
    assert told["workers"].detail == "none runs, and about 7 records wait"
    assert told["lag"].detail.startswith(f"{to.topic('carts')}[0]: the next event was sent 40.0 hours ago")
    assert "the topic keeps them for 2.0 days" in told["retention"].detail
    assert f"--entity-name {to.topic('carts')} --add-config retention.ms={96 * HOUR}" in told["retention"].advice
    stand(to, 7)
    told = checks(local(to))
    assert (failed(told), told["workers"].detail) == (set(), "none runs, and nothing waits")


@finds("OffbeatDeadLetters", "dead letters")
def test_letters_of_the_last_hour(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka)
    send(to, "carts", 200)
    send(to, "dead_letters", 20, seconds_ago=7200)
    assert checks(local(to))["dead letters"].detail == "0 within the last hour, of 200 records"
    send(to, "dead_letters", 20)
    told = checks(local(to))
    assert failed(told) == {"dead letters"}
    assert told["dead letters"].detail == "20 within the last hour, of 200 records: 10%"


@finds("OffbeatSilent", "events")
def test_a_shop_that_has_fallen_silent(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka)
    send(to, "carts", 150, seconds_ago=24.5 * 3600)
    told = checks(local(to))
    assert failed(told) == {"events"}
    assert told["events"].detail == "none came within the last hour; a day ago about 150 did"
    send(to, "carts", 1)
    assert checks(local(to))["events"].ok


@finds("OffbeatTriggerFlood", "triggers")
def test_a_flood_of_triggers(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka)
    send(to, "triggers_cart", 168, seconds_ago=48 * 3600)
    send(to, "triggers_cart", 100)
    assert checks(local(to))["triggers"].ok
    send(to, "triggers_cart", 50)
    told = checks(local(to))
    assert failed(told) == {"triggers"}
    assert told["triggers"].detail.startswith(
        f"{to.topic('triggers_cart')}: about 150 records within the last hour, 1.0"
    )
