"""Topics: what differs is found and told with its remedy; brokers are asked without leaving traces."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient

from streams.brokers.embedded import EmbeddedBroker
from streams.brokers.topicfacts import Cluster, Difference, Found, every
from streams.brokers.topicplan import DEAD_LETTER_BYTES, compare, wanted
from streams.brokers.topics import BrokerError, admin, check, create, look, unreachable
from streams.settings import Security, Settings
from tests.support.brokers import ApacheKafka

SETTINGS = Settings()


def cluster(brokers: int = 1, /, **changed: Mapping[str, Any]) -> Cluster:
    """A cluster as `create` would have made it, with some topics (by setting) changed."""
    found = {t.name: Found(t.partitions, t.replication, t.configs) for t in wanted(SETTINGS, Cluster(brokers, {}))}
    for key, values in changed.items():
        name = SETTINGS.topic(key)
        found[name] = replace(found[name], **values)
    return Cluster(brokers, found)


def only(differences: list[Difference]) -> Difference:
    assert len(differences) == 1
    return differences[0]


@pytest.mark.parametrize("brokers", [1, 3])
def test_topics_as_made_do_not_differ(brokers: int) -> None:
    assert compare(SETTINGS, cluster(brokers)) == []


def test_copies_follow_the_brokers_unless_set() -> None:
    assert [wanted(SETTINGS, Cluster(n, {}))[0].replication for n in (0, 1, 2, 3, 5)] == [1, 1, 2, 3, 3]
    assert wanted(Settings(replication=2), Cluster(5, {}))[0].replication == 2
    assert wanted(SETTINGS, Cluster(3, {}))[0].configs["min.insync.replicas"] == "2"


def test_existing_sources_set_the_number_of_partitions() -> None:
    there = Cluster(1, {"carts": Found(12, 1, {})})
    assert {topic.partitions for topic in wanted(SETTINGS, there) if topic.name != SETTINGS.published} == {12}
    assert {topic.partitions for topic in wanted(SETTINGS, Cluster(1, {})) if topic.name != SETTINGS.published} == {4}


def test_parameters_have_one_partition() -> None:
    for there in (Cluster(1, {}), Cluster(1, {"carts": Found(12, 1, {})})):
        (topic,) = [topic for topic in wanted(SETTINGS, there) if topic.name == SETTINGS.published]
        assert (topic.partitions, topic.configs["cleanup.policy"]) == (1, "compact")
    difference = only(compare(SETTINGS, cluster(parameters={"partitions": 4})))
    assert (difference.topic, difference.what) == (SETTINGS.published, "has 4 partitions, and must have one")
    assert "offbeat topics create" in difference.advice
    assert difference.must


def test_a_missing_topic_must_be_made() -> None:
    there = cluster()
    gone = Cluster(1, {name: found for name, found in there.found.items() if name != "segments"})
    difference = only(compare(SETTINGS, gone))
    assert (difference.topic, difference.what, difference.must) == ("segments", "is missing", True)
    assert difference.advice == "run: offbeat topics create"
    assert len(compare(SETTINGS, Cluster(1, {}))) == len(every(SETTINGS)) == 12


@pytest.mark.parametrize("topic", ["purchases", "carts", "customers", "changelog"])
def test_unequal_partitions_must_be_mended(topic: str) -> None:
    difference = only(compare(SETTINGS, cluster(**{topic: {"partitions": 1}})))
    assert difference.topic == SETTINGS.topic(topic)
    assert difference.what.startswith("has 1 partition, ")
    assert f"--alter --topic {SETTINGS.topic(topic)} --partitions 4" in difference.advice
    assert difference.must


def test_outputs_may_have_any_number_of_partitions() -> None:
    assert compare(SETTINGS, cluster(triggers_cart={"partitions": 1}, dead_letters={"partitions": 30})) == []


@pytest.mark.parametrize("policy", [{"cleanup.policy": "delete"}, {"cleanup.policy": "compact,delete"}, {"x": "y"}])
@pytest.mark.parametrize("topic", ["changelog", "parameters"])
def test_what_workers_keep_must_be_compacted_and_only_that(topic: str, policy: dict[str, str]) -> None:
    difference = only(compare(SETTINGS, cluster(**{topic: {"configs": policy}})))
    assert difference.must
    assert "--add-config cleanup.policy=compact" in difference.advice


def test_dead_letters_must_take_what_the_sources_take() -> None:
    small = {"configs": {"max.message.bytes": "1000"}}
    difference = only(compare(SETTINGS, cluster(dead_letters=small)))
    assert f"max.message.bytes={DEAD_LETTER_BYTES}" in difference.advice
    large = {"configs": {"max.message.bytes": str(DEAD_LETTER_BYTES + 1)}}
    assert f"max.message.bytes={DEAD_LETTER_BYTES + 1}" in only(compare(SETTINGS, cluster(carts=large))).advice
    assert compare(SETTINGS, cluster(dead_letters=large, carts=large)) == []


def test_what_brokers_do_not_tell_is_said_and_no_failure() -> None:
    told = compare(SETTINGS, cluster(changelog={"configs": {}}, dead_letters={"configs": {}}))
    assert [(d.topic, d.must) for d in told] == [("offbeat-changelog", False), ("dead-letters", False)]
    assert all("could not be checked" in d.what for d in told)


def test_topics_that_take_small_messages_alone_are_a_warning() -> None:
    small = {"configs": {"cleanup.policy": "compact", "max.message.bytes": "1000"}}
    told = compare(SETTINGS, cluster(changelog=small, parameters=small))
    assert [(d.topic, d.must) for d in told] == [("offbeat-changelog", False), ("offbeat-parameters", False)]
    assert told[0].what.endswith("larger batches are refused, which stops the worker")
    assert told[1].what.endswith("larger samples are refused, and not learnt from")


def test_few_copies_are_a_warning_where_there_are_brokers_for_more() -> None:
    difference = only(compare(SETTINGS, cluster(3, carts={"replication": 1})))
    assert not difference.must
    assert "1 copy of each partition" in difference.what
    assert compare(SETTINGS, cluster(2, carts={"replication": 1})) == []
    loose = {"configs": {"min.insync.replicas": "1", "unclean.leader.election.enable": "true"}}
    assert [d.must for d in compare(SETTINGS, cluster(3, carts=loose))] == [False, False]


def test_transactions_need_copies_too() -> None:
    """The brokers' own topic of them is found where there are any, and is no topic of ours."""
    told = Found(50, 1, {"min.insync.replicas": "1"})
    there = replace(cluster(3), transactions=told)
    difference = only(compare(SETTINGS, there))
    assert (difference.topic, difference.must) == ("__transaction_state", False)
    assert "1 copy of each partition" in difference.what
    assert compare(replace(SETTINGS, delivery="at_least_once"), there) == []
    difference = only(compare(SETTINGS, replace(there, transactions=replace(told, replication=3))))
    assert "--entity-name __transaction_state --add-config min.insync.replicas=2" in difference.advice


