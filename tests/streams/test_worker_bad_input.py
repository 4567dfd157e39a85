"""What is not an event, through the worker: its dead letter, and that the events around it are taken all the same."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from streams.brokers.embedded import EmbeddedBroker
from tests.support.topics_io import Broker, Message, Send, event, now, produce, read_all, states
from tests.support.workers import Deployment, Worker, deploy, running

AT = now() - 3_600_000


@dataclass(frozen=True)
class Bad:
    """A record that is no event: for a customer `bad` at AT, with one thing wrong."""

    name: str
    value: bytes | None
    kind: str
    reason: str
    """How the dead letter's reason begins."""
    key: bytes | None = b"bad"
    source: str = "carts"
    headers: tuple[tuple[str, bytes], ...] = ()


def order(**changes: Any) -> bytes:
    """An order with one thing changed."""
    value = {
        "type": "order.completed",
        "event_id": "e",
        "customer_id": "bad",
        "occurred_at": AT,
        "order_id": "o",
        "total": 10,
        "currency": "EUR",
        "items": [],
        **changes,
    }
    return json.dumps(value).encode()


def cart(**changes: Any) -> bytes:
    """An addition to a cart with one thing changed."""
    value = {
        "type": "cart.item_added",
        "event_id": "e",
        "customer_id": "bad",
        "occurred_at": AT,
        "product_id": "p",
        "quantity": 1,
        **changes,
    }
    return json.dumps(value).encode()


def update(**changes: Any) -> bytes:
    """An update of a customer with one thing changed."""
    value = {"type": "customer.updated", "event_id": "e", "customer_id": "bad", "occurred_at": AT, **changes}
    return json.dumps(value).encode()


DEEP = b'{"type":"product.viewed","x":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
LARGE = b'{"type":"product.viewed","event_id":"' + b"x" * (5 << 20) + b'"}'
TRACE = (("trace", b"abc"), ("trace", b"\xff\x00"), ("empty", b""))

