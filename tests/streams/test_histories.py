"""The orders of a log, gathered for what is fitted: from any format, each once, and none of who was erased."""

import json
from pathlib import Path

import numpy as np

from agents.rulebook.currencies import Currencies
from streams.histories import Histories, gather
from streams.logs import read_log
from tests.support.logfiles import DAY, HEADER, T0, WALL, Write, event


def gathered(path: Path) -> Histories:
    return gather(read_log(path, wall=WALL).lines(), wall=WALL)


def order(customer: str, at: int, name: str, total: float = 10.0, currency: str = "EUR") -> bytes:
    return event("order.completed", customer, at, order_id=name, total=total, currency=currency, items=[])


def told(found: Histories) -> list[tuple[str, float, float]]:
    """(customer, day, total) of every order."""
    names = {number: key.decode() for key, number in found.number.items()}
    orders = found.orders
    return [
        (names[number], (at - T0) / DAY, total)
        for number, at, total in zip(orders.customer.tolist(), orders.at.tolist(), orders.total.tolist(), strict=True)
    ]


def test_orders_alone_count_each_once_and_in_order(write: Write) -> None:
    lines = [
        event("product.viewed", "ann", T0),
        order("ann", T0 + 3 * DAY, "a2"),
        order("ann", T0, "a1", 7.5),  # late
        order("bob", T0 + DAY, "a1", 1.0, "USD"),  # another customer's order may have the same name
        order("ann", T0 + 4 * DAY, "a2", 99.0),  # told again
        event("order.refunded", "ann", T0 + 4 * DAY, order_id="a2"),
        event("order.completed", "ann", T0, order_id="a9", total=-1, currency="EUR", items=[]),  # a dead letter
    ]
    found = gathered(write("log.jsonl", b"\n".join(lines)))
    assert told(found) == [("ann", 0, 7.5), ("ann", 3, 10.0), ("bob", 1, 1.0)]
    assert found.orders.currency.tolist() == [0, 0, 1]
    assert found.currencies == ("EUR", "USD")


def test_amounts_are_turned_by_the_rates_as_the_worker_turns_them(write: Write) -> None:
    lines = [
        order("ann", T0, "a1", 10.0, "EUR"),
        order("ann", T0 + DAY, "a2", 10.0, "USD"),
        order("ann", T0 + 2 * DAY, "a3", 10.0, "JPY"),
    ]
    log = read_log(write("log.jsonl", b"\n".join(lines)), wall=WALL)
    found = gather(log.lines(), wall=WALL, rates=Currencies({"EUR": 1.0, "USD": 0.5}))
    assert told(found) == [("ann", 0, 10.0), ("ann", 1, 5.0), ("ann", 2, 10.0)]
    assert found.orders.currency.tolist() == [0, 0, 1]
    assert found.currencies == ("EUR", "JPY")


def test_who_was_erased_leaves_nothing_and_begins_anew(write: Write) -> None:
    lines = [
        order("ann", T0, "a1"),
        order("bob", T0, "b1"),
        event("customer.erased", "ann", T0 + DAY),
        event("customer.erased", "eve", T0 + DAY),
        order("ann", T0 + 2 * DAY, "a1", 5.0),
    ]
    found = gathered(write("log.jsonl", b"\n".join(lines)))
    assert told(found) == [("bob", 0, 10.0), ("ann", 2, 5.0)]
    assert found.erased == {b"ann", b"eve"}


def test_a_table_gives_what_its_events_give(write: Write, tmp_path: Path) -> None:
    rows = [
        "1,2023-01-01,view,,p,,,,",
        "1,2023-01-01,purchase,o1,p,,1,4.5,EUR",
        "1,2023-01-01,purchase,o1,q,,2,5.5,EUR",
        "2,2023-01-02,purchase,,p,,,,",
        "1,2023-03-01,purchase,o2,p,,1,3,EUR",
    ]
    table = write("log.csv", HEADER + "\n".join(rows))
    found = gathered(table)
    assert found.orders.total.tolist() == [10.0, 3.0, 0.0]
    as_lines = tmp_path / "log.jsonl"
    as_lines.write_bytes(b"\n".join(line.value for line in read_log(table, wall=WALL).lines()))
    again = gathered(as_lines)
    assert again.number == found.number
    for name in ("customer", "at", "total", "currency"):
        np.testing.assert_array_equal(getattr(again.orders, name), getattr(found.orders, name))


def test_a_log_without_orders_has_none(write: Write) -> None:
    found = gathered(write("log.jsonl", json.dumps(json.loads(event("product.viewed", "ann", T0)))))
    assert len(found.orders) == 0
    assert found.number == {}
