"""Brokers that refuse, or cannot take, what a worker writes: it waits, or stops with a clear line; it never skips."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import TopicAuthorizationFailedError
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
)

from streams.brokers.topics import admin
from streams.delivery.writer import TRANSACTION_MS, TransactionalWriter
from streams.logs import read_log
from tests.chaos.feed import Portion, portions
from tests.chaos.world import World
from tests.support.brokers import ApacheKafka
from tests.support.invented import invented
from tests.support.network import Answer, Network
from tests.support.oracle import Expected, assert_equal, pure
from tests.support.topics_io import Send, produce
from tests.support.workers import Deployment, Worker, deploy

pytestmark = pytest.mark.xdist_group("chaos")


def load(to: Deployment, folder: Path) -> tuple[Expected, list[Portion]]:
    """What a log should come to, and the log in portions."""
    log = invented(folder / "log.jsonl", 1, events=1500)
    return pure(log, to), list(portions(read_log(log).lines(), to.settings, 50))


def send(kafka: ApacheKafka, rows: list[Portion]) -> None:
    produce(kafka, [Send(row.place[0], row.key, row.value, row.place[1]) for portion in rows for row in portion])


def finish(worker: Worker, seconds: float = 60) -> None:
    """Wait until all that is in the topics has been taken, and the timers before its end have fired; and end it."""
    sent, since = -1.0, time.monotonic()

    def finished() -> bool:
        nonlocal sent, since
        partitions = worker.health()["partitions"].values()
        taken = bool(partitions) and all(partition["lag"] == 0 for partition in partitions)
        before, sent = sent, worker.metric("offbeat_batch_seconds_count")
        if sent != before or not taken:
            since = time.monotonic()
        return time.monotonic() - since > 1

    worker.wait_until(finished, seconds)
    assert worker.stop() == 0


# --- authorisation withdrawn -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def strict_kafka(java: None) -> Iterator[ApacheKafka]:  # noqa: ARG001 - it may skip
    """Whoever has no right to a topic that others have a right to is kept from it."""
    properties = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    with ApacheKafka(properties=properties) as kafka:
        yield kafka


def right(topic: str, user: str) -> AclBinding:
    kind, pattern = ResourceType.TOPIC, ResourcePatternType.LITERAL
    return AclBinding(kind, topic, pattern, f"User:{user}", "*", AclOperation.ALL, AclPermissionType.ALLOW)


def withdraw(kafka: ApacheKafka, topic: str) -> None:
    """Others keep their right: the topic is not everybody's."""
    client = AdminClient({"bootstrap.servers": kafka.address})
    for done in client.create_acls([right(topic, "other")]).values():
        done.result(10)


def restore(kafka: ApacheKafka, topic: str) -> None:
    pattern, any_ = ResourcePatternType.LITERAL, AclPermissionType.ANY
    of_topic = AclBindingFilter(ResourceType.TOPIC, topic, pattern, None, None, AclOperation.ANY, any_)
    client = AdminClient({"bootstrap.servers": kafka.address})
    for done in client.delete_acls([of_topic]).values():
        assert done.result(10)


@pytest.mark.parametrize("name", ["triggers.cart", "changelog", "purchases"])
def test_a_right_that_is_withdrawn(strict_kafka: ApacheKafka, name: str, tmp_path: Path) -> None:
    """It stops and says which one; also a worker that is started without it. With the right, all is taken, once."""
    to = deploy(strict_kafka, clock="event")
    expected, rows = load(to, tmp_path)
    half = len(rows) // 2
    line = f"the brokers do not let this client use {to.topic(name)}; allow it with kafka-acls.sh"
    with Worker(to.environ) as worker:
        worker.wait_ready()
        send(strict_kafka, rows[:half])
        worker.wait_metric("offbeat_triggers_total", 100)
        withdraw(strict_kafka, to.topic(name))
        if name == "purchases":  # whoever sends them is not let in either
            later = rows[half:]
        else:
            send(strict_kafka, rows[half:])
            later = []
        assert worker.wait(60) == 1
        assert line in worker.errors
    with Worker(to.environ) as worker:
        assert worker.wait(60) in {1, 2}
    restore(strict_kafka, to.topic(name))
    send(strict_kafka, later)
    with Worker(to.environ) as worker:
        finish(worker)
    assert_equal(to, expected)


