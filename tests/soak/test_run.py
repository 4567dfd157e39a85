"""A soak of seconds: two workers are restarted, all comes out exact, and what nobody owes is noticed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from tests.chaos.world import World, plain_world
from tests.soak.report import failures
from tests.soak.restarts import Bounds, Thing
from tests.soak.run import Plan, soak
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.xdist_group("chaos")


def forge(world: World) -> None:
    """Send what no worker would."""
    topics = AdminClient({"bootstrap.servers": world.kafka.address}).list_topics(timeout=10).topics
    (topic,) = [name for name in topics if name.endswith("triggers.cart")]
    producer = Producer({"bootstrap.servers": world.kafka.address})
    producer.produce(topic, b"forged", b"c1")
    assert producer.flush(10) == 0


def things(world: World) -> Iterator[Thing]:
    yield "worker 0, SIGTERM", lambda: world.slots[0].stop(0.5)
    yield "worker 1, SIGKILL", lambda: world.slots[1].kill(0.5)
    forge(world)


def test_a_soak_of_seconds(java: None, redis_server: RedisServer, tmp_path: Path) -> None:  # noqa: ARG001 - it may skip
    bounds = Bounds(lag=3.0, back=90.0, growth=1.0)
    plan = Plan(8.0, 150.0, 200, session=6.0, redis=redis_server.url, bounds=bounds)
    with plain_world(tmp_path, workers=2, brokers=1, properties={}) as world:
        outcome = soak(world, plan, things=things)
    verdict = outcome.verdict
    assert verdict.events == outcome.lines > 1000
    assert verdict.messages > 1000
    assert (verdict.missing, verdict.extra, verdict.wrong_states) == (0, 1, 0), failures(outcome)
    assert "forged" in verdict.examples[0]
    assert [one.back is not None for one in outcome.restarts] == [True, True]
    assert (outcome.stuck, outcome.odd_ends) == ([], [])
    assert {one.worker for one in outcome.stretches} == {0, 1}
    assert "1 messages are wrong or repeated" in failures(outcome)
