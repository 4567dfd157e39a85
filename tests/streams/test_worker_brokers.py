"""Brokers that come late, go away, come back, or are elsewhere: what a worker does meanwhile and then."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.brokers.embedded import EmbeddedBroker
from streams.brokers.topics import create
from tests.support.brokers import ApacheKafka
from tests.support.proxy import Proxy
from tests.support.topics_io import now, produce, read_all, states
from tests.support.workers import Deployment, Worker, deploy, environment, rules_of_a_minute, running

NIGHT = 3.0
"""Seconds: longer than brokers keep a connection on which nothing comes."""


@pytest.fixture(scope="module")
def kafka(request: pytest.FixtureRequest) -> Iterator[ApacheKafka]:
    """One that tests may stop; they leave it running. Skipped where the common one is."""
    request.getfixturevalue("apache_kafka")
    with ApacheKafka() as broker:
        yield broker


def test_brokers_that_come_later_are_waited_for(kafka: ApacheKafka) -> None:
    to = deploy(kafka)
    kafka.stop()
    with Worker(to.environ) as worker:
        worker.wait_told(f"waiting: no broker at {kafka.address} (Connection refused); start it")
        assert worker.get("/live")[0] == 200
        assert worker.get("/ready")[0] == 503
        assert worker.health()["phase"] == "waiting for brokers"
        assert worker.metric("offbeat_info", delivery="exactly_once") == 1
        time.sleep(2.5)
        assert worker.errors.count("waiting: ") == 1  # it says so once, not with each attempt
        kafka.restart()
        worker.wait_ready()
        assert worker.get("/ready")[0] == 200
        assert "a broker answers: going on" in worker.errors
        assert worker.stop() == 0


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_brokers_that_go_away_and_come_back(kafka: ApacheKafka, how: str, tmp_path: Path) -> None:
    """With a timer due meanwhile and a batch on its way; what comes out is exact."""
    to = deploy(kafka, rules=rules_of_a_minute(tmp_path, views=1))
    at = now()
    with running(to.environ) as worker:
        produce(kafka, [to.viewed(f"due-{n}", at - 58_000, f"a{n}") for n in range(10)])
        worker.wait_metric("offbeat_events_total", 10)
        (kafka.stop if how == "stop" else kafka.kill)()
        worker.wait_told(f"waiting: no broker at {kafka.address} answers for group {to.settings.group_id}")
        time.sleep(1)
        assert worker.errors.count("waiting: ") == 1
        assert worker.get("/live")[0] == 200
        kafka.restart()
        produce(kafka, [to.viewed(f"later-{n}", at - 61_000, f"b{n}") for n in range(10)])
        worker.wait_metric("offbeat_triggers_total", 20, seconds=60)
        worker.wait_told("a broker answers: going on")
    triggers = [m.json["customer_id"] for m in read_all(kafka, [to.topic("triggers.cart")])]
    customers = [f"{when}-{n}" for when in ("due", "later") for n in range(10)]
    assert sorted(triggers) == customers  # each once
    assert sorted(key.decode() for key in states(kafka, to.settings)) == customers


def test_a_worker_stops_while_the_brokers_are_away(kafka: ApacheKafka, tmp_path: Path) -> None:
    """With a batch that cannot be made durable: it comes again, and its triggers are sent once."""
    to = deploy(kafka, rules=rules_of_a_minute(tmp_path, views=1))
    with Worker(to.environ) as worker:
        worker.wait_ready()
        produce(kafka, [to.viewed(f"c{n}", now() - 57_000, f"e{n}") for n in range(10)])
        worker.wait_metric("offbeat_events_total", 10)
        kafka.kill()
        worker.wait_told("waiting: no broker at")
        time.sleep(3)  # now the timers are due, and the partitions are on their way to the brokers
        worker.send(signal.SIGTERM)
        time.sleep(0.2)
        assert worker.stop() == 0
        assert "Traceback" not in worker.errors
    kafka.restart()
    with Worker(to.environ) as worker:
        worker.wait_ready()
        worker.wait_metric("offbeat_triggers_total", 10)
        assert worker.stop() == 0
    triggers = read_all(kafka, [to.topic("triggers.cart")])
    assert sorted(m.json["customer_id"] for m in triggers) == sorted(f"c{n}" for n in range(10))


def test_brokers_that_restart_while_a_worker_joins(kafka: ApacheKafka) -> None:
    """A broker that has just started answers before it knows its topics: nobody may be left without partitions."""
    to = deploy(kafka, partitions="4")
    with Worker(to.environ) as worker:
        worker.wait_until(lambda: worker.phase == "joining")
        kafka.kill()
        time.sleep(0.5)
        kafka.restart()
        worker.wait_ready()
        worker.wait_until(lambda: worker.metric("offbeat_partition_live") == 4)
        assert worker.stop() == 0


def test_brokers_that_are_elsewhere() -> None:
    """A name that all ask leads to new ones; a client goes on asking those that it was told of at first."""
    with Proxy() as proxy, EmbeddedBroker() as before:
        name = proxy.link(int(before.address.rpartition(":")[2]))
        to = Deployment(before, environment(f"127.0.0.1:{name.port}", "elsewhere.", delivery="at_least_once"))
        create(to.settings)
        with Worker(to.environ) as worker, EmbeddedBroker() as after:
            worker.wait_ready()
            name.target = int(after.address.rpartition(":")[2])
            before.stop()
            assert worker.wait(60) == 75
            assert f"the brokers are elsewhere now, at {after.address}" in worker.errors


def test_a_quiet_night(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Brokers close connections on which nothing comes; the first events of the morning find them closed."""
    request.getfixturevalue("apache_kafka")
    with ApacheKafka(properties={"connections.max.idle.ms": "1000"}) as kafka:
        to = deploy(kafka, rules=rules_of_a_minute(tmp_path, views=1))
        with running(to.environ) as worker:
            for night in range(3):
                time.sleep(NIGHT)
                produce(kafka, [to.viewed(f"{night}-{n}", now() - 61_000, f"e{night}-{n}") for n in range(10)])
                worker.wait_metric("offbeat_triggers_total", 10 * (night + 1), seconds=10)
            assert worker.metric("offbeat_batches_failed_total") == 0
        triggers = [m.json["customer_id"] for m in read_all(kafka, [to.topic("triggers.cart")])]
    assert sorted(triggers) == sorted(f"{night}-{n}" for night in range(3) for n in range(10))
