"""The same log gives the same triggers: through Kafka as through the pure core, however often a worker ends."""

import json
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pyarrow
import pytest

from streams.brokers.embedded import EmbeddedBroker
from tests.support.brokers import ApacheKafka
from tests.support.invented import MINUTE, T0, invented
from tests.support.oracle import Expected, assert_equal, pure
from tests.support.topics_io import group_lag
from tests.support.workers import Deployment, Worker, deploy, offbeat, running

Broker = EmbeddedBroker | ApacheKafka
DATA = Path(__file__).parents[3] / "shared" / "data"
CDNOW = DATA / "cdnow_master.csv.zst"
TAOBAO = DATA / "taobao_815users_9d.csv.zst"


@pytest.fixture(params=["embedded_broker", "apache_kafka"])
def broker(request: pytest.FixtureRequest) -> Broker:
    """At least once, and exactly once."""
    found: Broker = request.getfixturevalue(request.param)
    return found


def need(log: Path) -> Path:
    if not log.exists():
        pytest.skip(f"{log.name} is not here")
    return log


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half of the customers of CDNOW: long enough for a worker to be ended in the middle."""
    path = tmp_path_factory.mktemp("logs") / "half.csv"
    with pyarrow.input_stream(str(need(CDNOW)), compression="zstd") as stream:
        header, *rows = stream.read().splitlines(keepends=True)
    path.write_bytes(header + b"".join(row for row in rows if row.partition(b",")[0][-1] % 2))
    return path


def replay(log: Path, to: Deployment) -> None:
    done = offbeat("replay", str(log), environ=to.environ)
    assert done.returncode == 0, done.stderr


def sent(worker: Worker) -> float:
    """Messages sent by this worker."""
    return sum(
        worker.metric(name)
        for name in (
            "offbeat_triggers_total",
            "offbeat_triggers_suppressed_total",
            "offbeat_trigger_cancellations_total",
        )
    )


def finish(worker: Worker) -> None:
    """Wait until all that is in the topics has been taken."""

    def finished() -> bool:
        partitions = worker.health()["partitions"].values()
        return bool(partitions) and all(partition["lag"] == 0 for partition in partitions)

    worker.wait_until(finished, 240)


# --- through Kafka as through the pure core --------------------------------------------------------------------------


@pytest.mark.parametrize("partitions", ["1", "4"])
@pytest.mark.parametrize("log", [CDNOW, TAOBAO], ids=["cdnow", "taobao"])
def test_a_real_log_gives_what_the_backtest_says(embedded_broker: EmbeddedBroker, log: Path, partitions: str) -> None:
    to = deploy(embedded_broker, clock="event", partitions=partitions)
    expected = pure(need(log), to)
    replay(log, to)
    with running(to.environ) as worker:
        worker.wait_until(lambda: sent(worker) >= expected.count, 240)
        finish(worker)
        assert worker.metric("offbeat_events_total") == expected.events
        assert worker.metric("offbeat_customers") == len(expected.states)
        assert sent(worker) == expected.count
        assert worker.metric("offbeat_dead_letters_total") == 0
        assert worker.metric("offbeat_batches_failed_total") == 0
    assert expected.count > 2000
    assert_equal(to, expected)


@pytest.mark.parametrize(
    ("name", "partitions"), [("embedded_broker", "1"), ("embedded_broker", "4"), ("apache_kafka", "4")]
)
def test_late_and_repeated_lines_give_what_the_backtest_says(
    request: pytest.FixtureRequest, name: str, partitions: str, tmp_path: Path
) -> None:
    """The worker is there before the first line, so that batches end anywhere."""
    broker: Broker = request.getfixturevalue(name)
    log = invented(tmp_path / "log.jsonl", seed=int(partitions))
    to = deploy(broker, clock="event", partitions=partitions)
    expected = pure(log, to)
    with running(to.environ) as worker:
        replay(log, to)
        worker.wait_until(lambda: sent(worker) >= expected.count, 30)
        finish(worker)
        assert worker.by("offbeat_events_unchanged_total", "why")["duplicate"] > 50
    kinds = {json.loads(value or b"{}")["type"] for _, _, value, _ in expected.messages}
    assert kinds >= {"cart.abandoned", "checkout.abandoned", "browse.abandoned", "cart.abandoned.cancelled"}
    assert_equal(to, expected)
    assert_differences_are_seen(to, expected)


def assert_differences_are_seen(to: Deployment, expected: Expected) -> None:
    """The comparison can fail: one message less, one more, and one state otherwise."""
    less = expected.messages.copy()
    less.popitem()
    with pytest.raises(AssertionError, match="1 too many"):
        assert_equal(to, Expected(less, expected.states, expected.events))
    more = expected.messages.copy()
    more[("t", b"k", b"v", ())] += 1
    with pytest.raises(AssertionError, match="1 missing"):
        assert_equal(to, Expected(more, expected.states, expected.events))
    key, state = next(iter(expected.states.items()))
    other = {**expected.states, key: type(state)(seen=b"12345678")}
    with pytest.raises(AssertionError, match="1 states: "):
        assert_equal(to, Expected(expected.messages, other, expected.events))


# --- workers that end ------------------------------------------------------------------------------------------------

ENDS: dict[str, Callable[[Worker], object]] = {"kill": Worker.kill, "stop": Worker.stop}


def test_workers_that_end_in_the_middle(broker: Broker, long_log: Path) -> None:
    """Killed, stopped, and killed when they have just restored; what is sent is what an undisturbed run sends."""
    to = deploy(broker, clock="event", partitions="4")
    expected = pure(long_log, to)
    replay(long_log, to)
    for how in ("kill", "stop"):
        with Worker(to.environ) as worker:
            worker.wait_ready()
            worker.wait_metric("offbeat_events_total", 1)
            assert worker.metric("offbeat_lag_records") > 1000
            ENDS[how](worker)
    with Worker(to.environ) as worker:
        worker.wait_told("customers restored")
        worker.kill()
    with running(to.environ) as worker:
        finish(worker)
        assert worker.metric("offbeat_recovered_records_total") > 1000
    assert_equal(to, expected, repeats=isinstance(broker, EmbeddedBroker))


def test_workers_share_partitions_and_one_leaves(broker: Broker) -> None:
    to = deploy(broker, clock="event", partitions="4")
    expected = pure(need(TAOBAO), to)
    with Worker(to.environ) as first, Worker(to.environ) as second:
        workers = (first, second)
        for worker in workers:
            worker.wait_ready()
        first.wait_until(lambda: [w.metric("offbeat_partition_live") for w in workers] == [2, 2])
        replay(TAOBAO, to)
        second.wait_metric("offbeat_events_total", 1)
        assert second.stop() == 0
        first.wait_until(lambda: first.metric("offbeat_partition_live") == 4)
        finish(first)
        assert first.stop() == 0
    assert_equal(to, expected, repeats=isinstance(broker, EmbeddedBroker))


def test_a_worker_that_stood_still_for_too_long_leaves(embedded_broker: EmbeddedBroker, long_log: Path) -> None:
    """It comes to when another one has its partitions. Without transactions no broker would keep it from writing."""
    to = deploy(embedded_broker, clock="event", partitions="4")
    expected = pure(long_log, to)
    replay(long_log, to)
    with Worker(to.environ) as frozen:
        frozen.wait_ready()
        frozen.wait_metric("offbeat_events_total", 1)
        frozen.send(signal.SIGSTOP)
        began = time.monotonic()
        with running(to.environ) as other:
            other.wait_until(lambda: other.metric("offbeat_partition_live") == 4)
            time.sleep(max(0.0, 4 - (time.monotonic() - began)))
            frozen.send(signal.SIGCONT)
            assert frozen.wait() == 75
            assert "offbeat: " in frozen.errors
            finish(other)
    assert_equal(to, expected, repeats=True)


def come_to(frozen: Worker) -> int | None:
    """Let it go on; its exit status, or None when it has joined the group again."""
    frozen.send(signal.SIGCONT)
    deadline = time.monotonic() + 30
    while (status := frozen.process.poll()) is None and frozen.errors.count("taking care of partitions") < 2:
        assert time.monotonic() < deadline, frozen.told
        time.sleep(0.02)
    return status


def test_a_worker_that_stood_still_in_the_middle_commits_nothing(apache_kafka: ApacheKafka, long_log: Path) -> None:
    """With transactions the brokers refuse the batch that it goes on with, and it leaves.

    Or the group tells it first; then it joins again, with nothing kept.
    """
    to = deploy(apache_kafka, clock="event", partitions="4")
    expected = pure(long_log, to)
    replay(long_log, to)
    with Worker(to.environ) as frozen:
        frozen.wait_ready()
        frozen.wait_metric("offbeat_events_total", 1)
        assert frozen.metric("offbeat_lag_records") > 1000
        frozen.send(signal.SIGSTOP)
        with running(to.environ) as other:
            other.wait_until(lambda: other.metric("offbeat_partition_live") == 4)
            if come_to(frozen) is None:
                finish(frozen)
                assert frozen.stop() == 0
            else:
                assert frozen.wait() == 75
                assert " has another owner: " in frozen.errors
            finish(other)
    assert_equal(to, expected)


def test_a_worker_that_stood_still_with_nothing_to_do_joins_again(apache_kafka: ApacheKafka, tmp_path: Path) -> None:
    """It has nothing to be refused. What it remembers is of the time before, and is not used again."""
    to = deploy(apache_kafka, clock="event", partitions="4")
    first = invented(tmp_path / "first.jsonl", seed=1)
    second = invented(tmp_path / "second.jsonl", seed=2, begin=T0 + 100_000 * MINUTE)
    both = tmp_path / "both.jsonl"
    both.write_text(first.read_text() + second.read_text())
    expected = pure(both, to)
    with Worker(to.environ) as frozen:
        frozen.wait_ready()
        replay(first, to)
        finish(frozen)
        frozen.wait_until(lambda: group_lag(apache_kafka, to.settings) == 0)  # else it has something to say yet
        taken_over = frozen.metric("offbeat_takeovers_total")
        frozen.send(signal.SIGSTOP)
        with running(to.environ) as other:
            other.wait_until(lambda: other.metric("offbeat_partition_live") == 4)
            assert come_to(frozen) is None
            workers = (frozen, other)
            other.wait_until(lambda: [w.metric("offbeat_partition_live") for w in workers] == [2, 2])
            assert frozen.metric("offbeat_takeovers_total") == taken_over + 2
            replay(second, to)
            for worker in workers:
                finish(worker)
            assert frozen.stop() == 0
            finish(other)
    assert_equal(to, expected)


def test_more_workers_than_partitions_stand_by(apache_kafka: ApacheKafka, tmp_path: Path) -> None:
    to = deploy(apache_kafka, clock="event", partitions="1")
    log = invented(tmp_path / "log.jsonl", seed=5)
    expected = pure(log, to)
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(to.environ)) for _ in range(3)]
        for worker in workers:
            worker.wait_ready()
        # the last one to come has the others divide anew
        workers[0].wait_until(lambda: sorted(w.metric("offbeat_partition_live") for w in workers) == [0, 0, 1])
        busy, *idle = sorted(workers, key=lambda worker: -worker.metric("offbeat_partition_live"))
        assert [worker.metric("offbeat_partition_live") for worker in (busy, *idle)] == [1, 0, 0]
        assert all("taking care of partitions none: there are more workers" in worker.errors for worker in idle)
        assert [worker.get("/ready")[0] for worker in workers] == [200] * 3
        replay(log, to)
        finish(busy)
        busy.send(signal.SIGTERM)
        assert busy.wait() == 0
        idle[0].wait_until(lambda: sum(worker.metric("offbeat_partition_live") for worker in idle) == 1)
        assert [worker.stop() for worker in idle] == [0, 0]
    assert_equal(to, expected)
