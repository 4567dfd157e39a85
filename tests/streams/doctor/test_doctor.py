"""`offbeat doctor`, the command; and what brokers have of transactions and clocks."""

import json
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer

from streams.brokers.embedded import EmbeddedBroker, free_port
from streams.brokers.topics import look
from streams.commands import run
from streams.doctor.check import Check
from streams.settings import Settings
from tests.streams.doctor.finding import finds, note
from tests.support.brokers import ApacheKafka

pytestmark = pytest.mark.usefixtures("own_directory")


def checks_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Check]]:
    status = run(["doctor", "--json", "--metrics", f"127.0.0.1:{free_port()}", *arguments])
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["checks"]
    found = {check["name"]: Check(**check) for check in told["checks"]}
    note(*found.values())
    return status, found


@finds("Brokers without transactions", "transactions")
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


@finds("A clock that is wrong", "clock")
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


@finds("A transaction that nobody ends", "open transactions")
@finds("OffbeatFrozen", "open transactions")
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


@finds("Brokers that are away", "broker")
def test_doctor_without_brokers_checks_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    status, told = checks_of(capsys, "--brokers", "127.0.0.1:9,127.0.0.1:10")
    assert status == 1
    assert [name for name, check in told.items() if not check.ok] == ["broker 127.0.0.1:9", "broker 127.0.0.1:10"]
    assert list(told)[2:] == ["state directory", "redis", "rules", "parameters", "metrics port"]


def test_doctor_shows_marks_and_advice(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("[guards]\nholdout = 0.1")
    assert run(["doctor", "--brokers", "127.0.0.1:9", "--metrics", "", "--rules", str(rules)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("FAILED  broker 127.0.0.1:9  ")
    assert "  -> start it, or set OFFBEAT_BROKERS" in lines[0]
    (noted,) = [line for line in lines if line.startswith("note")]
    assert "not applied" in noted
    assert noted.endswith("  -> mend it, unless it is meant so")
    assert "ok  metrics port  off: no address is set" in lines


def test_workers_are_named_by_their_addresses(capsys: pytest.CaptureFixture[str]) -> None:
    place = f"127.0.0.1:{free_port()}"
    _, told = checks_of(capsys, "--brokers", "127.0.0.1:9", "--worker", place)
    assert told[f"worker {place}"].detail.startswith("does not answer")
    assert run(["doctor", "--worker", "nowhere"]) == 2
    assert '"nowhere" is not allowed; give host:port' in capsys.readouterr().err
