"""What doctor hears from workers: a real metrics port, and metrics of a worker that is not well behind it."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry, ProcessCollector

from streams.brokers.embedded import free_port
from streams.doctor import worker as doctored
from streams.doctor.check import Check
from streams.doctor.port import metrics_port
from streams.doctor.worker import workers
from streams.refit.records import Tried
from streams.settings import Settings
from streams.watch.metrics import Metrics
from streams.watch.metricserver import serve_metrics
from streams.watch.status import Status
from tests.streams.doctor.finding import finds, note
from tests.support.workers import Worker, environment


class Port:
    """A metrics port, with what is behind it."""

    def __init__(self, version: str) -> None:
        self.seconds = 0.0
        self.status = Status(lambda: self.seconds)
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.metrics = Metrics(registry)
        self.metrics.info.labels(version, "exactly_once").set(1)
        self.address = f"127.0.0.1:{free_port()}"

    def found(self) -> dict[str, Check]:
        """The checks that are not well, by their names without the worker's."""
        told = list(workers([self.address]))
        note(*told)
        return {check.name.removeprefix(f"worker {self.address}"): check for check in told if check.mark != "ok"}


@contextmanager
def port(version: str = "0.1.0", *, ready: bool = True) -> Iterator[Port]:
    found = Port(version)
    if ready:
        found.status.partition(0, ages=True).live()
        found.status.live()
    with serve_metrics(found.address, found.metrics.registry, found.status):
        yield found


def test_a_worker_that_is_well() -> None:
    with port() as at:
        (first, *rest) = list(workers([at.address]))
        assert (first.mark, first.detail) == ("ok", "version 0.1.0, ready, 1 partitions")
        assert [check.mark for check in rest] == ["ok"] * (len(doctored.LOOKS) - 1)


@finds("OffbeatAllDown", "worker")
@finds("OffbeatDown", "worker")
def test_a_worker_that_does_not_answer() -> None:
    (told,) = workers([f"127.0.0.1:{free_port()}"])
    note(told)
    assert (told.ok, told.detail) == (False, "does not answer: [Errno 111] Connection refused")
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.MonkeyPatch.context() as patch:
        patch.setattr(doctored, "_ANSWER_SECONDS", 0.2)
        (told,) = workers([f"127.0.0.1:{silent.getsockname()[1]}"])
    assert (told.ok, told.detail) == (False, "does not answer: timed out")


@finds("OffbeatLoopStuck", "worker")
def test_a_loop_that_is_stuck() -> None:
    with port() as at:
        at.seconds = 42.0
        (told,) = at.found().values()
        assert (told.ok, told.detail) == (False, "its event loop has not turned for 42 s")


@finds("OffbeatFrozen", "worker")
def test_a_partition_that_is_frozen() -> None:
    with port() as at:
        at.status.partition(1, ages=True).live()
        at.seconds = 42.0
        at.status.beat()
        at.status.partition(0, ages=True).moved()
        (told,) = at.found().values()
        assert (told.ok, told.detail) == (False, "partitions 1 stand still")


