"""`offbeat doctor`: what it looks at, what it finds, what it says to do."""

import json
import socket
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer
from redis import Redis

from streams import checkup
from streams.brokers.embedded import EmbeddedBroker, free_port
from streams.brokers.topics import look
from streams.checkup import Check
from streams.commands import run
from streams.settings import Settings
from tests.support.brokers import ApacheKafka
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.usefixtures("own_directory")


def checks_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Check]]:
    status = run(["doctor", "--json", "--metrics", f"127.0.0.1:{free_port()}", *arguments])
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["checks"]
    return status, {check["name"]: Check(**check) for check in told["checks"]}


def test_doctor_on_a_broker_without_transactions(
    embedded_broker: EmbeddedBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--brokers", embedded_broker.address, "--prefix", "doctor-test."]
    status, told = checks_of(capsys, *where)
    assert status == 1
    assert {name for name, check in told.items() if not check.ok} == {"topics", "transactions"}
    assert "OFFBEAT_DELIVERY=at_least_once" in told["transactions"].advice
    assert told["topics"].advice == "run: offbeat topics create"
    assert run(["topics", "create", *where]) == 0
    capsys.readouterr()
    status, told = checks_of(capsys, *where, "--delivery", "at_least_once")
    assert (status, [name for name, check in told.items() if not check.ok]) == (0, [])
    assert told["clock"].detail.startswith("not compared")


def test_doctor_on_apache_kafka(apache_kafka: ApacheKafka, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--brokers", apache_kafka.address, "--prefix", "doctor-test."]
    assert run(["topics", "create", *where]) == 0
    capsys.readouterr()
    status, told = checks_of(capsys, *where)
    assert (status, [name for name, check in told.items() if not check.ok]) == (0, [])
    assert told["transactions"].detail.startswith("supported")
    assert told["clock"].detail.startswith("differs from the broker's by less than")
    transactions = look(Settings(brokers=apache_kafka.address)).transactions
    assert transactions is not None
    assert transactions.configs["min.insync.replicas"] == "1"


def test_doctor_notices_a_wrong_clock(
    apache_kafka: ApacheKafka, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ["--brokers", apache_kafka.address, "--prefix", "doctor-clock."]
    assert run(["topics", "create", *where]) == 0
    capsys.readouterr()
    true_time = time.time
    for off, side in ((7_200, "ahead of"), (-7_200, "behind")):
        monkeypatch.setattr("streams.brokers.transactions.time.time", lambda off=off: true_time() + off)
        status, told = checks_of(capsys, *where)
        assert (status, told["clock"].ok) == (1, False)
        assert told["clock"].detail in {f"{abs(off) + d} s {side} the broker's" for d in (-1, 0, 1)}
        assert "NTP" in told["clock"].advice


def test_doctor_notices_a_transaction_that_nobody_ends(
    apache_kafka: ApacheKafka, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A young one is nothing special, and neither is what is committed before it."""
    where = ["--brokers", apache_kafka.address, "--prefix", "doctor-stuck."]
    assert run(["topics", "create", *where]) == 0
    producer = Producer({"bootstrap.servers": apache_kafka.address, "transactional.id": "doctor-stuck"})
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce("doctor-stuck.carts", b"{}", partition=1)
    producer.commit_transaction(10)
    producer.begin_transaction()
    producer.produce("doctor-stuck.carts", b"{}", partition=1)
    assert producer.flush(10) == 0
    capsys.readouterr()
    try:
        status, told = checks_of(capsys, *where)
        assert (status, told["open transactions"].detail) == (0, "none is older than 15 minutes")
        monkeypatch.setattr("streams.brokers.stuck.OLD_SECONDS", -1.0)
        status, told = checks_of(capsys, *where)
    finally:
        producer.abort_transaction(10)
    assert status == 1
    check = told["open transactions"]
    assert check.detail == "older than 15 minutes: doctor-stuck.carts[1] at offset 2; nothing that follows is read"
    assert check.advice.endswith(" abort --topic doctor-stuck.carts --partition 1 --start-offset 2")
    status, told = checks_of(capsys, *where)
    assert (status, told["open transactions"].ok) == (0, True)


def test_doctor_without_brokers_checks_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    status, told = checks_of(capsys, "--brokers", "127.0.0.1:9,127.0.0.1:10")
    assert status == 1
    assert [name for name, check in told.items() if not check.ok] == ["broker 127.0.0.1:9", "broker 127.0.0.1:10"]
    assert list(told)[2:] == ["state directory", "redis", "rules", "parameters", "metrics port"]


def local(settings: Settings) -> dict[str, Check]:
    """The checks that need no broker."""
    looks = (checkup._state_directory, checkup._redis, checkup._rules, checkup._parameters, checkup._metrics)
    return {check.name: check for check in (look(settings) for look in looks)}


def test_each_local_check_can_fail_and_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("{")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(
            state_dir=file / "state",
            redis="redis://:s3cret@127.0.0.1:9/0",
            rules=file,
            parameters=file,
            metrics=f"127.0.0.1:{taken.getsockname()[1]}",
        )
        told = local(settings)
    assert not [check.name for check in told.values() if check.ok or not check.advice or "s3cret" in str(check)]


def test_each_local_check_passes_with_what_is_right(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    rules = tmp_path / "rules.toml"
    rules.write_text("[guards]\nholdout = 0.1")
    told = local(Settings(state_dir=state, rules=rules, metrics=f"127.0.0.1:{free_port()}"))
    assert all(check.ok for check in told.values())
    assert "not applied" in told["rules"].detail
    assert list(state.iterdir()) == []
    told = local(Settings(state_dir=tmp_path / "new" / "state", metrics=""))
    assert (told["state directory"].detail, told["metrics port"].ok) == (f"{tmp_path}/new/state will be made", True)
    assert not (tmp_path / "new").exists()


def test_redis_that_takes_views_is_well(redis_server: RedisServer) -> None:
    assert checkup._redis(Settings(redis=redis_server.url)) == Check("redis", True, "takes views: one server")


def test_redis_that_takes_no_views_is_not(own_redis: RedisServer) -> None:
    with Redis.from_url(own_redis.url) as client:
        client.config_set("maxmemory", "1")
        full = checkup._redis(Settings(redis=own_redis.url))
        client.config_set("maxmemory", "0")
        client.config_set("requirepass", "s3cret")
        refused = checkup._redis(Settings(redis=own_redis.url))
    assert (full.ok, full.detail) == (False, "has no memory left")
    assert "maxmemory" in full.advice
    assert (refused.ok, refused.detail) == (False, "refuses user or password")
    assert "OFFBEAT_REDIS" in refused.advice