def test_what_must_be_mended_comes_first() -> None:
    told = compare(SETTINGS, cluster(3, customers={"replication": 1}, changelog={"partitions": 1}))
    assert [d.must for d in told] == [True, False]


def on(address: str, prefix: str) -> Settings:
    return Settings(brokers=address, prefix=prefix, partitions=3)


def assert_created_and_checked(settings: Settings) -> None:
    assert len([d for d in check(settings) if d.what == "is missing"]) == 12
    assert not [name for name in look(settings).found if name in every(settings)], "asking must not make topics"
    made, differences = create(settings)
    assert (sorted(topic.name for topic in made), differences) == (sorted(every(settings)), [])
    assert create(settings) == ([], [])
    assert check(settings) == []
    found = look(settings).found
    assert {name: topic.partitions for name, topic in found.items() if topic.partitions != 3} == {settings.published: 1}
    assert found[settings.changelog].configs["cleanup.policy"] == "compact"
    assert found[settings.topic("dead_letters")].configs["max.message.bytes"] == str(DEAD_LETTER_BYTES)


def test_topics_on_the_embedded_broker(embedded_broker: EmbeddedBroker) -> None:
    assert_created_and_checked(on(embedded_broker.address, "topics-test."))


def test_topics_on_apache_kafka(apache_kafka: ApacheKafka) -> None:
    assert_created_and_checked(on(apache_kafka.address, "topics-test."))


def test_topics_somebody_else_made_wrong_are_told_and_left_alone(embedded_broker: EmbeddedBroker) -> None:
    settings = on(embedded_broker.address, "topics-wrong.")
    client = KafkaAdminClient(bootstrap_servers=[embedded_broker.address])
    client.create_topics({settings.topic("carts"): {"num_partitions": 5, "replication_factor": 1}})
    client.create_topics({settings.changelog: {"num_partitions": 2, "replication_factor": 1}})
    client.close()
    made, differences = create(settings)
    assert {topic.partitions for topic in made if topic.name != settings.published} == {5}
    changelog = [d for d in differences if d.topic == settings.changelog]
    assert any("has 2 partitions" in d.what for d in changelog)
    assert look(settings).found[settings.changelog].partitions == 2


def test_a_broker_that_refuses_a_topic_is_told(apache_kafka: ApacheKafka) -> None:
    settings = replace(on(apache_kafka.address, "topics-refused."), replication=7)
    with pytest.raises(BrokerError, match=r"topic topics-refused\.customers could not be made: .*eplication"):
        create(settings)


def test_no_broker_is_told_at_once_with_what_to_do() -> None:
    with pytest.raises(
        BrokerError, match=r"no broker at 127\.0\.0\.1:9,no\.invalid:9 \(.*\); start it, or set OFFBEAT"
    ):
        look(Settings(brokers="127.0.0.1:9,no.invalid:9"))


def test_one_broker_of_two_is_enough(embedded_broker: EmbeddedBroker) -> None:
    assert look(Settings(brokers=f"127.0.0.1:9,{embedded_broker.address}", prefix="none.")).brokers == 1


def test_what_is_no_broker_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with (
            pytest.raises(BrokerError, match=f"what listens at {address} does not answer as a Kafka broker"),
            admin(Settings(brokers=address), seconds=0.5),
        ):
            pass


def test_a_broker_without_tls_is_told(embedded_broker: EmbeddedBroker) -> None:
    """The client itself would wait for the handshake forever."""
    host, _, port = embedded_broker.address.partition(":")
    context = Security(protocol="SSL").ssl_context()
    assert unreachable(host, int(port), context, seconds=0.3) == "no answer"
    assert unreachable(host, int(port)) is None


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
def test_a_broker_that_is_not_trusted_is_told(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(2):
                connection = server.accept()[0]
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        stranger = unreachable("127.0.0.1", port, Security(protocol="SSL").ssl_context())
        trusted = unreachable("127.0.0.1", port, Security(protocol="SSL", ca=certificate).ssl_context())
        thread.join()
    assert (stranger, trusted) == ("self-signed certificate", None)
