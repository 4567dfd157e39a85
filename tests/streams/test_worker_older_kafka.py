"""Exactly once on Apache Kafka 3: a worker is killed in the middle, and what is sent is what an undisturbed run sends.

All else is tested on the version that `tests.support.brokers` names.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.brokers import ApacheKafka
from tests.support.invented import invented
from tests.support.oracle import assert_equal, pure
from tests.support.workers import Worker, deploy, offbeat, running


@pytest.fixture(params=["3.3.2", "3.9.1"])
def older_kafka(java: None, request: pytest.FixtureRequest) -> Iterator[ApacheKafka]:  # noqa: ARG001 - it may skip
    with ApacheKafka(request.param) as kafka:
        yield kafka


def test_a_worker_is_killed_in_the_middle(older_kafka: ApacheKafka, tmp_path: Path) -> None:
    to = deploy(older_kafka, clock="event", partitions="4")
    log = invented(tmp_path / "log.jsonl", seed=39, events=40_000, customers=2000)
    expected = pure(log, to)
    for command in (["doctor"], ["replay", str(log)]):
        done = offbeat(*command, environ=to.environ)
        assert done.returncode == 0, done.stdout + done.stderr
    with Worker(to.environ) as killed:
        killed.wait_ready()
        killed.wait_metric("offbeat_triggers_total", 1)
        assert killed.metric("offbeat_lag_records") > 1000
        killed.kill()
    with running(to.environ) as next_one:
        next_one.wait_until(lambda: next_one.metric("offbeat_partition_live") == 4)
        assert next_one.metric("offbeat_recovered_records_total") > 0
        next_one.wait_until(lambda: {p["lag"] for p in next_one.health()["partitions"].values()} == {0}, 60)
    assert expected.count > 10_000
    assert_equal(to, expected)
