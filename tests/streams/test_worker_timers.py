"""Timers by the wall clock: what fires, when, and what is answered before it does."""

import threading
from pathlib import Path
from typing import Any

from agents.decisions import iso
from tests.support.topics_io import Broker, Message, Send, event, now, produce, read_all
from tests.support.workers import Deployment, deploy, rules_of_a_minute, running

SECOND, MINUTE, DAY = 1000, 60_000, 86_400_000


def add(to: Deployment, who: str, at: int) -> Send:
    return event(to.topic("carts"), who, at, "cart.item_added", event_id=f"{who}-{at}", product_id="p", quantity=1)


def start_checkout(to: Deployment, who: str, at: int) -> Send:
    return event(to.topic("carts"), who, at, "checkout.started", event_id=f"{who}-checkout")


def view(to: Deployment, who: str, at: int) -> Send:
    return event(to.topic("carts"), who, at, "product.viewed", event_id=f"{who}-{at}", product_id="p")


def buy(to: Deployment, who: str, at: int) -> Send:
    fields: dict[str, Any] = {"order_id": f"{who}-{at}", "total": 5, "currency": "EUR", "items": []}
    return event(to.topic("purchases"), who, at, "order.completed", event_id=f"{who}-{at}-order", **fields)


def cart_triggers(to: Deployment) -> dict[str, list[dict[str, Any]]]:
    """What went to the triggers of carts, by customer."""
    found: dict[str, list[dict[str, Any]]] = {}
    for message in read_all(to.broker, [to.topic("triggers.cart")]):
        found.setdefault(message.json["customer_id"], []).append(message.json)
    return found


def suppressed(to: Deployment) -> list[Message]:
    return read_all(to.broker, [to.topic("triggers.suppressed")])


def test_what_is_due_when_a_worker_starts(broker: Broker, tmp_path: Path) -> None:
    """All of it happened while none was running: the purchases that answer timers are seen first."""
    to = deploy(broker, rules=rules_of_a_minute(tmp_path))
    at = now()
    bought = [f"bought-{n}" for n in range(50)]
    carts = [
        *(add(to, who, at - 20 * MINUTE) for who in bought),
        add(to, "left", at - 10 * MINUTE),
        add(to, "stale", at - 4 * DAY),
        add(to, "touched", at - 10 * MINUTE),
        add(to, "touched", at - 10 * MINUTE + 59 * SECOND),
        start_checkout(to, "checkout", at - 5 * MINUTE),
        view(to, "looked", at - 5 * MINUTE),
        view(to, "looked", at - 4 * MINUTE),
        view(to, "glanced", at - 4 * MINUTE),
    ]
    produce(broker, carts)
    produce(broker, [buy(to, who, at - 20 * MINUTE + 59 * SECOND) for who in bought])
    with running(to.environ) as worker:
        worker.wait_metric("offbeat_triggers_total", 4)
        worker.wait_metric("offbeat_triggers_suppressed_total", 1, guard="stale")
        worker.wait_metric("offbeat_events_total", len(carts) + len(bought))
    found = cart_triggers(to)
    assert {who: [trigger["type"] for trigger in triggers] for who, triggers in found.items()} == {
        "left": ["cart.abandoned"],
        "touched": ["cart.abandoned"],
        "checkout": ["checkout.abandoned"],
        "looked": ["browse.abandoned"],
    }
    assert found["touched"][0]["evidence"]["last_event"] == f"touched-{at - 10 * MINUTE + 59 * SECOND}"
    (stale,) = suppressed(to)
    assert stale.json["customer_id"] == "stale"
    assert stale.json["suppressed_by"] == "stale"


def test_what_comes_due_while_a_worker_runs(broker: Broker, tmp_path: Path) -> None:
    """A purchase in time, another touch, and none; while another partition is kept busy."""
    to = deploy(broker, rules=rules_of_a_minute(tmp_path), partitions="2")
    done = threading.Event()

    def keep_busy() -> None:
        number = 0
        while not done.is_set():
            records = [view(to, f"busy-{number + n}", now())._replace(partition=0) for n in range(500)]
            produce(broker, records)
            number += len(records)

    with running(to.environ) as worker:
        busy = threading.Thread(target=keep_busy)
        busy.start()
        try:
            at = now() - MINUTE + 2 * SECOND
            on_time = [add(to, f"{kind}-{n}", at) for kind in ("bought", "touched", "left") for n in range(5)]
            produce(broker, [record._replace(partition=1) for record in on_time])
            produce(broker, [buy(to, f"bought-{n}", at + SECOND)._replace(partition=1) for n in range(5)])
            produce(broker, [add(to, f"touched-{n}", at + SECOND)._replace(partition=1) for n in range(5)])
            worker.wait_metric("offbeat_triggers_total", 10, seconds=15)
        finally:
            done.set()
            busy.join()
        assert worker.metric("offbeat_timer_lateness_seconds_bucket", le="2.5") == 10
        assert worker.metric("offbeat_events_total", type="product.viewed") > 500
    dues = {who: [trigger["due_at"] for trigger in triggers] for who, triggers in cart_triggers(to).items()}
    assert dues == {
        **{f"left-{n}": [iso(at + MINUTE)] for n in range(5)},
        **{f"touched-{n}": [iso(at + MINUTE + SECOND)] for n in range(5)},
    }
