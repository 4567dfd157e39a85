"""How a worker starts, or says in one line why it cannot."""

import re
import signal
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions

from streams.brokers.embedded import EmbeddedBroker, free_port
from streams.brokers.topics import create
from streams.watch.logformat import pseudonym
from tests.chaos.slot import CLOCK
from tests.support.brokers import ApacheKafka
from tests.support.node import Listener
from tests.support.topics import make_topics
from tests.support.topics_io import now, produce, read_all, states
from tests.support.workers import ROOT, Deployment, Worker, deploy, environment, rules_of_a_minute, running


def refused(environ: Mapping[str, str], status: int, seconds: float = 30) -> str:
    """The one line with which the worker gives up."""
    with Worker(environ) as worker:
        assert worker.wait(seconds) == status, worker.told
        lines = [line for line in worker.errors.splitlines() if line.startswith("offbeat: ")]
        assert len(lines) == 1, worker.told
        assert "Traceback" not in worker.errors
        assert worker.output == ""
        return lines[0].removeprefix("offbeat: ")


# --- topics ----------------------------------------------------------------------------------------------------------


def test_topics_that_are_missing(embedded_broker: EmbeddedBroker) -> None:
    line = refused(environment(embedded_broker, "nobody-made-them."), 2)
    assert line.startswith("topic nobody-made-them.")
    assert line.endswith(" is missing (and 11 more: offbeat topics check); run: offbeat topics create")


def test_topics_with_unequal_partitions(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka)
    admin = AdminClient({"bootstrap.servers": apache_kafka.address})
    for done in admin.create_partitions([NewPartitions(to.topic("carts"), 3)]).values():
        done.result(10)
    line = refused(to.environ, 2)
    assert line.startswith(f"topic {to.topic('customers')} has 2 partitions, {to.topic('carts')} has 3")
    assert "--alter --topic" in line


def test_partitions_that_are_added_while_a_worker_runs(apache_kafka: ApacheKafka) -> None:
    """Producers would send customers to where their history is not."""
    to = deploy(apache_kafka)
    with Worker(to.environ) as worker:
        worker.wait_ready()
        admin = AdminClient({"bootstrap.servers": apache_kafka.address})
        for done in admin.create_partitions([NewPartitions(to.topic("purchases"), 3)]).values():
            done.result(10)
        assert worker.wait(30) == 2
        assert f"offbeat: topic {to.topic('purchases')} has 3 partitions now, it had 2 when" in worker.errors


def test_a_changelog_that_is_not_compacted(apache_kafka: ApacheKafka) -> None:
    to = Deployment(apache_kafka, environment(apache_kafka, "uncompacted."))
    make_topics(apache_kafka.address, [to.settings.changelog], 2)
    create(to.settings)
    line = refused(to.environ, 2)
    assert line.startswith(
        f"topic {to.settings.changelog} has cleanup.policy=delete: states of customers would be lost"
    )
    assert "--add-config cleanup.policy=compact" in line


# --- settings and files ----------------------------------------------------------------------------------------------


