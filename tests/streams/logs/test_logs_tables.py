"""Logs as tables: rows become events and orders, or are counted with the reason."""

import json
import re

import pytest

from streams.logs import read_log
from tests.support.logfiles import DAY, HEADER, T0, WALL, Write, check_valid, row_values, values


def test_rows_become_events(write: Write) -> None:
    got, log = row_values(
        write,
        "00001,2023-01-01T10:00:00Z,view,,p1,shoes,,,",
        "00001,2023-01-01T11:00:00+01:00,add_to_cart,,p1,shoes,2,20.5,EUR",
        "00001,2023-01-01 10:00:01,remove_from_cart,,p1,,0,,",
        "00001,2023-01-02,purchase,A1,p1,shoes,2,20.5,EUR",
        "00001,1672704000000,refund,A1,,,,-20.5,EUR",
        "00001,1672704000000,refund,A2,,,,,",
    )
    day = 1_672_531_200_000
    common = {"customer_id": "00001"}
    ten = day + 36_000_000
    view = common | {"occurred_at": ten, "product_id": "p1", "category": "shoes"}
    assert got == [
        view | {"type": "product.viewed", "event_id": "row-1"},
        view | {"type": "cart.item_added", "event_id": "row-2", "quantity": 2, "price": 10.25},
        common
        | {
            "type": "cart.item_removed",
            "event_id": "row-3",
            "product_id": "p1",
            "quantity": 1,
            "occurred_at": ten + 1000,
        },
        common
        | {"type": "order.completed", "event_id": "order-A1", "order_id": "A1", "occurred_at": day + DAY}
        | {"total": 20.5, "currency": "EUR"}
        | {"items": [{"product_id": "p1", "quantity": 2, "price": 10.25, "category": "shoes"}]},
        common
        | {
            "type": "order.refunded",
            "event_id": "row-5",
            "order_id": "A1",
            "amount": 20.5,
            "occurred_at": day + 2 * DAY,
        },
        common | {"type": "order.refunded", "event_id": "row-6", "order_id": "A2", "occurred_at": day + 2 * DAY},
    ]
    assert [line.key for line in log.lines()] == [b"00001"] * 6
    assert log.rejected.count == 0
    check_valid(log)


def test_rows_of_one_order_are_one_order_wherever_they_stand(write: Write) -> None:
    got, log = row_values(
        write,
        "a,2023-01-01T00:00:02Z,purchase,A,p2,,1,0.2,EUR",
        "b,2023-01-01T00:00:01Z,purchase,A,p9,,1,9,USD",
        "a,2023-01-01T00:00:00Z,purchase,A,p1,,1,0.1,EUR",
        "a,2023-01-01T00:00:01Z,purchase,B,,,,5,",
        "a,2023-01-01T00:00:03Z,purchase,A,,shipping,,4,EUR",
    )
    assert [(e["customer_id"], e["order_id"], e["total"], e["currency"]) for e in got] == [
        ("a", "A", 4.3, "EUR"),
        ("b", "A", 9.0, "USD"),
        ("a", "B", 5.0, "XXX"),
    ]
    assert [item["product_id"] for item in got[0]["items"]] == ["p1", "p2"]
    assert got[0]["occurred_at"] == 1_672_531_200_000
    assert [line.at for line in log.lines()] == sorted(line.at for line in log.lines())


def test_a_purchase_without_an_order_id_is_an_order_per_customer_and_time(write: Write) -> None:
    rows = ["a,2023-01-01,purchase,,p1,,,,", "a,2023-01-01,purchase,,p2,,,,", "b,2023-01-01,purchase,,p1,,,,"]
    got, _ = row_values(write, *rows, "a,2023-01-02,purchase,,p1,,,,")
    day = 1_672_531_200_000
    assert [(e["order_id"], len(e["items"]), e["total"]) for e in got] == [
        (f"a-{day}", 2, 0),
        (f"b-{day}", 1, 0),
        (f"a-{day + DAY}", 1, 0),
    ]
    path = write("log.csv", HEADER + "\n".join(rows))
    shifted = values(read_log(path, wall=WALL, shift_to=T0, backfill=True))
    assert [(e["order_id"], e["occurred_at"], e["backfill"]) for e in shifted] == [
        (f"a-{day}", T0, True),
        (f"b-{day}", T0, True),
    ]


@pytest.mark.parametrize(
    ("amounts", "total"),
    [(("1", ""), 0), (("", ""), 0), (("NaN", "2"), 0), (("5", "-1.5"), 3.5), (("0", "0"), 0), (("0.1", "0.2"), 0.3)],
)
def test_a_total_is_the_sum_and_unknown_where_a_part_is(write: Write, amounts: tuple[str, str], total: float) -> None:
    got, log = row_values(write, *(f"a,2023-01-01,purchase,A,p,,1,{amount},EUR" for amount in amounts))
    assert [e["total"] for e in got] == [total]
    assert log.rejected.count == 0
    check_valid(log)


