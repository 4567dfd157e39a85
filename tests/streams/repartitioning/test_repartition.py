"""More partitions for topics that are in use: customers keep their history, however often the command is killed."""

import json
import random
import re
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.brokers.embedded import EmbeddedBroker
from streams.brokers.topics import look
from streams.repartitioning.repartitionplan import PARTITIONERS
from tables.customer import Customer
from tables.customerform import VERSION, pack, unpack
from tests.support.brokers import ApacheKafka
from tests.support.killing import killed
from tests.support.oracle import assert_equal, pure
from tests.support.topics_io import Send, event, packed_states, produce, read_all
from tests.support.workers import Deployment, Worker, deploy, environment, offbeat, running

T0 = 1_700_000_000_000
MINUTE = 60_000
DAY = 1440 * MINUTE

Lines = list[dict[str, Any]]


def part(seed: int, begin: int, count: int = 1000) -> Lines:
    """Some weeks of a shop, from `begin` on; lines come late and twice, but the first of each topic."""
    rng = random.Random(seed)
    lines: Lines = []
    at = begin
    for number in range(count):
        at += rng.randrange(30 * MINUTE)
        occurred = at - rng.randrange(3 * 60 * MINUTE) if number > 100 and rng.random() < 0.05 else at
        common = {"event_id": f"e{seed}-{number}", "customer_id": f"c{rng.randrange(100)}", "occurred_at": occurred}
        kind = ("order.completed", "cart.item_added", "customer.updated", "product.viewed", "checkout.started")[
            number if number < 3 else rng.choices(range(5), (4, 5, 1, 4, 2))[0]
        ]
        fields: dict[str, dict[str, Any]] = {
            "order.completed": {"order_id": f"o{seed}-{number}", "total": round(rng.lognormvariate(3, 0.7), 2)},
            "cart.item_added": {"product_id": f"p{rng.randrange(5)}", "quantity": 1, "price": 3.5},
            "product.viewed": {"product_id": f"p{rng.randrange(5)}"},
        }
        line = {"type": kind, **common, **fields.get(kind, {})}
        if kind == "order.completed":
            line |= {"currency": "EUR", "items": []}
        lines.append(line)
        if rng.random() < 0.03:
            lines.append(line)
    return lines


def write(path: Path, lines: Lines) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def load(to: Deployment, log: Path) -> None:
    """Replay it, and let a worker take all of it."""
    done = offbeat("replay", str(log), environ=to.environ)
    assert done.returncode == 0, done.stderr
    with running(to.environ) as worker:

        def finished() -> bool:
            told = worker.health()["partitions"].values()
            return bool(told) and all(partition["lag"] == 0 for partition in told)

        worker.wait_until(finished, 60)


def repartition(to: Deployment, *options: str, partitions: int = 8) -> "subprocess.CompletedProcess[str]":
    return offbeat("topics", "repartition", "--partitions", str(partitions), *options, environ=to.environ)


def partitions_of(to: Deployment) -> set[int]:
    """How many all topics have, but for the one of parameters."""
    return {topic.partitions for name, topic in look(to.settings).found.items() if name != to.settings.published}


def refused(to: Deployment, *options: str, partitions: int = 8) -> str:
    """The one line with which it gives up."""
    done = repartition(to, *options, partitions=partitions)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    return done.stderr.removeprefix("offbeat: ")


PLACES = """
from streams.repartitioning import repartition, mover

class Mover(mover.Mover):
    async def send(self, *args):
        reached("send")
        return await super().send(*args)

    async def _acknowledged(self, part):
        await super()._acknowledged(part)
        reached("acknowledged")

def grow(*args):
    reached("grow")
    whole(*args)
    reached("grown")

whole = repartition._grow
repartition.Mover, repartition._grow, repartition.CHUNK = Mover, grow, 10
"""


def kill(to: Deployment, where: str) -> None:
    killed(to, PLACES, where, "topics", "repartition", "--partitions", "8")


