"""Who is in the workers' group, on Apache Kafka."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kafka import KafkaConsumer
from kafka.coordinator.assignors.range import RangePartitionAssignor

from streams.doctor.check import Check
from tests.streams.doctor.finding import checks, failed, finds
from tests.streams.doctor.test_topics import local
from tests.support.brokers import ApacheKafka
from tests.support.workers import Deployment, deploy, running

pytestmark = pytest.mark.usefixtures("own_directory")


class Careless(RangePartitionAssignor):  # type: ignore[misc] # kafka-python has no types
    """Calls itself what workers call theirs, and hands out partition 0 alone."""

    name = "faust"

    @classmethod
    def assign(cls, _cluster: Any, members: Any) -> Any:
        class First:
            """A cluster of which no more is known."""

            @staticmethod
            def partitions_for_topic(_topic: str) -> set[int]:
                return {0}

        return super().assign(First, members)


@contextmanager
def member(to: Deployment, assignor: Any) -> Iterator[Any]:
    """Somebody in the workers' group, who takes part in it when polled."""
    consumer = KafkaConsumer(
        *to.settings.sources,
        bootstrap_servers=to.broker.address,
        group_id=to.settings.group_id,
        partition_assignment_strategy=[assignor],
        session_timeout_ms=30_000,
        enable_auto_commit=False,
    )
    try:
        yield consumer
    finally:
        consumer.close()


def settled(to: Deployment, consumer: Any) -> dict[str, Check]:
    """What is found when it is in the group and has its share."""
    deadline = time.monotonic() + 30
    while not consumer.assignment():
        consumer.poll(timeout_ms=100)
        assert time.monotonic() < deadline
    return checks(local(to))


@finds("Somebody else in the group", "workers")
def test_members_that_are_no_workers(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka)
    with member(to, RangePartitionAssignor) as consumer:
        told = settled(to, consumer)
    assert failed(told) == {"workers"}
    assert told["workers"].detail == f"group {to.settings.group_id} has members that are no workers (range)"
    assert "OFFBEAT_GROUP" in told["workers"].advice


@finds("OffbeatUnowned", "workers")
def test_a_partition_that_nobody_has(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka)
    with member(to, Careless) as consumer:
        told = settled(to, consumer)
    assert failed(told) == {"workers"}
    assert told["workers"].detail == "nobody has partitions [1]"


@finds("More workers than partitions", "workers")
def test_real_workers_and_one_that_stands_by(apache_kafka: ApacheKafka) -> None:
    """All that is said of the first, by the brokers and by itself, is well."""
    to = deploy(apache_kafka, partitions="1")
    with running(to.environ) as worker:
        address = worker.environ["OFFBEAT_METRICS"]
        told = checks(local(to), address)
        assert [check for check in told.values() if check.mark != "ok"] == []
        assert told["workers"].detail == "1 shares 1 partitions"
        assert told[f"worker {address}"].detail.endswith("ready, 1 partitions")
        with running(to.environ):
            told = checks(local(to))
    assert (failed(told), told["workers"].detail) == (set(), "2 share 1 partitions: 1 stand by")
