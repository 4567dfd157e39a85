"""The log hears of trouble once, and of its end; nothing that goes wrong ends the thread."""

import logging
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from streams.views.keeper import Keeper
from streams.views.outbox import Outbox
from streams.views.thread import ViewThread
from streams.views.trouble import ViewError
from streams.watch.viewmetrics import ViewMetrics


class Rounds:
    """A keeper whose rounds end as the test says."""

    def __init__(self, *ends: Exception | None) -> None:
        self.metrics = ViewMetrics(CollectorRegistry())
        self.outbox = Outbox(self.metrics)
        self.ends = list(ends)
        self.closed = False

    def round(self) -> None:
        end = self.ends.pop(0)
        if end is not None:
            raise end
        self.outbox.flowing = True

    def close(self) -> None:
        self.closed = True


def do(rounds: Rounds) -> list[bool]:
    thread = ViewThread(cast("Keeper", rounds))
    return [thread.once() for _ in rounds.ends.copy()]


def test_each_trouble_is_told_once_and_its_end(caplog: pytest.LogCaptureFixture) -> None:
    away, full = ViewError("away", "cannot be reached"), ViewError("full", "has no memory left")
    rounds = Rounds(away, away, full, full, None, None, away)
    with caplog.at_level(logging.INFO):
        assert do(rounds) == [False, False, False, False, True, True, False]
    assert [record.getMessage() for record in caplog.records] == [
        "views: Redis cannot be reached; triggers go on, views follow when it takes them",
        "views: Redis has no memory left; triggers go on, views follow when it takes them",
        "views: Redis takes them again",
        "views: Redis cannot be reached; triggers go on, views follow when it takes them",
    ]
    value = rounds.metrics.registry.get_sample_value
    assert value("offbeat_views_failures_total", {"reason": "away"}) == 3
    assert value("offbeat_views_failures_total", {"reason": "full"}) == 2
    assert not rounds.outbox.flowing


def test_a_bug_is_told_once_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    rounds = Rounds(KeyError("x"), KeyError("x"), None)
    assert do(rounds) == [False, False, True]
    assert [record.exc_info is not None for record in caplog.records] == [True, False]


def test_the_end_of_a_worker_does_a_last_round() -> None:
    rounds: Any = Rounds()
    done: list[bool] = []
    rounds.round = lambda: done.append(True)
    thread = ViewThread(rounds)
    thread.start()
    thread.stop()
    assert done
    assert rounds.closed