KILLS = {
    "exactly_once": ("grow:0", "grown:0", "acknowledged:0", "send:5", "grow:1"),
    "at_least_once": ("send:0", "acknowledged:0", "send:5", "acknowledged:4", "grow:1"),
}
"""Before and after the changelog grows, within and between what is written, and before the sources grow."""


@pytest.mark.parametrize("delivery", KILLS)
def test_growing_changes_no_trigger_and_no_state(apache_kafka: ApacheKafka, tmp_path: Path, delivery: str) -> None:
    """What comes out before, and after, and in all, is what an undisturbed run says."""
    first = part(1, T0)
    second = part(2, max(line["occurred_at"] for line in first) + DAY)
    to = deploy(apache_kafka, clock="event", partitions="4", delivery=delivery)
    expected = pure(write(tmp_path / "all.jsonl", first + second), to)
    assert expected.count > 300
    load(to, write(tmp_path / "first.jsonl", first))
    before, old_marks = packed_states(apache_kafka, to.settings)

    for where in KILLS[delivery]:
        kill(to, where)
    with Worker(to.environ) as worker:
        assert worker.wait() == 2
        assert "run it with --partitions 8" in worker.errors
    done = repartition(to)
    assert done.returncode == 0, done.stderr
    assert "put there by murmur2" in done.stdout
    assert repartition(to).stdout == "all of them have 8 partitions: nothing to do\n"

    after, marks = packed_states(apache_kafka, to.settings)
    assert after.keys() == marks.keys() == set(range(8))
    assert all(PARTITIONERS["murmur2"](key) % 8 == number for number, here in after.items() for key in here)
    for number in range(4):
        assert before[number].keys() == after[number].keys() | after[number + 4].keys()
        assert all(unpack(packed).applied is None for packed in after[number + 4].values())
        assert marks[number] == old_marks[number]
        assert marks[number + 4].now == marks[number].now > T0
    load(to, write(tmp_path / "second.jsonl", second))
    assert_equal(to, expected)


def test_by_a_factor_that_is_not_whole(apache_kafka: ApacheKafka, tmp_path: Path) -> None:
    """From 4 to 6 partitions customers go to old ones too."""
    first = part(3, T0)
    second = part(4, max(line["occurred_at"] for line in first) + DAY)
    to = deploy(apache_kafka, clock="event", partitions="4")
    expected = pure(write(tmp_path / "all.jsonl", first + second), to)
    load(to, write(tmp_path / "first.jsonl", first))
    assert repartition(to, partitions=6).returncode == 0
    load(to, write(tmp_path / "second.jsonl", second))
    assert_equal(to, expected)


# --- when it is refused ----------------------------------------------------------------------------------------------


def test_while_a_worker_runs_or_events_are_left(apache_kafka: ApacheKafka, tmp_path: Path) -> None:
    """Nothing is changed: the worker goes on afterwards."""
    to = deploy(apache_kafka, clock="event", partitions="2")
    log = write(tmp_path / "log.jsonl", part(5, T0, count=200))
    replay = offbeat("replay", str(log), environ=to.environ)
    assert replay.returncode == 0, replay.stderr
    assert re.fullmatch(
        rf"{to.settings.prefix}customers\[0\] holds \d+ records that no worker has taken: .*\n", refused(to)
    )
    with running(to.environ) as worker:
        line = refused(to)
        worker.wait_until(lambda: worker.metric("offbeat_partition_live") == 2)
    assert line.startswith(f"group {to.settings.group_id} still has 1 member: stop all workers")
    assert partitions_of(to) == {2}


