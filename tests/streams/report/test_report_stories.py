"""Stories: of what was sent, told from the orders, both ends, and never of who was erased."""

import json
from pathlib import Path
from typing import Any

import pytest

from agents.fit.histories import Orders
from agents.rulebook.rules import NAMES
from streams.flow.decode import parse_time
from tables.orders import DAY
from tables.parameters import BUILTIN
from tests.support.population import BEGIN, invented
from tests.support.reports import report_of, write_orders

DAYS = 700


@pytest.fixture(scope="module")
def orders() -> Orders:
    return invented(BUILTIN.timing, BUILTIN.basket, customers=500, days=DAYS)[0]


@pytest.fixture(scope="module")
def told(orders: Orders, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The stories, and by id what was sent."""
    folder = tmp_path_factory.mktemp("shop")
    out = folder / "out.jsonl"
    figures = report_of(write_orders(folder / "log.csv", orders), folder / "report", "--triggers", out)
    sent = [json.loads(line) for line in out.read_text().splitlines()]
    return figures["stories"], {line["trigger_id"]: line for line in sent if "cancelled_at" not in line}


def test_each_was_sent_after_the_date_and_early_enough_to_be_followed(
    told: tuple[list[dict[str, Any]], dict[str, Any]], orders: Orders
) -> None:
    stories, sent = told
    assert len({story["trigger_id"] for story in stories}) == len(stories) == 10
    begin, end = int(orders.at.min()), int(orders.at.max())
    for story in stories:
        line = sent[story["trigger_id"]]
        assert {key: story[key] for key in ("type", "customer_id", "rule", "fired_at", "reason", "evidence")} == {
            key: line[key] for key in ("type", "customer_id", "rule", "fired_at", "reason", "evidence")
        }
        assert (begin + end) // 2 <= parse_time(story["fired_at"]) <= end - 90 * DAY


def test_what_came_before_and_after_is_in_the_orders(
    told: tuple[list[dict[str, Any]], dict[str, Any]], orders: Orders
) -> None:
    for story in told[0]:
        at = parse_time(story["fired_at"])
        own = orders.take(orders.customer == int(story["customer_id"][1:]))
        before, after = own.take(own.at <= at), own.take(own.at > at)
        assert (story["orders_before"], story["orders_after"]) == (len(before), len(after))
        for shown, those in ((story["before"], before.take(slice(-12, None))), (story["after"], after.take(slice(12)))):
            assert [parse_time(order["at"]) for order in shown] == those.at.tolist()
            assert [order["total"] for order in shown] == pytest.approx(those.total.round(2).tolist())
            assert {order["currency"] for order in shown} <= {"EUR"}
            assert [order["days"] for order in shown] == pytest.approx(((those.at - at) / DAY).tolist(), abs=0.06)
        assert story["watched_days"] == pytest.approx((int(orders.at.max()) - at) / DAY, abs=0.06)


def test_the_second_of_a_type_did_the_opposite(told: tuple[list[dict[str, Any]], dict[str, Any]]) -> None:
    kinds = [story["type"] for story in told[0]]
    assert kinds == sorted(kinds, key=NAMES.index)
    for kind in ("repurchase.due", "repurchase.overdue", "first_purchase.lapsed"):
        one, other = [story for story in told[0] if story["type"] == kind][:2]
        assert back(one) != back(other)


def back(story: dict[str, Any]) -> bool:
    return bool(story["after"]) and bool(story["after"][0]["days"] <= 90)


def test_those_with_the_most_at_stake_come_first(told: tuple[list[dict[str, Any]], dict[str, Any]]) -> None:
    stories, sent = told
    (most, *_) = [story for story in stories if story["type"] == "repurchase.overdue"]
    orders = [line["evidence"]["orders"] for line in sent.values() if line["ce_type"] == "repurchase.overdue"]
    assert most["evidence"]["orders"] >= min(12, sorted(orders)[-10])


def test_who_was_erased_is_not_told_of(tmp_path: Path) -> None:
    """Neither who ordered nor who only left a cart, though the triggers were sent before."""

    def lines(erased: bool) -> Path:
        events: list[dict[str, Any]] = []
        for i in range(8):
            name, at = f"c{i}", BEGIN + (20 + i) * DAY
            kind = {"type": "cart.item_added", "product_id": "p", "quantity": 1} if i % 2 else order(i)
            events.append({**kind, "event_id": f"e{i}", "customer_id": name, "occurred_at": at})
            if erased:
                gone = {"type": "customer.erased", "event_id": f"g{i}", "customer_id": name}
                events.append({**gone, "occurred_at": BEGIN + 650 * DAY})
        events.append({**order(99), "event_id": "last", "customer_id": "z", "occurred_at": BEGIN + DAYS * DAY})
        path = tmp_path / f"{erased}.jsonl"
        events.sort(key=lambda event: event["occurred_at"])
        path.write_text("".join(json.dumps(event) + "\n" for event in events))
        return path

    def order(number: int) -> dict[str, Any]:
        return {"type": "order.completed", "order_id": f"o{number}", "total": 9, "currency": "EUR", "items": []}

    stories = {}
    for erased in (False, True):
        found = report_of(
            lines(erased), tmp_path / str(erased), "--parameters", "builtin", "--train-until", "2020-10-04"
        )
        stories[erased] = {story["customer_id"] for story in found["stories"]}
    assert {"c0", "c1"} <= stories[False]
    assert stories[True] == set()
