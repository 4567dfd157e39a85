"""Replays into brokers: everything arrives in its place, or one line says why not."""

import asyncio
import json
import re
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient

from streams.brokers.embedded import EmbeddedBroker
from streams.brokers.topics import create
from streams.logs import LogLine, read_log
from streams.replay import Progress, ReplayResult, TopicsError, replay
from streams.settings import Settings
from tables.events import SOURCES
from tests.support.brokers import ApacheKafka
from tests.support.replays import T0, place, read_back, view


def check_sent(shop: Settings, lines: list[LogLine], result: ReplayResult, began: float) -> None:
    """The topics hold these lines, each where it belongs and in order, and marks that tell the truth."""
    records = read_back(shop, result.lines + result.marks)
    for (source, partition), got in records.items():
        mine = [line for line in lines if line.source == source and place(line.key, shop.partitions) == partition]
        assert [(r.key, r.value) for r in got if r.key] == [(line.key, line.value) for line in mine]
        assert [r.offset for r in got] == list(range(len(got)))
        assert all(began - 5 <= r.timestamp / 1000 <= time.time() + 5 for r in got)
        reached = 0
        effective = iter(mine)
        for r in got:
            at = json.loads(r.value)["occurred_at"]
            reached = max(reached, at)
            assert not r.key or reached == next(effective).effective
        assert json.loads(got[-1].value) == {"type": "time.mark", "occurred_at": lines[-1].effective + 1}


def test_replay_into_a_broker(shop: Settings) -> None:
    lines: list[LogLine] = []
    reached: dict[str, int] = defaultdict(int)
    for i in range(6000):
        source = SOURCES[i % 7 % 3]
        at = T0 + i * 10 - (400 if i % 50 == 0 else 0)
        reached[source] = max(reached[source], at)
        lines.append(view(f"c{i % 331}", at, reached[source], source))
    lines.sort(key=lambda line: (line.effective, SOURCES.index(line.source)))
    told: list[Progress] = []
    began = time.time()
    result = asyncio.run(replay(iter(lines), settings=shop, on_progress=told.append))
    assert (result.lines, result.rejected.count) == (6000, 0)
    assert result.late == sum(line.at < line.effective for line in lines) > 50
    assert 6 * 12 <= result.marks <= 6 * 12 + result.late
    assert (told[-1].lines, told[-1].marks) == (6000, result.marks)
    check_sent(shop, lines, result, began)


def test_replay_of_cdnow(shop: Settings, cdnow: Path) -> None:
    lines = list(read_log(cdnow).lines())
    began = time.time()
    result = asyncio.run(replay(lines, settings=shop))
    assert (result.lines, result.late) == (69_659, 0)
    check_sent(shop, lines, result, began)


def test_an_empty_log_sends_nothing(shop: Settings) -> None:
    result = asyncio.run(replay([], settings=shop))
    assert (result.lines, result.marks) == (0, 0)
    read_back(shop, 0)


def test_events_larger_than_a_batch_are_sent_alone(shop: Settings) -> None:
    big = json.dumps({"type": "product.viewed", "customer_id": "a", "padding": "x" * 600_000}).encode()
    lines = [view("a", T0), LogLine("carts", b"a", big, T0, T0), view("a", T0 + 1)]
    result = asyncio.run(replay(lines, settings=shop))
    got = [r.value for records in read_back(shop, 3 + result.marks).values() for r in records if r.key]
    assert got == [line.value for line in lines]
    assert (result.lines, result.rejected.count) == (3, 0)


def test_a_log_that_breaks_off_says_so_and_leaves_no_producer(shop: Settings) -> None:
    def lines() -> Iterator[LogLine]:
        yield view("a", T0)
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="the disk is gone"):
        asyncio.run(replay(lines(), settings=shop))


def test_topics_that_are_missing_or_differ(embedded_broker: EmbeddedBroker) -> None:
    here = Settings(brokers=embedded_broker.address, prefix=f"replay-{uuid.uuid4().hex[:8]}-")
    with pytest.raises(TopicsError, match=r"no topic .*purchases, .*carts at .*: make it with `offbeat topics create`"):
        asyncio.run(replay([], settings=here))
    client = KafkaAdminClient(bootstrap_servers=here.brokers)
    try:
        client.create_topics({name: {"num_partitions": 2 + (name == here.topic("carts"))} for name in here.sources})
    finally:
        client.close()
    with pytest.raises(TopicsError, match=r"differ in their number of partitions \(.*carts 3\)"):
        asyncio.run(replay([], settings=here))


def test_apache_kafka_takes_the_same_and_refuses_what_is_too_large(apache_kafka: ApacheKafka) -> None:
    here = Settings(brokers=apache_kafka.address, prefix=f"replay-{uuid.uuid4().hex[:8]}-", partitions=2)
    create(here)
    big = json.dumps({"type": "product.viewed", "customer_id": "a", "padding": "x" * (17 << 20)}).encode()
    lines = [view("a", T0), LogLine("carts", b"a", big, T0, T0), *(view(f"c{i}", T0 + i) for i in range(3000))]
    began = time.time()
    result = asyncio.run(replay(lines, settings=here))
    assert (result.lines, result.rejected.count) == (3001, 1)
    assert re.match(r"an event of \d+ bytes of customer 'a' is larger than .*carts takes", result.rejected.reasons[0])
    check_sent(here, [line for line in lines if line.value != big], result, began)
