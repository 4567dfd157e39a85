"""Bytes in: what is an event, what is put aside and why, and that nothing else ever comes out."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.decode import AHEAD, EARLIEST, KINDS, RejectedError, decoder, parse_time
from tables.events import CARTS, CUSTOMERS, PURCHASES, SOURCES, AnyEvent, OrderCompleted, TimeMark, type_name

WALL = 1_750_000_000_000
AT = WALL - 86_400_000
COMMON = {"event_id": "e-1", "customer_id": "ann", "occurred_at": AT}
ORDER: dict[str, Any] = {
    **COMMON,
    "type": "order.completed",
    "order_id": "o-1",
    "total": 49.9,
    "currency": "EUR",
    "items": [{"product_id": "p-1", "quantity": 2, "price": 24.95, "category": "tea"}],
}
ADDED: dict[str, Any] = {**COMMON, "type": "cart.item_added", "product_id": "p-1", "quantity": 1}
VALID: dict[str, list[dict[str, Any]]] = {
    PURCHASES: [
        ORDER,
        {
            **ORDER,
            "items": [
                {"product_id": "p", "quantity": 1, "launched_at": "2024-01-01T00:00:00Z", "warranty_until": WALL * 2}
            ],
            "coupon": "SPRING",
            "discount": 5,
            "channel": "web",
            "campaign": "c",
            "country": "DE",
            "backfill": True,
        },
        {**ORDER, "total": 0, "items": []},
        {**COMMON, "type": "order.cancelled", "order_id": "o-1"},
        {**COMMON, "type": "order.refunded", "order_id": "o-1"},
        {**COMMON, "type": "order.refunded", "order_id": "o-1", "amount": 12.5},
    ],
    CARTS: [
        ADDED,
        {**ADDED, "cart_id": "c", "price": 0, "category": "tea", "quantity": 0.5},
        {**ADDED, "type": "cart.item_removed"},
        {**COMMON, "type": "cart.updated", "items": [{"product_id": "p", "quantity": 3}]},
        {**COMMON, "type": "cart.updated", "items": []},
        {**COMMON, "type": "cart.cleared"},
        {**COMMON, "type": "checkout.started"},
        {**COMMON, "type": "checkout.started", "cart_id": "c", "total": 3, "items": []},
        {**COMMON, "type": "product.viewed", "product_id": "p"},
    ],
    CUSTOMERS: [
        {**COMMON, "type": "customer.updated"},
        {
            **COMMON,
            "type": "customer.updated",
            "consent": {"email": True, "sms": None},
            "timezone": "Europe/Berlin",
            "country": "DE",
            "attributes": {"any": ["thing", {"at": 1.5}]},
        },
        {**COMMON, "type": "customer.merged", "previous_id": "b"},
        {**COMMON, "type": "customer.erased"},
    ],
}
EVERY = [(source, event) for source, events in VALID.items() for event in events]


def encoded(event: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({**event, **changes}, ensure_ascii=False).encode()


def read(source: str, value: bytes | None, key: bytes | None = b"ann") -> tuple[AnyEvent | TimeMark, int]:
    return decoder(source)(key, value, WALL)


def refused(source: str, value: bytes | None, key: bytes | None = b"ann") -> tuple[str, str]:
    """Kind and reason."""
    with pytest.raises(RejectedError) as caught:
        read(source, value, key)
    assert caught.value.kind in KINDS
    assert str(caught.value)
    assert len(str(caught.value)) <= 300
    return caught.value.kind, str(caught.value)


def raw(field: str, text: str, event: dict[str, Any] = ADDED) -> bytes:
    """The event with a field written as no JSON library would write it."""
    return encoded({**event, field: "@"}).replace(b'"@"', text.encode())


# --- what is understood ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "event"), EVERY, ids=[str(event["type"]) for _, event in EVERY])
def test_every_type_of_the_contract(source: str, event: dict[str, Any]) -> None:
    found, at = read(source, encoded(event))
    assert type_name(type(found)) == event["type"]
    assert at == AT
    assert not isinstance(found, TimeMark)
    assert (found.event_id, found.customer_id) == ("e-1", "ann")
    assert found.backfill is event.get("backfill", False)
    for other in SOURCES:
        if other != source:
            assert refused(other, encoded(event))[0] == "unknown_type"


def test_unknown_fields_are_ignored() -> None:
    found, _ = read(PURCHASES, encoded(ORDER, shop="x", deep={"a": [1, {"b": None}]}, kind="order"))
    assert isinstance(found, OrderCompleted)
    assert found == read(PURCHASES, encoded(ORDER))[0]


def test_text_in_unknown_fields_is_not_looked_at() -> None:
    """Not even whether it is UTF-8: nothing of it is kept."""
    found, _ = read(CARTS, raw("note", '"@@"').replace(b"@@", b"\xff\xfe"))
    assert found == read(CARTS, encoded(ADDED))[0]


def test_ids_and_names_in_any_script() -> None:
    found, _ = read(PURCHASES, encoded(ORDER, customer_id="köln-客户-🙂"), "köln-客户-🙂".encode())
    assert not isinstance(found, TimeMark)
    assert found.customer_id == "köln-客户-🙂"


def test_a_value_of_five_megabytes() -> None:
    found, at = read(CARTS, encoded(ADDED, note="x" * 5_000_000))
    assert at == AT
    assert found == read(CARTS, encoded(ADDED))[0]
    assert refused(CARTS, encoded(ADDED, product_id="x" * 5_000_000))[0] == "bad_field"
    assert refused(CARTS, b"x" * 5_000_000)[0] == "not_json"


@pytest.mark.parametrize("source", SOURCES)
def test_a_time_mark_needs_no_customer_and_no_key(source: str) -> None:
    value = json.dumps({"type": "time.mark", "occurred_at": AT}).encode()
    for key in (None, b"", b"anything"):
        assert read(source, value, key) == (TimeMark(occurred_at=AT), AT)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2025-06-01T10:20:30Z", 1_748_773_230_000),
        ("2025-06-01T12:20:30+02:00", 1_748_773_230_000),
        ("2025-06-01T10:20:30.123Z", 1_748_773_230_123),
        ("2025-06-01T10:20:30.123987Z", 1_748_773_230_124),
        ("2025-06-01T05:50:30-04:30", 1_748_773_230_000),
        ("20250601T102030Z", 1_748_773_230_000),
        ("2025-06-01 10:20:30+00:00", 1_748_773_230_000),
    ],
)
def test_times_in_iso_8601(text: str, at: int) -> None:
    assert parse_time(text) == at
    assert read(CARTS, encoded(ADDED, occurred_at=text))[1] == at


def test_the_borders_of_time() -> None:
    for at in (EARLIEST, WALL, WALL + AHEAD):
        assert read(CARTS, encoded(ADDED, occurred_at=at))[1] == at
    for at in (EARLIEST - 1, WALL + AHEAD + 1):
        assert refused(CARTS, encoded(ADDED, occurred_at=at))[0] == "bad_time"
    assert parse_time("1990-01-01T00:00:00Z") == EARLIEST
    assert AHEAD == 3_600_000


# --- what is not -----------------------------------------------------------------------------------------------------

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


def test_huge_but_possible_totals() -> None:
    for total in (1e12, 5e-324, 0, 10**12):
        found, _ = read(PURCHASES, encoded(ORDER, total=total))
        assert isinstance(found, OrderCompleted)
        assert found.total == total


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


# --- nothing else ever escapes ---------------------------------------------------------------------------------------


def only_rejected(source: str, key: bytes | None, value: bytes | None) -> None:
    try:
        found, at = read(source, value, key)
    except RejectedError as exc:
        assert exc.kind in KINDS  # noqa: PT017 - either is right
        return
    assert EARLIEST <= at <= WALL + AHEAD
    if not isinstance(found, TimeMark):
        assert found.customer_id.encode() == key


sources = st.sampled_from(SOURCES)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(sources, st.none() | st.binary(), st.none() | st.binary())
def test_any_bytes(source: str, key: bytes | None, value: bytes | None) -> None:
    only_rejected(source, key, value)


@given(sources, trees)
def test_any_json(source: str, tree: object) -> None:
    only_rejected(source, b"ann", json.dumps(tree).encode())


@settings(max_examples=600)
@given(st.sampled_from(EVERY), st.data())
def test_valid_events_with_one_field_changed(event: tuple[str, dict[str, Any]], data: st.DataObject) -> None:
    source, fields = event
    field = data.draw(st.sampled_from(sorted(fields)))
    changed = {**fields, field: data.draw(trees)}
    if data.draw(st.booleans()):
        del changed[field]
    only_rejected(source, b"ann", json.dumps(changed).encode())


@settings(max_examples=600)
@given(st.sampled_from(EVERY), st.data())
def test_valid_events_with_one_byte_changed(event: tuple[str, dict[str, Any]], data: st.DataObject) -> None:
    source, fields = event
    value = bytearray(encoded(fields))
    value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    only_rejected(source, b"ann", bytes(value))


@given(st.text())
def test_any_text_as_time(text: str) -> None:
    only_rejected(CARTS, b"ann", encoded(ADDED, occurred_at="@").replace(b'"@"', json.dumps(text).encode()))


@given(st.datetimes(timezones=st.timezones()))
def test_any_instant_as_iso_8601(moment: Any) -> None:
    only_rejected(CARTS, b"ann", encoded(ADDED, occurred_at=moment.isoformat()))


@pytest.mark.parametrize("depth", [100, 900, 1_100, 5_000, 200_000])
@pytest.mark.parametrize("shape", ['{"a":', "["])
def test_any_depth(depth: int, shape: str) -> None:
    close = "}" if shape.startswith("{") else "]"
    for inner in (shape * depth + "1" + close * depth, shape * depth):
        only_rejected(CARTS, b"ann", raw("x", inner))
        only_rejected(CUSTOMERS, b"ann", raw("attributes", f'{{"a":{inner}}}', VALID[CUSTOMERS][0]))
        only_rejected(CARTS, b"ann", inner.encode())


def test_the_decoders_are_one_per_feed() -> None:
    made: list[Callable[..., Any]] = [decoder(source) for source in SOURCES]
    assert len({id(each) for each in made}) == len(SOURCES)
