"""Bytes in: what is put aside, and why."""

import json

import pytest

from tables.events import CARTS, PURCHASES
from tests.support.contract import ADDED, AT, ORDER, encoded, raw, refused

DEEP = "[" * 10_000 + "]" * 10_000
RUBBISH: dict[str, tuple[bytes | None, str, str]] = {
    "a tombstone": (None, "empty", "tombstone"),
    "empty": (b"", "empty", "empty value"),
    "blank": (b" \n", "not_json", "not JSON"),
    "text": (b"hello", "not_json", "not JSON"),
    "cut off": (encoded(ADDED)[:-1], "not_json", "truncated"),
    "two in one": (encoded(ADDED) * 2, "not_json", "trailing"),
    "Avro with a schema id": (b"\x00\x00\x00\x00\x01" + encoded(ADDED), "not_json", "not JSON"),
    "a byte order mark": (b"\xef\xbb\xbf" + encoded(ADDED), "not_json", "not JSON"),
    "UTF-16": (json.dumps(ADDED).encode("utf-16"), "not_json", "not JSON"),
    "Latin-1": (encoded(ADDED, product_id="@").replace(b"@", b"\xe9"), "not_utf8", "not UTF-8"),
    "half a surrogate pair": (encoded(ADDED, customer_id="@").replace(b"@", b"\\ud800"), "not_json", "escape"),
    "an array": (json.dumps([ADDED]).encode(), "bad_field", "`array`"),
    "a number": (b"1", "bad_field", "`int`"),
    "null": (b"null", "bad_field", "`null`"),
    "a string": (b'"cart.item_added"', "bad_field", "`str`"),
    "an empty object": (b"{}", "bad_field", "`type`"),
    "deep in an unknown field": (raw("x", DEEP), "too_deep", "nested too deeply"),
    "deep and never closed": (b"[" * 100_000, "bad_field", "`array`"),
    "deep from the start": (b'{"a":' * 100_000, "too_deep", "nested too deeply"),
    "an unknown type": (encoded(ADDED, type="cart.exploded"), "unknown_type", "cart.exploded"),
    "no type": (encoded({k: v for k, v in ADDED.items() if k != "type"}), "bad_field", "`type`"),
    "a type that is no text": (encoded(ADDED, type=5), "unknown_type", "$.type"),
    "null as type": (encoded(ADDED, type=None), "unknown_type", "$.type"),
    "a type of another feed": (encoded(ORDER), "unknown_type", "order.completed"),
    "quantity as text": (encoded(ADDED, quantity="1"), "bad_field", "$.quantity"),
    "quantity zero": (encoded(ADDED, quantity=0), "bad_field", "$.quantity"),
    "quantity negative": (encoded(ADDED, quantity=-1), "bad_field", "$.quantity"),
    "quantity huge": (encoded(ADDED, quantity=1e10), "bad_field", "$.quantity"),
    "quantity a boolean": (encoded(ADDED, quantity=True), "bad_field", "$.quantity"),
    "quantity NaN": (raw("quantity", "NaN"), "not_json", "not JSON"),
    "quantity Infinity": (raw("quantity", "-Infinity"), "not_json", "not JSON"),
    "quantity beyond doubles": (raw("quantity", "1e400"), "bad_field", "$.quantity"),
    "price negative": (encoded(ADDED, price=-0.01), "bad_field", "$.price"),
    "price as text": (encoded(ADDED, price="9.99"), "bad_field", "$.price"),
    "no product": (encoded({k: v for k, v in ADDED.items() if k != "product_id"}), "bad_field", "product_id"),
    "an empty product": (encoded(ADDED, product_id=""), "bad_field", "$.product_id"),
    "an empty event id": (encoded(ADDED, event_id=""), "bad_field", "$.event_id"),
    "an event id that is a number": (encoded(ADDED, event_id=17), "bad_field", "$.event_id"),
    "an event id without end": (encoded(ADDED, event_id="x" * 513), "bad_field", "512"),
    "no customer": (encoded({k: v for k, v in ADDED.items() if k != "customer_id"}), "bad_field", "customer_id"),
    "backfill as text": (encoded(ADDED, backfill="true"), "bad_field", "$.backfill"),
    "no time": (encoded({k: v for k, v in ADDED.items() if k != "occurred_at"}), "bad_field", "occurred_at"),
    "time null": (encoded(ADDED, occurred_at=None), "bad_field", "$.occurred_at"),
    "time a boolean": (encoded(ADDED, occurred_at=True), "bad_field", "$.occurred_at"),
    "time with a fraction": (encoded(ADDED, occurred_at=AT + 0.5), "bad_field", "$.occurred_at"),
    "time in seconds": (encoded(ADDED, occurred_at=AT // 1000), "bad_time", "milliseconds are wanted, not seconds"),
    "time zero": (encoded(ADDED, occurred_at=0), "bad_time", "before 1990"),
    "time negative": (encoded(ADDED, occurred_at=-AT), "bad_time", "before 1990"),
    "in 1970": (encoded(ADDED, occurred_at="1970-01-01T00:00:00Z"), "bad_time", "before 1990"),
    "in 2100": (encoded(ADDED, occurred_at="2100-01-01T00:00:00Z"), "bad_time", "more than 1 h ahead"),
    "in the year 1": (encoded(ADDED, occurred_at="0001-01-01T00:00:00+14:00"), "bad_time", "before 1990"),
    "in the year 9999": (encoded(ADDED, occurred_at="9999-12-31T23:59:59-14:00"), "bad_time", "ahead"),
    "time without end": (encoded(ADDED, occurred_at=10**40), "bad_time", "ahead"),
    "time of 4,000 digits": (raw("occurred_at", "9" * 4000), "bad_time", "ahead"),
    "time of 5,000 digits": (raw("occurred_at", "9" * 5000), "bad_field", "$.occurred_at"),
    "time beyond doubles": (raw("occurred_at", "1e400"), "bad_field", "$.occurred_at"),
    "time without offset": (encoded(ADDED, occurred_at="2025-06-01T10:20:30"), "bad_time", "no offset from UTC"),
    "a day": (encoded(ADDED, occurred_at="2025-06-01"), "bad_time", "no offset from UTC"),
    "a day that is none": (encoded(ADDED, occurred_at="2025-02-30T00:00:00Z"), "bad_time", "2025-02-30"),
    "time as words": (encoded(ADDED, occurred_at="yesterday"), "bad_time", "yesterday"),
    "time as a number in text": (encoded(ADDED, occurred_at=str(AT)), "bad_time", "neither ISO 8601 nor"),
    "time empty": (encoded(ADDED, occurred_at=""), "bad_time", "neither ISO 8601 nor"),
    "a mark in 2100": (encoded({"type": "time.mark", "occurred_at": "2100-01-01T00:00:00Z"}), "bad_time", "ahead"),
    "a mark without time": (encoded({"type": "time.mark"}), "bad_field", "occurred_at"),
}


@pytest.mark.parametrize("name", RUBBISH)
def test_rubbish_has_a_kind_and_a_reason(name: str) -> None:
    value, kind, says = RUBBISH[name]
    found, reason = refused(CARTS, value)
    assert found == kind
    assert says in reason


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("total", -0.01, "$.total"),
        ("total", 1.0000001e12, "$.total"),
        ("total", "49.90", "$.total"),
        ("total", None, "$.total"),
        ("currency", "", "$.currency"),
        ("currency", None, "$.currency"),
        ("currency", "EUROEUROS", "$.currency"),
        ("items", None, "$.items"),
        ("items", {}, "$.items"),
        ("items", [None], "$.items[0]"),
        ("items", [{"product_id": "p", "quantity": "1"}], "$.items[0].quantity"),
        ("items", [{"quantity": 1}], "product_id"),
        ("discount", -1, "$.discount"),
        ("order_id", "", "$.order_id"),
        ("order_id", 12345, "$.order_id"),
    ],
)
def test_orders_that_are_none(field: str, value: object, says: str) -> None:
    kind, reason = refused(PURCHASES, encoded(ORDER, **{field: value}))
    assert kind == "bad_field"
    assert says in reason


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_totals_that_are_no_numbers(text: str) -> None:
    assert refused(PURCHASES, raw("total", text, ORDER))[0] == "not_json"


@pytest.mark.parametrize("key", [None, b"", b"bob", b"Ann", b"ann ", b"\xff\xfe", b"x" * 1_000])
def test_the_key_must_be_the_customer(key: bytes | None) -> None:
    kind, reason = refused(CARTS, encoded(ADDED), key)
    assert kind == "wrong_key"
    assert "differs from customer_id 'ann'" in reason


def test_a_customer_with_a_nul_character() -> None:
    kind, reason = refused(CARTS, encoded(ADDED, customer_id="a\0b"), b"a\0b")
    assert (kind, reason) == ("bad_field", "customer_id holds a NUL character")


def test_reasons_are_short_whatever_the_value() -> None:
    for value in (encoded(ADDED, type="x" * 100_000), encoded(ADDED, occurred_at="x" * 100_000)):
        refused(CARTS, value)
    refused(CARTS, encoded(ADDED, customer_id="x" * 512), b"y" * 100_000)
