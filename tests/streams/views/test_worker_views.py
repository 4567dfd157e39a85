"""A real worker and a real Redis, and what happens to both."""

import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from redis import Redis

from tests.support.redis_server import RedisServer
from tests.support.shown import durable_views, shown_in, timeless
from tests.support.topics_io import Broker, Send, event, now, produce, read_all
from tests.support.workers import Deployment, Worker, deploy, offbeat, running

PATIENCE = 30.0
HOUR = 3_600_000


def orders(to: Deployment, names: Iterable[str], at: int) -> list[Send]:
    topic = to.topic("purchases")
    return [
        event(topic, name, at, "order.completed", order_id=f"{name}-{at}", total=10.0, currency="EUR", items=[])
        for name in names
    ]


def carts(to: Deployment, names: Iterable[str], at: int) -> list[Send]:
    """Left alone for long enough when they come."""
    return [event(to.topic("carts"), name, at, "cart.item_added", product_id="p", quantity=1) for name in names]


def erasures(to: Deployment, names: Iterable[str]) -> list[Send]:
    return [event(to.topic("customers"), name, now(), "customer.erased") for name in names]


def until(what: Callable[[], bool], message: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, message()
        time.sleep(0.05)


def views(client: Any, to: Deployment) -> dict[bytes, dict[str, Any]]:
    return timeless(shown_in(client, to.settings.prefix))


def shows_what_is_durable(client: Any, to: Deployment) -> bool:
    return views(client, to) == durable_views(to.broker, to.settings)


def names(count: int) -> list[str]:
    return [f"c{number}" for number in range(count)]


def test_views_follow_and_heal_after_kills(broker: Broker, redis_server: RedisServer, client: Any) -> None:
    to = deploy(broker, redis=redis_server.url)
    for round_ in range(3):
        with Worker(to.environ) as worker:
            worker.wait_ready()
            batch = [
                *orders(to, names(40), now() - HOUR + round_),
                *carts(to, [f"left {name}" for name in names(60)], now() - 5 * HOUR),
            ]
            produce(broker, [*batch, *erasures(to, [f"c{round_}", f"left c{round_}"])])
            worker.wait_metric("offbeat_events_total", 1)
            worker.kill()  # whatever it has shown by now
    with running(to.environ):
        until(
            lambda: shows_what_is_durable(client, to),
            lambda: (views(client, to), durable_views(to.broker, to.settings)),
        )
    assert views(client, to)
    assert shown_in(client, to.settings.prefix, "sent").keys() <= views(client, to).keys()


def test_who_stops_in_order_leaves_nothing_to_mend(broker: Broker, redis_server: RedisServer, client: Any) -> None:
    to = deploy(broker, redis=redis_server.url)
    with running(to.environ) as worker:
        produce(broker, orders(to, names(10)[:1], now()))
        worker.wait_metric("offbeat_views_written_total", 1, kind="customer")  # its name stands in Redis by then
        produce(broker, orders(to, names(10)[1:], now()))
        worker.wait_metric("offbeat_events_total", 10)
    assert shows_what_is_durable(client, to)
    client.set(f"{to.settings.prefix}offbeat:customer:c0", '{"untouched": true}')
    with running(to.environ) as worker:
        produce(broker, orders(to, names(10)[1:], now()))
        worker.wait_metric("offbeat_views_written_total", 9, kind="customer")
        assert worker.metric("offbeat_views_renewing") == 0
    assert views(client, to)[b"c0"] == {"untouched": True}


@pytest.mark.parametrize("how", ["frozen", "full", "emptied"])
def test_redis_in_trouble_holds_no_trigger_back(broker: Broker, own_redis: RedisServer, how: str) -> None:
    to = deploy(broker, redis=own_redis.url)
    with Redis.from_url(own_redis.url) as client, running(to.environ) as worker:
        produce(broker, orders(to, names(5), now()))
        worker.wait_metric("offbeat_views_written_total", 5, kind="customer")
        if how == "frozen":
            os.kill(own_redis.pid, signal.SIGSTOP)
        elif how == "full":
            client.config_set("maxmemory", "1")
        else:
            client.flushall()
        produce(broker, carts(to, [f"left {name}" for name in names(8)], now() - 5 * HOUR))
        worker.wait_metric("offbeat_triggers_total", 8)
        assert len(read_all(broker, [to.topic("triggers.cart")])) == 8
        if how != "emptied":
            worker.wait_metric("offbeat_views_failures_total", 1)
            assert worker.metric("offbeat_ready") == 1
        os.kill(own_redis.pid, signal.SIGCONT)
        client.config_set("maxmemory", "0")
        until(lambda: shows_what_is_durable(client, to), lambda: views(client, to))
        assert len(shown_in(client, to.settings.prefix, "sent")) == 8
        assert "Traceback" not in worker.errors


def test_without_redis_a_worker_starts_and_stops(broker: Broker) -> None:
    to = deploy(broker, redis="redis://:s3cret@127.0.0.1:9/0")
    with running(to.environ) as worker:
        produce(broker, orders(to, names(5), now()))
        worker.wait_metric("offbeat_events_total", 5)
        worker.wait_metric("offbeat_views_failures_total", 1, reason="away")
        assert worker.errors.count("views: Redis cannot be reached") == 1
        assert "s3cret" not in worker.told


def test_rebuild_writes_all_and_deletes_the_rest(broker: Broker, redis_server: RedisServer, client: Any) -> None:
    to = deploy(broker)  # without views
    with running(to.environ) as worker:
        produce(broker, [*orders(to, names(20), now()), *carts(to, ["eve"], now() - 5 * HOUR)])
        worker.wait_metric("offbeat_triggers_total", 1)
        worker.wait_metric("offbeat_events_total", 21)
    for family in ("customer", "sent"):
        client.set(f"{to.settings.prefix}offbeat:{family}:gone", "{}")
    environ = {**to.environ, "OFFBEAT_REDIS": redis_server.url}
    done = offbeat("views", "rebuild", environ=environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "views of 21 customers written, 2 keys of others deleted"
    assert shows_what_is_durable(client, to)
    assert set(shown_in(client, to.settings.prefix, "sent")) == {b"eve"}
    client.set(f"{to.settings.prefix}offbeat:customer:c0", '{"untouched": true}')
    with running(environ) as worker:  # a worker goes on from there
        produce(broker, orders(to, ["c9"], now()))
        worker.wait_metric("offbeat_views_written_total", 1, kind="customer")
    assert views(client, to)[b"c0"] == {"untouched": True}


def test_rebuild_beside_a_worker(broker: Broker, redis_server: RedisServer, client: Any) -> None:
    to = deploy(broker, redis=redis_server.url)
    with running(to.environ) as worker:
        produce(broker, orders(to, names(30), now()))
        worker.wait_metric("offbeat_views_written_total", 30, kind="customer")
        client.set(f"{to.settings.prefix}offbeat:customer:gone", "{}")
        client.set(f"{to.settings.prefix}offbeat:customer:c7", "{}")
        produce(broker, erasures(to, ["c3"]))
        done = offbeat("views", "rebuild", "--json", environ=to.environ)
        assert done.returncode == 0, done.stderr
        produce(broker, [*erasures(to, ["c4"]), *orders(to, ["new"], now())])
        worker.wait_metric("offbeat_events_total", 33)
        until(lambda: shows_what_is_durable(client, to), lambda: views(client, to))
    assert {b"gone", b"c3", b"c4"}.isdisjoint(views(client, to))


def test_rebuild_says_what_is_wrong(broker: Broker) -> None:
    to = deploy(broker)
    done = offbeat("views", "rebuild", environ=to.environ)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "offbeat: redis: there are no views without it; set OFFBEAT_REDIS (or --redis) to its URL\n"
    done = offbeat("views", "rebuild", "--redis", "redis://:s3cret@127.0.0.1:9/0", environ=to.environ)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "offbeat: Redis cannot be reached; see offbeat doctor, then run it again\n"