@finds("OffbeatNotReady", "worker")
def test_a_worker_that_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a while that is nothing special."""
    with port(ready=False) as at:
        at.status.phase = "joining"
        at.status.partition(3, ages=True)
        monkeypatch.setattr(doctored, "_PATIENCE", 1e9)
        (told,) = at.found().values()
        assert (told.mark, told.detail) == ("note", "not ready: joining, reading back partitions 3")
        monkeypatch.setattr(doctored, "_PATIENCE", -1e9)
        (told,) = at.found().values()
        assert not told.ok
        assert re.fullmatch(r"not ready: joining, reading back partitions 3, \d+ minutes after its start", told.detail)


def test_a_real_worker_that_waits_for_brokers() -> None:
    with Worker(environment("127.0.0.1:9", "doctor-waits.")) as worker:
        worker.wait_until(lambda: worker.phase == "waiting for brokers")
        (told, *_) = workers([worker.environ["OFFBEAT_METRICS"]])
    assert (told.mark, told.detail) == ("note", "not ready: waiting for brokers")


def behind(metrics: Metrics) -> None:
    metrics.lag_seconds.labels("3").set(1200)
    metrics.catch_up.labels("3").set(float("inf"))


def waits(metrics: Metrics) -> None:
    metrics.lag_seconds.labels("3").set(120)
    metrics.catch_up.labels("3").set(1)
    metrics.waiting.labels("3").set(17)


def late(metrics: Metrics) -> None:
    for seconds in (1, 1, 1, 1, 100):
        metrics.timer_lateness.observe(seconds)


def refits_fail(metrics: Metrics) -> None:
    metrics.refit.tried(Tried(until=0, outcome="failed", why="killed", by="w1", ended_at=0, failures=3))


def suppressed(metrics: Metrics) -> None:
    metrics.suppressed.labels("cart.abandoned", "stale").inc(101)
    metrics.triggers.labels("cart.abandoned").inc(100)


TROUBLES: dict[str, tuple[Callable[[Metrics], object], str]] = {
    ": batches": (lambda m: m.batches_failed.inc(6), "6 failed since it began"),
    ": lag": (behind, "partitions 3 do not catch up: 20 minutes behind"),
    ": feeds": (waits, "events of partitions 3 wait for another source that lags or does not answer"),
    ": timers": (late, "1 of 5 triggers were decided more than a minute late since it began"),
    ": customers": (lambda m: m.bounds.labels("customer").inc(), "somebody has sent more than 10,000 events"),
    ": stale triggers": (suppressed, "101 held back since it began, 100 sent"),
    ": views": (lambda m: m.views.behind.set(900), "what Redis shows is 15 minutes old"),
    ": refits": (refits_fail, "parameters could not be fitted anew 3 times in a row"),
}


def test_each_look_has_a_trouble() -> None:
    assert {"", *TROUBLES} == set(doctored.LOOKS)


@finds("OffbeatBatchesFail", "worker: batches")
@finds("OffbeatLagging", "worker: lag")
@finds("OffbeatFeedWaits", "worker: feeds")
@finds("OffbeatTimersLate", "worker: timers")
@finds("OffbeatBusyCustomer", "worker: customers")
@finds("OffbeatStale", "worker: stale triggers")
@finds("OffbeatViewsBehind", "worker: views")
@finds("OffbeatRefitsFail", "worker: refits")
def test_what_its_metrics_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by itself."""
    for name, (break_it, detail) in TROUBLES.items():
        with port() as at:
            monkeypatch.setattr(doctored.Worker, "up_seconds", 60.0)
            break_it(at.metrics)
            found = at.found()
        assert list(found) == [name]
        assert found[name].detail.startswith(detail)


@finds("OffbeatVersionsDiffer", "versions")
def test_workers_of_two_versions() -> None:
    with port() as old, port("0.2.0") as new:
        *_, told, _ = workers([old.address, new.address])
        note(told)
        assert (told.mark, told.detail) == ("note", "workers run 0.1.0 and 0.2.0")
        *_, told, _ = workers([old.address, old.address])
        assert (told.mark, told.detail) == ("ok", "all run 0.1.0")


@finds("OffbeatParametersDiffer", "parameters")
def test_workers_that_go_by_different_parameters() -> None:
    with port() as one, port() as other:
        one.status.parameters, other.status.parameters = (lambda: "live-1"), (lambda: "builtin-1")
        *_, told = workers([one.address, other.address])
        note(told)
        assert (told.mark, told.detail) == ("note", "workers go by builtin-1 and live-1")
        *_, told = workers([one.address, one.address])
        assert (told.mark, told.detail) == ("ok", "all go by live-1")


@finds("A metrics port that is taken", "metrics port")
def test_somebody_else_at_the_port() -> None:
    with port() as at:
        found, address = metrics_port(Settings(metrics=at.address))
        assert (found.ok, found.detail, address) == (True, f"a worker has {at.address}", at.address)
        anywhere = at.address.replace("127.0.0.1", "0.0.0.0")  # noqa: S104 - it is asked, not bound
        assert metrics_port(Settings(metrics=anywhere))[1] == at.address
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.MonkeyPatch.context() as patch:
        patch.setattr(doctored, "_ANSWER_SECONDS", 0.2)
        settings = Settings(metrics=f"127.0.0.1:{taken.getsockname()[1]}")
        found, address = metrics_port(settings)
        note(Check("metrics port", *found))
    assert (found.ok, address) == (False, "")
    assert found.detail == f"{settings.metrics} cannot be bound: Address already in use, and no worker answers there"
