"""The metrics port: what it answers, whoever else is connected."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from streams.brokers.embedded import free_port
from streams.watch import metricserver
from streams.watch.metrics import Metrics
from streams.watch.metricserver import serve_metrics
from streams.watch.status import STILL_SECONDS, Status


class Port:
    """A metrics port, and the clock by which it judges."""

    def __init__(self) -> None:
        self.now = 0.0
        self.registry = CollectorRegistry()
        Metrics(self.registry)
        self.status = Status(lambda: self.now)
        self.number = 0

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.number}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def health(self) -> tuple[int, Any]:
        status, text = self.get("/health")
        return status, json.loads(text)


@pytest.fixture
def port() -> Iterator[Port]:
    found = Port()
    with serve_metrics(f"127.0.0.1:{free_port()}", found.registry, found.status) as found.number:
        yield found


def test_a_frozen_partition_is_red_and_alive(port: Port) -> None:
    port.status.partition(0, ages=True).live()
    port.status.partition(1, ages=True).live()
    port.status.live()
    assert (port.get("/live")[0], port.get("/ready")[0], port.health()[0]) == (200, 200, 200)
    port.now += STILL_SECONDS + 1
    port.status.beat()
    port.status.partition(1, ages=True).moved()
    assert (port.get("/live")[0], port.get("/ready")[0]) == (200, 503)
    status, told = port.health()
    assert status == 503
    assert {number: partition["phase"] for number, partition in told["partitions"].items()} == {
        "0": "frozen",
        "1": "live",
    }


def test_a_loop_that_hangs_is_told_of_all_the_same(port: Port) -> None:
    port.now += STILL_SECONDS
    assert port.get("/live") == (503, '{"live": false}\n')
    assert port.health()[0] == 503
    assert "offbeat_events_total" in port.get("/metrics")[1]


def test_whoever_connects_and_asks_nothing_holds_nobody_up(port: Port) -> None:
    with socket.create_connection(("127.0.0.1", port.number)), socket.create_connection(("127.0.0.1", port.number)):
        assert port.get("/live")[0] == 200
        assert port.get("/metrics")[0] == 200


def test_whoever_asks_nothing_is_let_go_without_a_word(
    port: Port, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(metricserver._Handler, "timeout", 0.05)
    with socket.create_connection(("127.0.0.1", port.number), timeout=20) as silent:
        assert silent.recv(1) == b""
    assert port.get("/live")[0] == 200
    assert capfd.readouterr().err == ""