def test_events_that_came_too_early_are_saved_deleted_and_sent_again(apache_kafka: ApacheKafka, tmp_path: Path) -> None:
    """Producers that were not stopped: nothing goes on until the events are out of the way."""
    to = deploy(apache_kafka, clock="event", partitions="2")
    load(to, write(tmp_path / "log.jsonl", part(6, T0, count=200)))
    before, _ = packed_states(apache_kafka, to.settings)
    kill(to, "grow:1")
    early = event(to.topic("carts"), "c1", T0 + 365 * DAY, "product.viewed", product_id="p", partition=1)
    ((carts, number, offset),) = produce(apache_kafka, [early])
    line = refused(to)
    assert line.startswith(f"{carts}[1] holds 1 record that no worker has taken: they came while customers were being")
    admin = AdminClient({"bootstrap.servers": apache_kafka.address})
    for done in admin.delete_records([TopicPartition(carts, number, offset + 1)]).values():
        done.result(10)
    assert repartition(to).returncode == 0
    with running(to.environ) as worker:
        worker.wait_metric("offbeat_partition_live", 8)
        assert worker.metric("offbeat_customers") == sum(map(len, before.values()))
    _, marks = packed_states(apache_kafka, to.settings)
    assert marks[1].positions["carts"].offset == offset + 1


def test_what_producers_do_that_nobody_explains(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka, partitions="2")
    places = [
        Send(to.settings.changelog, f"c{number}".encode(), pack(Customer(), 0), number % 2) for number in range(20)
    ]
    produce(apache_kafka, places)
    line = refused(to)
    assert re.match(r"of 20 customers murmur2 fits \d+, crc32 fits \d+: the producers use another partitioner", line)
    assert refused(to, "--partitioner", "crc32") == line
    assert partitions_of(to) == {2}


def test_one_partition_tells_nothing_about_the_partitioner(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka, partitions="1")
    keys = [f"c{number}".encode() for number in range(20)]
    produce(apache_kafka, [Send(to.settings.changelog, key, pack(Customer(), 0), 0) for key in keys])
    assert refused(to, partitions=3).startswith("where the 20 customers are fits murmur2 and crc32 alike: tell with")
    done = repartition(to, "--partitioner", "crc32", partitions=3)
    assert done.returncode == 0, done.stderr
    found, _ = packed_states(apache_kafka, to.settings)
    assert {key: number for number, here in found.items() for key in here} == {key: zlib.crc32(key) % 3 for key in keys}
    assert {look(to.settings).found[topic].partitions for topic in to.settings.sources} == {3}


def test_a_state_of_a_newer_version_is_left_where_it_is(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka, partitions="1", delivery="at_least_once")
    newer = bytes([VERSION + 1]) + pack(Customer(), 0)[1:]
    produce(apache_kafka, [Send(to.settings.changelog, f"c{number}".encode(), newer, 0) for number in range(9)])
    assert refused(to, "--partitioner", "murmur2").startswith("state was written by a newer version")


def test_brokers_that_cannot_add_partitions(embedded_broker: EmbeddedBroker) -> None:
    to = deploy(embedded_broker)
    assert refused(to).startswith("these brokers cannot add partitions to a topic: make new topics under another")


def test_topics_that_are_missing(embedded_broker: EmbeddedBroker) -> None:
    to = Deployment(embedded_broker, environment(embedded_broker, "never-made."))
    assert refused(to) == "topic never-made.customers is missing; run: offbeat topics create\n"


@pytest.mark.parametrize("partitioner", ["murmur2_random", "consistent_random"])
def test_keys_go_where_clients_put_them(embedded_broker: EmbeddedBroker, partitioner: str) -> None:
    """Librdkafka with Java's partitioner, and with its own."""
    to = deploy(embedded_broker, partitions="7")
    producer = Producer({"bootstrap.servers": embedded_broker.address, "partitioner": partitioner})
    keys = [f"customer {number} \u00e4\u4e16"[: number % 20 + 1].encode() for number in range(200)]
    for key in keys:
        producer.produce(to.topic("carts"), key=key, value=b"x")
    assert producer.flush(30) == 0
    name = {"murmur2_random": "murmur2", "consistent_random": "crc32"}[partitioner]
    found = read_all(embedded_broker, [to.topic("carts")])
    assert len(found) == 200
    assert all(record.partition == PARTITIONERS[name](record.key or b"") % 7 for record in found)
