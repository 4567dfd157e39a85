"""Topics that are not as workers need them, on Apache Kafka."""

import time
from collections.abc import Callable, Mapping

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions

from streams.brokers.topics import look
from streams.settings import Settings
from tests.streams.doctor.finding import checks, failed, finds
from tests.support.brokers import ApacheKafka
from tests.support.workers import Deployment, deploy

pytestmark = pytest.mark.usefixtures("own_directory")


def local(to: Deployment, **changed: str) -> Settings:
    """Its settings, without a metrics port."""
    return Deployment(to.broker, {**to.environ, "OFFBEAT_METRICS": "", **changed}).settings


def configs(to: Deployment, topic: str) -> Mapping[str, str]:
    """Settings of a topic, as the brokers tell them."""
    return look(to.settings).found[to.topic(topic)].configs


def wait_for(what: Callable[[], bool]) -> None:
    """Brokers tell of a change a moment later."""
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def configure(to: Deployment, topic: str, **configs: str) -> None:
    """Change settings of a topic; a `_` stands for a dot."""
    entries = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for name, value in configs.items()
    ]
    resource = ConfigResource(ConfigResource.Type.TOPIC, to.topic(topic), incremental_configs=entries)
    admin = AdminClient({"bootstrap.servers": to.broker.address})
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(30)


@finds("Topics that are missing or unequal", "topics")
def test_a_topic_that_is_missing(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka)
    admin = AdminClient({"bootstrap.servers": apache_kafka.address})
    for done in admin.delete_topics([to.topic("carts")]).values():
        done.result(30)
    wait_for(lambda: to.topic("carts") not in look(to.settings).found)
    told = checks(local(to))
    assert failed(told) == {"topics"}
    assert told["topics"].detail == f"{to.topic('carts')} is missing"
    assert told["topics"].advice == "run: offbeat topics create"
    assert told["lag"].detail == "not looked at: topics come first"


@finds("Topics that are missing or unequal", "topics")
def test_partitions_that_differ(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka)
    admin = AdminClient({"bootstrap.servers": apache_kafka.address})
    for done in admin.create_partitions([NewPartitions(to.topic("carts"), 4)]).values():
        done.result(30)
    wait_for(lambda: look(to.settings).found[to.topic("carts")].partitions == 4)
    told = checks(local(to))
    assert failed(told) == {"topics"}
    assert f"has 2 partitions, {to.topic('carts')} has 4" in told["topics"].detail
    assert "offbeat topics repartition" in told["topics"].advice


@finds("Topics that are set otherwise", "topics")
def test_settings_of_topics(apache_kafka: ApacheKafka) -> None:
    """What stops a worker fails; what may stop it one day is a note."""
    to = deploy(apache_kafka)
    configure(to, "purchases", retention_ms="3600000")
    configure(to, "segments", max_message_bytes="10000")
    wait_for(lambda: configs(to, "segments").get("max.message.bytes") == "10000")
    told = checks(local(to))
    assert (failed(told), told["topics"].mark) == (set(), "note")
    assert f"{to.topic('purchases')} keeps events for 1.0 hours" in told["topics"].detail
    assert f"{to.topic('segments')} takes 10000 bytes a message" in told["topics"].detail
    assert "retention.ms=" in told["topics"].advice
    assert "max.message.bytes=" in told["topics"].advice
    configure(to, "changelog", cleanup_policy="delete")
    configure(to, "dead_letters", max_message_bytes="1000")
    wait_for(lambda: configs(to, "dead_letters").get("max.message.bytes") == "1000")
    told = checks(local(to))
    assert failed(told) == {"topics"}
    assert "has cleanup.policy=delete: states of customers would be lost" in told["topics"].detail
    assert "takes 1000 bytes a message, the sources take" in told["topics"].detail


@finds("Copies that are away", "replicas")
@finds("OffbeatFrozen", "replicas")
def test_copies_that_are_not_in_sync(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka, partitions="1")
    assert checks(local(to))["replicas"].mark == "ok"
    configure(to, "changelog", min_insync_replicas="2")
    wait_for(lambda: configs(to, "changelog").get("min.insync.replicas") == "2")
    told = checks(local(to))
    assert failed(told) == {"replicas"}
    assert told["replicas"].detail == (
        f"{to.topic('changelog')}[0] (1 of 1 copies, 2 must be written) has too few copies in sync: nothing can be "
        "written"
    )


@finds("A session that the brokers refuse", "session timeout")
def test_a_session_that_the_brokers_refuse(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka)
    told = checks(local(to, OFFBEAT_SESSION_TIMEOUT="1s"))
    assert failed(told) == {"session timeout"}
    assert told["session timeout"].detail == "1 s, and the brokers allow 6 s to 1800 s"
    assert told["session timeout"].advice.startswith("set OFFBEAT_SESSION_TIMEOUT to 6s, or change group.min.session")
