"""A run of the demo: broker, worker, replay; every one fires what the pure core fires."""

import asyncio
import os
import signal
from collections.abc import Sequence

import pytest

from agents.decisions import Trigger
from streams.demo import flow
from streams.demo.cdnow import read_cdnow
from streams.demo.errors import DemoError
from streams.demo.feed import demo_lines
from streams.demo.flow import run_through
from streams.demo.gauges import Gauges
from streams.demo.stage import READY, Stage, worker_environment
from streams.demo.tally import Tally, moment
from streams.logs import LogLine
from streams.settings import Settings
from tests.support.oracle import decisions_of
from tests.support.workers import ROOT

FEW = 200
"""Customers of a run that takes a second once the worker is there."""


def through_broker(lines: Sequence[LogLine]) -> Tally:
    tally = Tally()
    with Stage() as stage:
        stage.open_broker()
        stage.start_worker()
        stage.await_worker()
        gauges = Gauges(stage.settings.metrics)
        asyncio.run(run_through(stage, lines, tally, gauges, lambda: None))
    return tally


def test_every_run_fires_what_the_pure_core_fires() -> None:
    lines = demo_lines(read_cdnow(FEW))
    decided = decisions_of(lines)
    triggers = {(d.trigger_id, d.type, d.customer_id, moment(d.at)) for d in decided if isinstance(d, Trigger)}
    answers = {(d.trigger_id, moment(d.at)) for d in decided if not isinstance(d, Trigger)}
    assert len(triggers) > 300
    assert len(answers) > 100
    for _ in range(2):
        tally = through_broker(lines)
        came = tally.triggers.values()
        assert {(f.trigger_id, f.type, f.customer, f.at) for f in came} == triggers
        assert {(f.trigger_id, f.answered_at) for f in came if f.answered_at is not None} == answers
        assert tally.suppressed == tally.dead_letters == 0


def test_a_worker_that_stands_still_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "STILL_SECONDS", 1.0)
    with Stage() as stage:
        stage.open_broker()
        stage.start_worker()
        stage.await_worker()
        assert stage._worker is not None
        os.kill(stage._worker.pid, signal.SIGSTOP)
        gauges = Gauges(stage.settings.metrics)
        with pytest.raises(DemoError, match=r"^nothing has moved for 1 s") as caught:
            asyncio.run(run_through(stage, demo_lines(read_cdnow(5)), Tally(), gauges, lambda: None))
    assert READY in caught.value.log


def test_the_worker_gets_no_settings_of_the_user() -> None:
    environ = worker_environment(
        Settings(brokers="127.0.0.1:1"), {"OFFBEAT_BROKERS": "shop:9092", "OFFBEAT_PREFIX": "x", "HOME": "/h"}
    )
    assert environ["OFFBEAT_BROKERS"] == "127.0.0.1:1"
    assert environ["HOME"] == "/h"
    assert "OFFBEAT_PREFIX" not in environ
    assert str(ROOT) in environ["PYTHONPATH"].split(os.pathsep)


def test_ready_is_what_the_worker_says() -> None:
    assert f'READY = "{READY}"' in (ROOT / "streams" / "worker.py").read_text()
