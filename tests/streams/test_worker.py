"""The worker as a process: what a shop's system sends it, what a campaign tool reads, what its endpoints tell."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agents.decisions import RuleRef, trigger_id
from streams.brokers.embedded import EmbeddedBroker
from tests.support.topics_io import Broker, GroupReader, Message, Send, event, now, produce, read_all
from tests.support.workers import Deployment, Worker, deploy, rules_of_a_minute, running

PARTITIONS = 4


def added(to: Deployment, customer: str, at: int, event_id: str, partition: int | None = None) -> Send:
    return event(
        to.topic("carts"),
        customer,
        at,
        "cart.item_added",
        partition=partition,
        event_id=event_id,
        product_id="p-1",
        quantity=2,
        price=12.5,
        category="shoes",
        cart_id="cart-7",
    )


def instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def check_cloud_event(message: Message, to: Deployment) -> None:
    """What CloudEvents 1.0 and the Kafka binding want of every message."""
    value = message.json
    assert message.headers == {
        "ce_specversion": b"1.0",
        "content-type": b"application/json",
        "ce_id": message.headers["ce_id"],
        "ce_source": f"/{to.settings.group_id}".encode(),
        "ce_type": value["type"].encode(),
        "ce_subject": value["customer_id"].encode(),
        "ce_time": value.get("cancelled_at", value["fired_at"]).encode(),
    }
    assert message.key == value["customer_id"].encode()


def check_abandoned(message: Message, to: Deployment, touched: int) -> None:
    """`message` is the trigger of what `added` put into the cart at `touched`, and it came in time."""
    value: dict[str, Any] = message.json
    customer, cause = value["customer_id"], f"e-{value['customer_id']}"
    assert list(value) == [
        *("trigger_id", "type", "customer_id", "rule", "due_at", "fired_at", "expires_at"),
        *("reason", "evidence", "cart", "segments", "holdout"),
    ]
    assert message.topic == to.topic("triggers.cart")
    assert value["type"] == value["rule"]["name"] == "cart.abandoned"
    assert value["trigger_id"] == trigger_id(RuleRef(**value["rule"]), customer, cause)
    assert message.headers["ce_id"] == value["trigger_id"].encode()
    assert round(instant(value["due_at"]) * 1000) == touched + 60_000
    assert 0 <= instant(value["fired_at"]) - instant(value["due_at"]) < 10
    assert instant(value["expires_at"]) - instant(value["fired_at"]) == pytest.approx(72 * 3600)
    assert value["reason"] == "1 product worth 25.00 left in the cart, untouched for 1 minute, no order since"
    assert value["evidence"]["last_event"] == cause
    assert value["cart"] == {
        "cart_id": "cart-7",
        "items": [{"product_id": "p-1", "quantity": 2.0, "price": 12.5, "category": "shoes"}],
        "total": 25.0,
    }
    check_cloud_event(message, to)


def test_foreign_clients_send_events_and_read_triggers(broker: Broker, tmp_path: Path) -> None:
    """One event in each partition and nothing else in any topic: timers fire all the same, in time."""
    to = deploy(broker, rules=rules_of_a_minute(tmp_path), partitions=str(PARTITIONS))
    with running(to.environ) as worker:
        touched = {f"c{n}": now() - 58_000 + 300 * n for n in range(PARTITIONS)}
        produce(broker, [added(to, c, at, f"e-{c}", n) for n, (c, at) in enumerate(touched.items())])
        with GroupReader(broker, [to.topic("triggers.cart")], "campaigns") as reader:
            fired = reader.read(PARTITIONS)
            assert sorted((m.partition, m.json["customer_id"]) for m in fired) == list(enumerate(touched))
            for message in fired:
                check_abandoned(message, to, touched[message.json["customer_id"]])
            worker.wait_metric("offbeat_timer_lateness_seconds_count", PARTITIONS)
            check_answered(fired[0], reader, to)
        assert worker.by("offbeat_triggers_total", "type") == {"cart.abandoned": PARTITIONS}
        worker.wait_metric("offbeat_trigger_cancellations_total", 1, type="cart.abandoned")
    others = [to.topic(f"triggers.{family}") for family in ("repurchase", "basket", "suppressed")]
    assert read_all(broker, [*others, to.topic("dead-letters")]) == []


def check_answered(trigger: Message, reader: GroupReader, to: Deployment) -> None:
    """An order after the trigger is answered by a cancellation."""
    customer = trigger.json["customer_id"]
    order = event(
        to.topic("purchases"),
        customer,
        now(),
        "order.completed",
        partition=trigger.partition,
        event_id="o-1",
        order_id="order-1",
        total=25.0,
        currency="EUR",
        items=[{"product_id": "p-1", "quantity": 2, "price": 12.5}],
    )
    produce(to.broker, [order])
    (cancelled,) = reader.read(1, seconds=15)
    check_cloud_event(cancelled, to)
    value = cancelled.json
    assert value["type"] == "cart.abandoned.cancelled"
    assert {name: value[name] for name in ("trigger_id", "customer_id", "rule", "due_at", "fired_at")} == {
        name: trigger.json[name] for name in ("trigger_id", "customer_id", "rule", "due_at", "fired_at")
    }
    assert cancelled.headers["ce_id"] != trigger.headers["ce_id"]
    assert value["cause"]["event_id"] == "o-1"


def mixed(to: Deployment, first: int, customers: int) -> tuple[list[Send], dict[str, int]]:
    """Some of each, and how many of each type."""
    at = now() - 10_000
    carts, purchases, people = to.topic("carts"), to.topic("purchases"), to.topic("customers")
    records = []
    for number in range(first, first + customers):
        who = f"customer-{number}"
        records += [
            event(people, who, at, "customer.updated", timezone="Europe/Berlin"),
            event(carts, who, at + 1, "product.viewed", product_id="p"),
            event(carts, who, at + 2, "cart.item_added", product_id="p", quantity=1),
            event(carts, who, at + 3, "cart.item_added", product_id="q", quantity=1),
            event(
                *(purchases, who, at + 4, "order.completed"),
                order_id=f"o{number}",
                total=10,
                currency="EUR",
                items=[],
            ),
        ]
    records.append(records[-1])  # the same again
    counts = {"customer.updated": 1, "product.viewed": 1, "cart.item_added": 2, "order.completed": 1}
    return records, {kind: count * customers + (kind == "order.completed") for kind, count in counts.items()}


def test_metrics_tell_what_was_done(embedded_broker: EmbeddedBroker) -> None:
    to = deploy(embedded_broker)
    with running(to.environ) as worker:
        check_health(worker)
        assert worker.metric("offbeat_partition_live") == 2  # before anything has come
        assert worker.metric("offbeat_customers") == 0
        records, counts = mixed(to, 0, 20)
        produce(embedded_broker, [*records, Send(to.topic("carts"), b"x", b"{", 0)])
        worker.wait_metric("offbeat_events_total", sum(counts.values()))
        assert worker.by("offbeat_events_total", "type") == counts
        assert worker.by("offbeat_events_unchanged_total", "why") == {"duplicate": 1}
        worker.wait_metric("offbeat_dead_letters_total", 1)
        assert worker.by("offbeat_dead_letters_total", "reason") == {"not_json": 1}
        assert worker.metric("offbeat_customers") == 20
        assert worker.metric("offbeat_triggers_total") == 0
        assert worker.metric("offbeat_takeovers_total") == 2
        assert worker.metric("offbeat_batches_failed_total") == 0
        assert worker.metric("offbeat_batch_seconds_count") >= 2
        assert worker.metric("offbeat_info", delivery="at_least_once") == 1
        worker.wait_until(lambda: worker.metric("offbeat_lag_records") == 0)
        assert worker.metric("offbeat_waiting_records") == 0
        before = worker.samples()
        assert {dict(labels)["topic"] for name, labels in before if name == "offbeat_lag_records"} == set(
            to.settings.sources
        )
        records, counts = mixed(to, 20, 200)
        produce(embedded_broker, records)
        worker.wait_until(lambda: worker.metric("offbeat_customers") == 220)
        after = worker.samples()
        assert after.keys() == before.keys()  # customers do not add series
        assert not [labels for _, labels in after if any(value.startswith("customer-") for _, value in labels)]
    assert worker.process.returncode == 0


def check_health(worker: Worker) -> None:
    """What the endpoints tell of a worker that is ready and has nothing to do."""
    assert worker.get("/live") == (200, '{"live": true}\n')
    assert worker.get("/ready") == (200, '{"ready": true}\n')
    assert worker.health()["phase"] == "live"
    worker.wait_until(lambda: [told["lag"] for told in worker.health()["partitions"].values()] == [0, 0])
    for told in worker.health()["partitions"].values():
        assert list(told) == ["phase", "lag", "lag_seconds", "rate", "seconds_left"]
        assert (told["phase"], told["lag"], told["seconds_left"]) == ("live", 0, 0.0)
        assert told["lag_seconds"] < 5
    assert worker.get("/nothing") == (404, "try /metrics, /live, /ready or /health\n")
    assert worker.output == "offbeat worker ready\n"


def test_a_batch_that_lags_is_told(embedded_broker: EmbeddedBroker) -> None:
    """In event time a feed that says nothing holds the others up: lag and waiting records show it."""
    to = deploy(embedded_broker, clock="event", partitions="1")
    with running(to.environ) as worker:
        produce(embedded_broker, [added(to, "c", now() - 1000 + n, f"e{n}") for n in range(10)])
        worker.wait_until(lambda: worker.metric("offbeat_waiting_records") == 10)
        assert worker.metric("offbeat_lag_records", topic=to.topic("carts")) == 10
        told = worker.health()["partitions"]["0"]
        assert (told["phase"], told["lag"], told["lag_seconds"], told["seconds_left"]) == ("live", 10, None, None)
        assert worker.metric("offbeat_events_total") == 0
        mark = json.dumps({"type": "time.mark", "occurred_at": now()}).encode()
        produce(embedded_broker, [Send(to.topic(topic), None, mark, 0) for topic in ("purchases", "customers")])
        worker.wait_metric("offbeat_events_total", 10)
        worker.wait_until(lambda: worker.metric("offbeat_lag_records") == 0)
        assert worker.metric("offbeat_waiting_records") == 0
        assert re.fullmatch(r"\d+\.\d", str(worker.health()["seconds_since_loop_turned"]))
