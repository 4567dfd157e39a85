"""Workers that have fetched nothing for long, since they stand by or restore: they are in the group all the same."""

import time

import pytest

from tests.support.topics_io import Broker, now, produce
from tests.support.workers import Worker, deploy

IDLE = """
from aiokafka.consumer.subscription_state import SubscriptionState
SubscriptionState.fetcher_idle_time = property(lambda self: 7 * 86_400.0)
from streams.__main__ import main
main()
"""
"""The worker, told at all times that it has fetched nothing for a week."""
HEARTBEATS = 3.0
"""Seconds: some of them, after each of which aiokafka asks itself whether it has been idle for too long."""


class IdleWorker(Worker):
    program = ("-c", IDLE)


@pytest.mark.parametrize("partitions", ["1", "2"])
def test_who_fetched_nothing_for_a_week_takes_over(broker: Broker, partitions: str) -> None:
    """With one partition the other worker stands by."""
    to = deploy(broker, partitions=partitions)
    with IdleWorker(to.environ) as one, IdleWorker(to.environ) as other:
        for worker in (one, other):
            worker.wait_ready()
        time.sleep(HEARTBEATS)
        lives = [int(partitions) - 1, 1]
        one.wait_until(lambda: sorted(w.metric("offbeat_partition_live") for w in (one, other)) == lives)
        owner, left = (one, other) if one.metric("offbeat_partition_live") else (other, one)
        assert owner.metric("offbeat_partition_live") == 1
        assert left.metric("offbeat_partition_live") == int(partitions) - 1
        owner.kill()
        left.wait_until(lambda: left.metric("offbeat_partition_live") == int(partitions))
        produce(broker, [to.viewed(f"c{n}", now(), f"e{n}") for n in range(10)])
        left.wait_metric("offbeat_events_total", 10)
        assert left.stop() == 0