WRONG = {
    "metrics-port": ({}, "metrics: 127.0.0.1:TAKEN cannot be listened at: Address already in use; set OFFBEAT_METRICS"),
    "rules": ({"rules": "rules.toml"}, "rules.toml:2: "),
    "no-rules": ({"rules": "none.toml"}, "none.toml: cannot be read"),
    "parameters": ({"parameters": "parameters.json"}, "parameters.json: "),
    "no-parameters": ({"parameters": "none.json"}, "none.json: cannot be read"),
    "settings": ({"config": "offbeat.toml"}, "offbeat.toml:1: "),
    "variable": ({"partition": "3"}, "OFFBEAT_PARTITION: no setting is called so; did you mean OFFBEAT_PARTITIONS?"),
    "value": ({"session_timeout": "10"}, "OFFBEAT_SESSION_TIMEOUT: "),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_before_any_broker_is_asked(name: str, tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text('["cart.abandoned"]\nafter = "1s"\n')
    (tmp_path / "parameters.json").write_text('{"version": 1}')
    (tmp_path / "offbeat.toml").write_text("broker = 'x:1'\n")
    settings, expected = WRONG[name]
    files = {key: str(tmp_path / value) if "." in value else value for key, value in settings.items()}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        if name == "metrics-port":
            files["metrics"] = f"127.0.0.1:{port}"
        line = refused(environment(f"127.0.0.1:{free_port()}", "", **files), 2)
    assert expected.replace("TAKEN", port) in line


def test_a_session_that_the_brokers_refuse(apache_kafka: ApacheKafka) -> None:
    line = refused(deploy(apache_kafka, session_timeout="1s").environ, 2)
    assert line.startswith("session_timeout: the brokers refuse 1 s; set OFFBEAT_SESSION_TIMEOUT to what")


def test_a_group_that_somebody_else_has(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka)
    other = Consumer({"bootstrap.servers": apache_kafka.address, "group.id": to.settings.group_id})
    try:
        other.subscribe([to.topic("carts")])
        while not other.assignment():
            other.poll(0.1)
        line = refused(to.environ, 2)
    finally:
        other.close()
    assert line.startswith(f"group: {to.settings.group_id} has members that are no workers of Offbeat")


def test_a_clock_that_is_hours_ahead(apache_kafka: ApacheKafka, tmp_path: Path) -> None:
    """Apache Kafka 4 takes no records of more than an hour ahead: nothing is decided by such a clock."""
    to = deploy(apache_kafka)
    clock = tmp_path / "clock"
    clock.write_bytes(struct.pack("d", 7_200.0))
    produce(apache_kafka, [to.viewed("c", now(), "e")])
    line = refused({**to.environ, "PYTHONPATH": f"{CLOCK}:{ROOT}", "CHAOS_CLOCK": str(clock)}, 1)
    assert line.startswith("clock: the brokers refuse records with the time of this machine as too far ahead; ")
    assert states(apache_kafka, to.settings) == {}


# --- passwords -------------------------------------------------------------------------------------------------------


def guarded_kafka() -> ApacheKafka:
    """One with a second listener, which lets in alice with her password alone."""
    port = free_port()
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    return ApacheKafka(
        listeners=[[Listener("GUARDED", port, port, "SASL_PLAINTEXT")]],
        properties={
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.guarded.plain.sasl.jaas.config": f'{module} required user_alice="wonderland";',
        },
    )


@pytest.mark.usefixtures("apache_kafka")
def test_passwords() -> None:
    with guarded_kafka() as kafka:
        to = deploy(kafka)
        alice = environment(
            f"127.0.0.1:{kafka.nodes[0].listeners['GUARDED'].port}",
            to.settings.prefix,
            security_protocol="SASL_PLAINTEXT",
            security_mechanism="PLAIN",
            security_user="alice",
            security_password="wonderland",
        )
        line = refused({**alice, "OFFBEAT_SECURITY_PASSWORD": "looking-glass"}, 2)
        assert line.startswith("security: the brokers refuse user alice: ")
        assert line.endswith("; check user and password in OFFBEAT_SECURITY_*")
        assert "looking-glass" not in line
        line = refused({**alice, "OFFBEAT_SECURITY_MECHANISM": "SCRAM-SHA-256"}, 2)
        assert line.startswith("security: the brokers do not know SCRAM-SHA-256; ")
        with running(alice) as worker:
            produce(kafka, [to.viewed("c", now(), "e")])
            worker.wait_metric("offbeat_events_total", 1)


# --- what cannot be written ------------------------------------------------------------------------------------------


def limit(kafka: ApacheKafka, topic: str, size: int) -> None:
    """Let the topic take messages of `size` bytes at the most."""
    change = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    admin = AdminClient({"bootstrap.servers": kafka.address})
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[change])
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(10)


def test_a_batch_that_the_brokers_never_take_ends_the_worker(apache_kafka: ApacheKafka, tmp_path: Path) -> None:
    """It is not tried for ever; when the brokers take it, it is taken once."""
    to = deploy(apache_kafka, partitions="1", rules=rules_of_a_minute(tmp_path, views=1))
    limit(apache_kafka, to.topic("triggers.cart"), 100)
    with Worker(to.environ) as worker:
        worker.wait_ready()
        produce(apache_kafka, [to.viewed("c", now() - 60_000, "e")])
        assert worker.wait() == 1
        assert "offbeat: partition 0: a batch cannot be made durable: MessageSizeTooLargeError" in worker.errors
        found = rf"the record of customer {pseudonym('c')} has \d+ bytes; raise max.message.bytes of "
        assert re.search(found + to.topic("triggers.cart"), worker.errors)
        assert worker.errors.count("a batch failed, taking the partition over anew") == 4
    limit(apache_kafka, to.topic("triggers.cart"), 1 << 20)
    with running(to.environ) as worker:
        worker.wait_metric("offbeat_triggers_total", 1)
    assert [m.json["customer_id"] for m in read_all(apache_kafka, [to.topic("triggers.cart")])] == ["c"]


# --- events that are gone --------------------------------------------------------------------------------------------


def delete_events(kafka: ApacheKafka, topic: str, before: int) -> None:
    """As retention does: partition 0 begins at `before` now."""
    admin = AdminClient({"bootstrap.servers": kafka.address})
    for done in admin.delete_records([Place(topic, 0, before)]).values():
        done.result(10)


def test_a_group_that_the_brokers_have_forgotten_goes_on_from_its_marks(apache_kafka: ApacheKafka) -> None:
    """After a week in which nobody was there: what was taken is not taken again, and nothing is passed."""
    to = deploy(apache_kafka, partitions="1")
    for begin in (0, 5):
        with running(to.environ) as worker:
            produce(apache_kafka, [to.viewed(f"c{n}", now(), f"e{n}") for n in range(begin, begin + 5)])
            worker.wait_metric("offbeat_events_total", 5)
            assert worker.metric("offbeat_events_total") == 5
        client = AdminClient({"bootstrap.servers": apache_kafka.address})
        for gone in client.delete_consumer_groups([to.settings.group_id]).values():
            gone.result(10)
    assert len(states(apache_kafka, to.settings)) == 10


def test_events_that_were_deleted_unread_are_not_passed_in_silence(apache_kafka: ApacheKafka) -> None:
    """While the worker is frozen, and when it starts again."""
    to = deploy(apache_kafka, partitions="1")
    carts = to.topic("carts")
    with Worker(to.environ) as worker:
        worker.wait_ready()
        produce(apache_kafka, [to.viewed("c0", now(), "e0")])
        worker.wait_metric("offbeat_events_total", 1)
        worker.send(signal.SIGSTOP)
        time.sleep(0.5)  # the broker answers the fetch that it holds
        produce(apache_kafka, [to.viewed(f"c{n}", now(), f"e{n}") for n in range(1, 10)])
        delete_events(apache_kafka, carts, 8)
        worker.send(signal.SIGCONT)
        assert worker.wait() == 1
        assert f"offbeat: {carts}[0]: offset 1, the next to be taken, is not there: " in worker.errors
    line = refused(to.environ, 1)
    assert line.startswith(f"{carts}[0]: the next offset is 1, but the topic begins at 8: 7 events were")


@pytest.mark.parametrize("events", [0, 5, 9], ids=["shorter", "as-long", "longer"])
def test_a_topic_that_was_made_anew_is_not_read_from_anywhere(apache_kafka: ApacheKafka, events: int) -> None:
    """While no worker runs, and whatever it holds by now: its offsets are of other events."""
    to = deploy(apache_kafka, partitions="1")
    carts = to.topic("carts")
    with running(to.environ) as worker:
        produce(apache_kafka, [to.viewed(f"c{n}", now(), f"e{n}") for n in range(5)])
        worker.wait_metric("offbeat_events_total", 5)
    admin = AdminClient({"bootstrap.servers": apache_kafka.address})
    for done in admin.delete_topics([carts]).values():
        done.result(10)
    made = False
    while not made:  # deletion goes on for a moment
        create(to.settings)
        made = carts in admin.list_topics(timeout=10).topics
    produce(apache_kafka, [to.viewed(f"d{n}", now(), f"f{n}") for n in range(events)])
    line = refused(to.environ, 1)
    assert line.startswith(f"topic {carts} was made anew since its events were last taken: ")
    assert len(states(apache_kafka, to.settings)) == 5
