"""The invented shop: what it tells is understood, comes in order, and keeps a worker's rules busy."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from shop import DAY, HISTORY_DAYS, SECOND, Event, Shop
from streams.brokers.embedded import EmbeddedBroker, free_port
from streams.flow.decode import decoder
from tables.events import SOURCES
from tests.support.workers import ROOT, Deployment, deploy, rules_of_a_minute, running

NOW = 1_790_000_000_000
LOAD = ROOT / "deploy" / "load" / "load.py"


def trade(shop: Shop, seconds: int, step: int = 2) -> list[Event]:
    """What it does from NOW on, asked for as `load.py` does."""
    marks = range(0, seconds, step)
    return [event for at in marks for event in shop.trade(NOW + at * SECOND, NOW + (at + step) * SECOND, 5)]


def test_everything_it_tells_is_understood_and_told_once() -> None:
    shop = Shop(50)
    told = [*shop.history(NOW), *trade(shop, 1200)]
    decode = {source: decoder(source) for source in SOURCES}
    for event in told:
        value = json.dumps({**event.fields, "occurred_at": event.at}).encode()
        _, at = decode[event.source](event.fields["customer_id"].encode(), value, NOW + DAY)
        assert at == event.at
    kinds = Counter(event.fields["type"] for event in told)
    steps = ["product.viewed", "cart.item_added", "checkout.started", "order.cancelled", "order.refunded"]
    assert [kinds[kind] > 0 for kind in (*steps, "order.completed")] == [True] * 6
    assert max(Counter(event.fields["event_id"] for event in told).values()) == 1


def test_history_ends_where_trade_begins_and_is_the_same_again() -> None:
    past = list(Shop(50).history(NOW))
    assert past == list(Shop(50).history(NOW))
    assert all(event.fields["backfill"] for event in past)
    assert min(event.at for event in past) >= NOW - HISTORY_DAYS * DAY
    assert max(event.at for event in past) < NOW
    later = Shop(50).history(NOW + DAY)
    known = {event.fields["event_id"] for event in past}
    assert known <= {event.fields["event_id"] for event in later}


def test_trade_comes_in_order_and_at_the_rate_asked_for() -> None:
    told = trade(Shop(50), 1200)
    assert [event.at for event in told] == sorted(event.at for event in told)
    assert told[0].at > NOW
    assert told[-1].at <= NOW + 1200 * SECOND
    begun = {event.fields["event_id"][:-3] for event in told if event.fields["event_id"].endswith("-v0")}
    assert len(begun) == 5 * 1200


def start(environ: dict[str, str], *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(LOAD), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_worker_is_kept_busy_by_it(embedded_broker: EmbeddedBroker, tmp_path: Path) -> None:
    to: Deployment = deploy(embedded_broker, rules=rules_of_a_minute(tmp_path, views=1))
    with running(to.environ) as worker:
        load = start(to.environ, "--customers", "40", "--visits", "100")
        try:
            assert load.stdout is not None
            assert load.stdout.readline().startswith("sent a history of ")
            worker.wait_metric("offbeat_events_total", 200, type="product.viewed")
            assert worker.metric("offbeat_dead_letters_total") == 0
            load.send_signal(signal.SIGTERM)
            assert load.wait(20) == 0
        finally:
            load.kill()
            load.communicate()


@pytest.mark.parametrize(
    ("environ", "status", "line"),
    [
        ({"OFFBEAT_BROKERS": "nowhere"}, 2, "load: OFFBEAT_BROKERS: "),
        ({"OFFBEAT_BROKERS": "127.0.0.1:{port}"}, 1, "load: no broker at "),
    ],
)
def test_what_is_wrong_is_told_in_one_line(environ: dict[str, str], status: int, line: str) -> None:
    load = start({name: value.format(port=free_port()) for name, value in environ.items()})
    _, errors = load.communicate(timeout=120)
    assert (load.returncode, errors.count("\n")) == (status, 1), errors
    assert errors.startswith(line)