def test_a_batch_that_waits_when_its_right_is_withdrawn(
    strict_kafka: ApacheKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The brokers tell nothing more of its topic: it is given up at once, not when nobody has answered for long."""
    to, network = deploy(strict_kafka), Network(monkeypatch)
    topic = to.topic("triggers.cart")

    async def scenario() -> None:
        writer = TransactionalWriter(to.settings, 0, {})
        await writer.open()

        async def withdrawn(request: Any, answer: Answer) -> Any:
            if type(request).__name__ == "ProduceRequest":
                await asyncio.to_thread(withdraw, strict_kafka, topic)
                client = writer.producer.client
                while topic not in client.cluster.unauthorized_topics:
                    await client.force_metadata_update()
            return await answer()

        network.handle = withdrawn
        with pytest.raises(TopicAuthorizationFailedError) as failed:
            await writer.write([(b"c", b"state", [])], {topic: [(b"c", b"trigger", [])]}, {})
        assert failed.value.args == ({topic},)
        assert isinstance(failed.value.__cause__, TimeoutError), "it was given up, not refused"
        await writer.close()

    asyncio.run(scenario())


def test_the_right_that_is_missing_is_named_whichever_batch_fails_first(strict_kafka: ApacheKafka) -> None:
    """Brokers refuse the changelog's batch too, as it is of no transaction, and its answer is looked at first."""
    to = deploy(strict_kafka)
    topic = to.topic("triggers.cart")

    async def scenario() -> None:
        writer = TransactionalWriter(to.settings, 0, {})

        async def until_refused() -> None:
            """Brokers hear of it a moment later."""
            while True:
                await writer.write([(b"c", b"state", [])], {topic: [(b"c", b"trigger", [])]}, {})

        await writer.open()
        await asyncio.to_thread(withdraw, strict_kafka, topic)
        with pytest.raises(TopicAuthorizationFailedError) as failed:
            await until_refused()
        assert topic in failed.value.args[0]
        await writer.close()

    asyncio.run(scenario())


# --- too few copies --------------------------------------------------------------------------------------------------


def need_copies(to: Deployment, count: int) -> None:
    """Of all that a worker writes."""
    change = ConfigEntry("min.insync.replicas", str(count), incremental_operation=AlterConfigOpType.SET)
    topics = [to.settings.changelog, *to.settings.outputs]
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[change]) for name in topics]
    client = AdminClient({"bootstrap.servers": to.broker.address})
    for done in client.incremental_alter_configs(resources).values():
        done.result(10)


def test_too_few_copies_are_waited_for(world: World, tmp_path: Path) -> None:
    """Three are needed, and one broker of three is away: nothing is made durable until it is back, nothing is lost."""
    with world.deployment(partitions="2") as to:
        expected, rows = load(to, tmp_path)
        half = len(rows) // 2
        need_copies(to, 3)
        with Worker(to.environ) as worker:
            worker.wait_ready()
            send(world.kafka, rows[:half])
            worker.wait_until(lambda: all(p["lag"] == 0 for p in worker.health()["partitions"].values()))
            world.kafka.nodes[2].kill()
            send(world.kafka, rows[half:])
            worker.wait_until(lambda: "NotEnoughReplicas" in worker.errors or worker.metric("offbeat_lag_records") > 0)
            world.rest(5)
            assert worker.process.poll() is None
            assert worker.metric("offbeat_lag_records") > 0
            world.kafka.start()
            finish(worker)
        assert_equal(to, expected)


# --- a transaction that expires --------------------------------------------------------------------------------------


@contextmanager
def transaction_of(to: Deployment, number: int) -> Iterator[Callable[[], str]]:
    """Tells the state of a partition number's transaction, as its coordinator has it, in lower case."""
    id_ = to.settings.transactional_id(number)
    with admin(to.settings) as client:
        yield lambda: str(client.describe_transactions([id_])[id_].state).lower()


ENDED = "a batch failed, taking the partition over anew: InvalidTxnState()"
"""What a worker says when there is no transaction any more for its EndTxn to end."""


def test_a_transaction_that_expires(world: World, tmp_path: Path) -> None:
    """The network is gone in mid-transaction, and too long: the broker ends it, and refuses what comes late.

    Records that come late are fenced, and the worker ends. An EndTxn that comes late has no transaction to end, and the
    worker takes the partition over from itself. Which of them was on its way is the network's affair; nothing is lost.
    """
    links = world.links[0]
    with world.deployment(partitions="1", session_timeout="20s") as to:
        expected, rows = load(to, tmp_path)
        half = len(rows) // 2
        brokers = ",".join(f"127.0.0.1:{link.port}" for link in links)
        with Worker({**to.environ, "OFFBEAT_BROKERS": brokers}) as worker, transaction_of(to, 0) as state:
            worker.wait_ready()
            send(world.kafka, rows[:half])
            worker.wait_until(lambda: all(p["lag"] == 0 for p in worker.health()["partitions"].values()))
            for link in links:
                link.delay(0.7)  # so that there is a moment in which the transaction is open
            try:
                send(world.kafka, rows[half:])
                worker.wait_until(lambda: "ongoing" in state())
                for link in links:
                    link.blackhole()
                worker.wait_until(lambda: "abort" in state(), TRANSACTION_MS / 1000 + 10)
            finally:
                for link in links:
                    link.heal()
            deadline = time.monotonic() + 60
            while worker.process.poll() is None and ENDED not in worker.errors:
                assert time.monotonic() < deadline, worker.account
                time.sleep(0.05)
            fenced = ENDED not in worker.errors
            if fenced:
                assert worker.wait() == 75
                assert "partition 0 has another owner" in worker.errors
            else:
                finish(worker, 90)
        if fenced:
            with Worker(to.environ) as worker:
                finish(worker, 90)
        assert_equal(to, expected)
