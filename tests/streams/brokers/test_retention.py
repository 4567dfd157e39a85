"""Events that are about to be deleted unread are told of in time."""

import logging
from collections.abc import Mapping

import pytest

from streams.brokers.retention import Unread, retentions
from streams.brokers.topicfacts import Found
from streams.delivery.batch import Span
from streams.delivery.partition import Partition
from tests.support.delivery import NOW, Wiring
from tests.support.virtual import virtually

HOUR = 3_600_000
DAY = 24 * HOUR


def unread(retention: int = 7 * DAY) -> Unread:
    return Unread("carts", 3, retention)


def test_nothing_unread_is_in_no_danger() -> None:
    source = unread()
    assert source.left == 7 * DAY
    source.fetched(0, 100, NOW - 6 * DAY)
    source.look(100, 0, NOW)
    assert source.left == 7 * DAY


def test_the_oldest_that_is_not_taken_counts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    source = unread()
    source.fetched(0, 100, NOW - 6 * DAY)
    source.fetched(100, 200, NOW - 3 * DAY)
    source.look(99, 500, NOW)
    assert source.left == DAY
    source.look(100, 500, NOW)
    assert source.left == 4 * DAY
    source.look(100, 500, NOW + 2 * HOUR)
    assert source.left == 4 * DAY - 2 * HOUR, "nothing is taken, and time passes"
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == (
        "carts[3]: the next event to be taken was sent 6.0 days ago, and the topic keeps them for 7.0 days: soon "
        "events are deleted unread. Raise its retention.ms, then see why the worker lags"
    )


def test_what_was_taken_says_nothing_of_what_is_left() -> None:
    """A quiet topic: the last event was of days ago, and a new one has come that is not fetched yet."""
    source = unread()
    source.fetched(0, 100, NOW - 6 * DAY)
    source.look(100, 1, NOW)
    assert source.left == 7 * DAY


def test_it_is_said_once_and_again_after_it_was_well(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    source = unread()
    source.fetched(0, 10, NOW - 6 * DAY)
    for minute in range(100):
        source.look(0, 10, NOW + minute * 60_000)
    assert len(caplog.records) == 1
    source.look(10, 0, NOW)
    source.fetched(10, 20, NOW)
    source.look(10, 10, NOW + 6 * DAY)
    assert len(caplog.records) == 2


def test_a_backlog_is_remembered_by_the_minute() -> None:
    source = unread()
    for number in range(100_000):
        source.fetched(number, number + 1, NOW + number * 10)
    assert len(source._marks) <= 18
    source.look(50_000, 1, NOW + DAY)
    assert 6 * DAY + 500_000 - 60_000 <= source.left <= 6 * DAY + 500_000


@pytest.mark.parametrize(
    ("configs", "kept"),
    [
        ({"retention.ms": "604800000", "cleanup.policy": "delete"}, {"carts": 7 * DAY}),
        ({"retention.ms": "1000"}, {"carts": 1000}),
        ({"retention.ms": "-1"}, {}),
        ({"retention.ms": "1000", "cleanup.policy": "compact"}, {}),
        ({"retention.ms": "1000", "cleanup.policy": "compact,delete"}, {"carts": 1000}),
        ({}, {}),
    ],
)
def test_how_long_topics_keep_events(configs: Mapping[str, str], kept: Mapping[str, int]) -> None:
    assert retentions({"carts": Found(1, 1, configs)}) == kept


def test_metrics_of_a_partition_that_lags(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    async def scenario() -> None:
        wiring = Wiring()
        object.__setattr__(wiring.means, "retention", {"carts": 7 * DAY})
        value = wiring.metrics.registry.get_sample_value
        partition = Partition(3, wiring.means)
        await partition.open()
        await partition.start()
        batch = wiring.fetch(3, partition.epoch, count=5)
        spans = batch.spans["carts"]
        batch.spans["carts"] = Span(0, 5, NOW + 1, spans.records, NOW - 6 * DAY)
        await partition.apply(batch)  # they wait: the other sources were heard of before they came
        assert value("offbeat_retention_left_seconds", {"topic": "carts", "partition": "3"}) == 86_400
        assert value("offbeat_retention_left_seconds", {"topic": "purchases", "partition": "3"}) is None
        assert value("offbeat_catch_up_seconds", {"partition": "3"}) == float("inf")
        assert "carts[3]: the next event to be taken was sent 6.0 days ago" in caplog.text
        wiring.heard = NOW + 2
        await partition.tick()
        await partition.tick()
        assert value("offbeat_retention_left_seconds", {"topic": "carts", "partition": "3"}) == 7 * 86_400
        assert value("offbeat_catch_up_seconds", {"partition": "3"}) == 0
        await partition.drop()
        assert value("offbeat_retention_left_seconds", {"topic": "carts", "partition": "3"}) is None
        assert value("offbeat_catch_up_seconds", {"partition": "3"}) is None

    virtually(scenario())