def test_ties_of_a_table_go_by_source_then_by_row(write: Write) -> None:
    rows = ["a,2023-01-01,view,,p1,,,,", "b,2023-01-01,view,,p2,,,,", "a,2023-01-01,refund,A,,,,,"]
    _, log = row_values(write, *rows, "a,2023-01-01,purchase,B,,,,,", "a,2022-01-01,view,,p0,,,,")
    assert [json.loads(line.value)["event_id"] for line in log.lines()] == [
        "row-5",
        "row-3",
        "order-B",
        "row-1",
        "row-2",
    ]


LONG = "x" * 481


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",2023-01-01,view,,p,,,,", "no customer_id"),
        (f"{LONG},2023-01-01,view,,p,,,,", "customer_id is longer than 480 characters"),
        ("a\0b,2023-01-01,view,,p,,,,", "customer_id holds a NUL character"),
        ("a,,view,,p,,,,", r"event_time \(empty\) is neither"),
        ("a,2023-02-30,view,,p,,,,", "event_time '2023-02-30' is neither ISO 8601 nor epoch milliseconds"),
        ("a,01/02/2023,view,,p,,,,", "event_time '01/02/2023' is neither"),
        ("a,1700000000,view,,p,,,,", r"event_time 1700000000 lies before 1990 \(milliseconds are wanted"),
        ("a,9999999999999999999999,view,,p,,,,", "is neither"),
        ("a,2100-01-01,view,,p,,,,", "more than an hour ahead"),
        ("a,0001-01-01T00:00:00+10:00,view,,p,,,,", "event_time"),
        ("a,2023-01-01,buy,,p,,,,", "event_type 'buy' is none of purchase, add_to_cart"),
        ("a,2023-01-01,,,p,,,,", r"event_type \(empty\)"),
        ("a,2023-01-01,view,,,,,,", "view without a product_id"),
        ("a,2023-01-01,add_to_cart,,,,1,,", "add_to_cart without a product_id"),
        ("a,2023-01-01,refund,,,,,5,EUR", "a refund without an order_id"),
        ("a,2023-01-01,purchase,A,p,,1,abc,EUR", "amount 'abc' is not a number"),
        ("a,2023-01-01,purchase,A,p,,1,1_0,EUR", "amount '1_0' is not a number"),
        ("a,2023-01-01,purchase,A,p,,1,inf,EUR", "amount 'inf' is not a number"),
        ("a,2023-01-01,purchase,A,p,,1,1e13,EUR", r"amount '1e13' is beyond 1e\+12"),
        ("a,2023-01-01,purchase,A,p,,many,1,EUR", "quantity 'many' is not a number"),
        ("a,2023-01-01,purchase,A,p,,1,-5,EUR", "an order with a negative total"),
        ("a,2023-01-01,purchase,A,p,,1,1,EUROPEANS", "currency is longer than 8 characters"),
        (f"a,2023-01-01,purchase,A,{LONG},,1,1,EUR", "product_id is longer"),
        (f"a,2023-01-01,purchase,A,p,{LONG * 2},1,1,EUR", "category is longer than 512"),
        ("a,2023-01-01,view,,p,,,", "8 values instead of 9"),
        ("a,2023-01-01,view,,p,,,,,", "10 values instead of 9"),
    ],
)
def test_a_row_that_cannot_be_understood_is_counted(write: Write, row: str, reason: str) -> None:
    good = "b,2023-06-01,view,,p,,,,"
    got, log = row_values(write, good, row, good)
    assert [e["event_id"] for e in got] == ["row-1", "row-3"]
    assert log.rejected.count == 1
    (told,) = log.rejected.reasons
    assert told.startswith("row 2: ")
    assert re.search(reason, told)


def test_an_order_in_several_currencies_is_refused_with_all_its_rows(write: Write) -> None:
    got, log = row_values(
        write,
        "a,2023-01-01,purchase,A,p,,1,1,EUR",
        "a,2023-01-01,purchase,B,p,,1,1,",
        "a,2023-01-01,purchase,A,p,,1,1,USD",
        "a,2023-01-01,purchase,B,p,,1,1,EUR",
    )
    assert [(e["order_id"], e["currency"]) for e in got] == [("B", "EUR")]
    assert log.rejected.count == 2
    assert log.rejected.reasons == ["row 1: an order in several currencies", "row 3: an order in several currencies"]


def test_crlf_bom_quotes_and_missing_columns(write: Write) -> None:
    content = '\ufeff"event_type",customer_id,event_time,extra,category,product_id\r\n'
    content += 'view,"a ""b"", c",2023-01-01,7,"two\nlines",p\r\n\r\nview,"007",2023-01-01,x,,p'
    got, log = values(read_log(path := write("log.csv", content), wall=WALL)), read_log(path, wall=WALL)
    assert [(e["customer_id"], e.get("category")) for e in got] == [('a "b", c', "two\nlines"), ("007", None)]
    assert log.rejected.count == 0


def test_the_reasons_shown_are_the_first_in_the_file(write: Write) -> None:
    bad = ["a,x,view,,p,,,,", "a,2023-01-01,view,,,,,,", "short", "a,2023-01-01,buy,,p,,,,"] * 3
    _, log = row_values(write, *bad, "a,2023-01-01,view,,p,,,,")
    assert log.rejected.count == 12
    assert [reason.split(":")[0] for reason in log.rejected.reasons] == [f"row {n}" for n in range(1, 6)]