BAD = [
    Bad("empty", b"", "empty", "empty value", headers=TRACE),
    Bad("tombstone", None, "empty", "no value (a tombstone)"),
    Bad("tombstone-of-nobody", None, "empty", "no value (a tombstone)", key=None),
    Bad("large", LARGE, "bad_field", "Expected `str` of length <= 512"),
    Bad("large-garbage", b"\0" * (5 << 20), "not_json", "not JSON"),
    Bad("utf8", b'{"type":"product.viewed","event_id":"\xff"}', "not_utf8", "not UTF-8"),
    Bad("array", b"[1]", "bad_field", "Expected `object`, got `array`"),
    Bad("text", b'"cart"', "bad_field", "Expected `object`, got `str`"),
    Bad("garbage", b"\x80\x02K\x01.", "not_json", "not JSON"),
    Bad("cut-off", cart()[:-7], "not_json", "not JSON"),
    Bad("deep", DEEP, "too_deep", "nested too deeply"),
    Bad("no-type", b'{"event_id":"e"}', "bad_field", "Object missing required field `type`"),
    Bad("unknown-type", cart(type="cart.teleported"), "unknown_type", "unknown type for carts"),
    Bad("another-topic's-type", order(), "unknown_type", "unknown type for carts"),
    Bad("quantity-as-text", cart(quantity="1"), "bad_field", "Expected `float`, got `str` - at `$.quantity`"),
    Bad("no-quantity", cart(quantity=0), "bad_field", "Expected `float` > 0.0 - at `$.quantity`"),
    Bad("no-event-id", cart(event_id=""), "bad_field", "Expected `str` of length >= 1 - at `$.event_id`"),
    Bad(
        "total-as-text",
        order(total="10"),
        "bad_field",
        "Expected `float`, got `str` - at `$.total`",
        source="purchases",
    ),
    Bad("total-negative", order(total=-1), "bad_field", "Expected `float` >= 0.0", source="purchases"),
    Bad("total-huge", order(total=1e13), "bad_field", "Expected `float` <= 1", source="purchases"),
    Bad("total-nan", order(total=float("nan")), "not_json", "not JSON", source="purchases"),
    Bad("total-infinite", order(total=float("inf")), "not_json", "not JSON", source="purchases"),
    Bad(
        "total-beyond", order(total=12345).replace(b"12345", b"1e400"), "bad_field", "Number out of", source="purchases"
    ),
    Bad("no-items", order(items=None), "bad_field", "Expected `array`, got `null`", source="purchases"),
    Bad("in-1970", cart(occurred_at=0), "bad_time", "occurred_at 0 lies before 1990"),
    Bad("in-seconds", cart(occurred_at=AT // 1000), "bad_time", "occurred_at"),
    Bad(
        "in-2100", cart(occurred_at="2100-01-01T00:00:00Z"), "bad_time", "occurred_at 4102444800000 lies more than 1 h"
    ),
    Bad("no-offset", cart(occurred_at="2026-01-01T00:00:00"), "bad_time", "occurred_at '2026-01-01T00:00:00' has no"),
    Bad("no-time", cart(occurred_at="yesterday"), "bad_time", "occurred_at 'yesterday' is neither"),
    Bad("wrong-key", cart(), "wrong_key", "the key b'other' differs from customer_id 'bad'", key=b"other"),
    Bad("no-key", cart(), "wrong_key", "the key None differs from customer_id 'bad'", key=None),
    Bad("consent-as-text", update(consent={"email": "yes"}), "bad_field", "Expected `bool", source="customers"),
    Bad("merged-into-nobody", update(type="customer.merged"), "bad_field", "Object missing", source="customers"),
    Bad("nul", update(customer_id="a\0b"), "bad_field", "customer_id holds a NUL", key=b"a\0b", source="customers"),
]


@dataclass(frozen=True)
class Ran:
    """What became of a run in which every record of BAD came between two good ones of its topic."""

    dead: dict[tuple[str, int, int], Message]
    """Dead letters by the place that they came from."""
    places: dict[str, tuple[str, int, int]]
    """Where each record of BAD was written, by its name."""
    events: dict[str, float]
    unchanged: dict[str, float]
    reasons: dict[str, float]
    customers: set[bytes]
    count: int
    """Of dead letters."""


def good(to: Deployment, source: str, customer: str) -> Send:
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "carts": ("product.viewed", {"product_id": "p"}),
        "purchases": ("order.completed", {"order_id": customer, "total": 1, "currency": "EUR", "items": []}),
        "customers": ("customer.updated", {}),
    }
    kind, fields = kinds[source]
    return event(to.topic(source), customer, AT, kind, partition=0, **fields)


def run(broker: Broker) -> Ran:
    to = deploy(broker, partitions="1", dead_letter_share="1")
    records = []
    for number, bad in enumerate(BAD):
        records += [
            good(to, bad.source, f"before-{number}"),
            Send(to.topic(bad.source), bad.key, bad.value, 0, bad.headers),
            good(to, bad.source, f"after-{number}"),
        ]
    with running(to.environ) as worker:
        places = produce(broker, records)
        worker.wait_metric("offbeat_events_total", 2 * len(BAD))
        worker.wait_until(lambda: worker.metric("offbeat_lag_records") == 0)
        taken = worker.by("offbeat_events_total", "type")
        unchanged = worker.by("offbeat_events_unchanged_total", "why")
        reasons = worker.by("offbeat_dead_letters_total", "reason")
    letters = read_all(broker, [to.topic("dead-letters")])
    dead = {
        (
            m.headers["offbeat_topic"].decode(),
            int(m.headers["offbeat_partition"]),
            int(m.headers["offbeat_offset"]),
        ): m
        for m in letters
    }
    names = {bad.name: place for bad, place in zip(BAD, places[1::3], strict=True)}
    return Ran(dead, names, taken, unchanged, reasons, set(states(broker, to.settings)), len(letters))


@pytest.fixture(scope="module", params=["embedded_broker", "apache_kafka"])
def ran(request: pytest.FixtureRequest) -> Ran:
    """One run for all tests: at least once, and exactly once."""
    return run(request.getfixturevalue(request.param))


@pytest.mark.parametrize("bad", BAD, ids=[bad.name for bad in BAD])
def test_a_record_that_is_no_event_becomes_a_dead_letter(ran: Ran, bad: Bad) -> None:
    place = ran.places[bad.name]
    letter = ran.dead[place]
    assert letter.key == bad.key
    assert letter.value == bad.value
    topic, partition, offset = place
    assert letter.all_headers[:-1] == (
        *bad.headers,
        ("offbeat_topic", topic.encode()),
        ("offbeat_partition", str(partition).encode()),
        ("offbeat_offset", str(offset).encode()),
    )
    name, reason = letter.all_headers[-1]
    assert name == "offbeat_reason"
    assert reason.decode().startswith(bad.reason)
    assert len(reason) <= 400


def test_the_events_around_are_taken(ran: Ran) -> None:
    assert ran.count == len(ran.dead) == len(BAD)  # each once
    assert ran.customers == {f"{when}-{n}".encode() for when in ("before", "after") for n in range(len(BAD))}
    assert sum(ran.events.values()) == 2 * len(BAD)
    assert ran.unchanged == {}
    kinds = [bad.kind for bad in BAD]
    assert ran.reasons == {kind: kinds.count(kind) for kind in kinds}


def test_the_same_id_with_other_contents_changes_nothing(embedded_broker: EmbeddedBroker) -> None:
    """The first one counts; another customer's event of that id is another event."""
    to = deploy(embedded_broker, partitions="1")

    def bought(customer: str, event_id: str, order_id: str, total: float) -> Send:
        fields = {"event_id": event_id, "order_id": order_id, "total": total, "currency": "EUR", "items": []}
        return event(to.topic("purchases"), customer, AT, "order.completed", partition=0, **fields)

    with running(to.environ) as worker:
        records = [bought("a", "1", "x", 10), bought("a", "1", "y", 99), bought("a", "2", "x", 99)]
        produce(embedded_broker, [*records, bought("b", "1", "y", 50)])
        worker.wait_metric("offbeat_events_total", 4)
        assert worker.by("offbeat_events_unchanged_total", "why") == {"duplicate": 2}
    found = states(embedded_broker, to.settings)
    totals = {key: [order.total for order in state.orders.recent] for key, state in found.items() if state.orders}
    assert totals == {b"a": [10.0], b"b": [50.0]}
    assert read_all(embedded_broker, [to.topic("dead-letters")]) == []


def test_a_flood_stops_the_worker(embedded_broker: EmbeddedBroker) -> None:
    """Nothing is taken of the batch that is too much; with another limit the worker goes on with it."""
    to = deploy(embedded_broker, partitions="1")
    around = [good(to, "carts", f"c{n}") for n in range(20)]
    flood = [Send(to.topic("carts"), b"x", b'{"type":"order.done"}', 0)] * 501
    produce(embedded_broker, [*around[:10], *flood, *around[10:]])
    with Worker(to.environ) as worker:
        assert worker.wait() == 1
        told = [line for line in worker.errors.splitlines() if line.startswith("offbeat: ")]
        assert len(told) == 1
        assert "501 of the last 1000 events are not understood (limit 50%)" in told[0]
        assert "the newest: unknown_type, at offset 510 of carts" in told[0]
        assert "dead_letter_share" in told[0]
        assert worker.output == "offbeat worker ready\n"
    assert read_all(embedded_broker, [to.topic("dead-letters")]) == []
    assert states(embedded_broker, to.settings) == {}
    with running(to.environ, dead_letter_share="0.51") as worker:
        worker.wait_metric("offbeat_events_total", 20)
        worker.wait_metric("offbeat_dead_letters_total", 501, reason="unknown_type")
    letters = read_all(embedded_broker, [to.topic("dead-letters")])
    assert [int(m.headers["offbeat_offset"]) for m in letters] == list(range(10, 511))
    assert set(states(embedded_broker, to.settings)) == {f"c{n}".encode() for n in range(20)}
