"""Being told to stop: at any moment, more than once, with and without brokers; what was done stays done."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.brokers.embedded import EmbeddedBroker, free_port
from tests.support.brokers import ApacheKafka
from tests.support.topics_io import Broker, Message, Send, event, now, produce, read_all, states
from tests.support.workers import Deployment, Worker, deploy, environment, rules_of_a_minute


def views(to: Deployment, first: int, count: int, ago: int) -> list[Send]:
    """A view by each of `count` customers, `ago` ms ago."""
    at = now() - ago
    return [
        event(to.topic("carts"), f"c{n}", at, "product.viewed", product_id="p") for n in range(first, first + count)
    ]


def committed(to: Deployment) -> dict[tuple[str, int], int]:
    """The group's offsets, as any tool sees them."""
    consumer = Consumer({"bootstrap.servers": to.broker.address, "group.id": to.settings.group_id})
    try:
        places = [TopicPartition(topic, n) for topic in to.settings.sources for n in range(2)]
        return {(p.topic, p.partition): p.offset for p in consumer.committed(places, timeout=10)}
    finally:
        consumer.close()


def triggers(to: Deployment) -> list[Message]:
    return read_all(to.broker, [to.topic("triggers.cart")])


def test_nothing_is_repeated_after_a_stop(broker: Broker, tmp_path: Path) -> None:
    """Half of the triggers have been sent, half are not due yet; the next worker sends those alone."""
    number = signal.SIGTERM if isinstance(broker, ApacheKafka) else signal.SIGINT
    to = deploy(broker, rules=rules_of_a_minute(tmp_path, views=1))
    with Worker(to.environ) as worker:
        worker.wait_ready()
        produce(broker, [*views(to, 0, 20, 70_000), *views(to, 20, 20, 55_000)])
        worker.wait_metric("offbeat_triggers_total", 20)
        assert worker.stop(number) == 0
        assert worker.errors.splitlines()[-1].endswith("streams.worker: stopped")
        assert "ERROR" not in worker.errors
    ends = {(topic, n): 0 for topic in to.settings.sources for n in range(2)}
    for record in read_all(broker, to.settings.sources):
        ends[record.topic, record.partition] = record.offset + 1
    found = committed(to)
    assert {place: max(0, offset) for place, offset in found.items()} == ends
    first = triggers(to)
    assert sorted(m.json["customer_id"] for m in first) == sorted(f"c{n}" for n in range(20))
    with Worker(to.environ) as worker:
        worker.wait_ready()
        worker.wait_metric("offbeat_triggers_total", 20)
        assert worker.metric("offbeat_events_total") == 0
        assert worker.metric("offbeat_recovered_records_total") >= 40
        assert worker.metric("offbeat_customers") == 40
        assert worker.stop() == 0
    assert sorted(m.json["customer_id"] for m in triggers(to)) == sorted(f"c{n}" for n in range(40))
    assert len(states(broker, to.settings)) == 40


def test_while_it_waits_for_brokers() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with Worker(environment(f"127.0.0.1:{free_port()}", "")) as worker:
            worker.wait_told("waiting: no broker")
            assert worker.health()["phase"] == "waiting for brokers"
            assert worker.stop(number) == 0
            assert worker.output == ""


def test_while_it_joins_the_group(broker: Broker) -> None:
    """Also when that takes long, as it does on the embedded broker: half of the session."""
    to = deploy(broker, session_timeout="20s")
    with Worker(to.environ) as worker:
        worker.wait_until(lambda: worker.phase == "joining")
        assert worker.stop() == 0
        assert "Traceback" not in worker.errors
        assert worker.output == ""


def test_at_any_moment_of_the_start(embedded_broker: EmbeddedBroker) -> None:
    """What is not yet listening for signals ends by them; all else exits with 0."""
    to = deploy(embedded_broker)
    for step in range(6):
        with Worker(to.environ) as worker:
            time.sleep(0.1 + 0.45 * step)
            assert worker.stop() in {0, -signal.SIGTERM} if step == 0 else {0}, worker.told
            assert "Traceback" not in worker.errors, worker.told


def test_told_again_and_again(embedded_broker: EmbeddedBroker) -> None:
    to = deploy(embedded_broker)
    with Worker(to.environ) as worker:
        worker.wait_ready()
        while worker.process.poll() is None:
            worker.send(signal.SIGTERM)
            worker.send(signal.SIGINT)
            time.sleep(0.01)
        assert worker.wait() == 0
        assert "Traceback" not in worker.errors


# --- an end with an error --------------------------------------------------------------------------------------------


def flood(to: Deployment, _worker: Worker) -> None:
    """In the event loop."""
    produce(to.broker, [Send(to.topic("carts"), b"c", b"?", partition=0) for _ in range(1500)])


def delete_unread(to: Deployment, worker: Worker) -> None:
    """In the consumer's thread."""
    carts = to.topic("carts")
    worker.send(signal.SIGSTOP)
    time.sleep(0.5)  # the broker answers the fetch that it holds
    produce(to.broker, [Send(carts, b"c", b"?", partition=0) for _ in range(10)])
    admin = AdminClient({"bootstrap.servers": to.broker.address})
    for done in admin.delete_records([TopicPartition(carts, 0, 10)]).values():
        done.result(10)
    worker.send(signal.SIGCONT)


@pytest.mark.parametrize("how", [flood, delete_unread])
def test_a_worker_that_ends_with_an_error_leaves_its_group(
    apache_kafka: ApacheKafka, how: Callable[[Deployment, Worker], None]
) -> None:
    """The next one has its partitions at once, not when the session runs out."""
    to = deploy(apache_kafka, session_timeout="60s")
    admin = AdminClient({"bootstrap.servers": apache_kafka.address})

    def members() -> int:
        (found,) = admin.describe_consumer_groups([to.settings.group_id]).values()
        return len(found.result(10).members)

    with Worker(to.environ) as worker:
        worker.wait_ready()
        assert members() == 1
        how(to, worker)
        assert worker.wait() == 1
        assert members() == 0
        assert worker.errors.count("offbeat: ") == 1
