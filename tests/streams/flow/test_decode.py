"""Bytes in: what is understood, of every type of the contract."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from streams.flow.decode import AHEAD, EARLIEST, decoder, parse_time
from tables.events import CARTS, PURCHASES, SOURCES, OrderCompleted, TimeMark, type_name
from tests.support.contract import ADDED, AT, EVERY, ORDER, WALL, encoded, raw, read, refused

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


def test_huge_but_possible_totals() -> None:
    for total in (1e12, 5e-324, 0, 10**12):
        found, _ = read(PURCHASES, encoded(ORDER, total=total))
        assert isinstance(found, OrderCompleted)
        assert found.total == total


# --- nothing else ever escapes ---------------------------------------------------------------------------------------


def test_the_decoders_are_one_per_feed() -> None:
    made: list[Callable[..., Any]] = [decoder(source) for source in SOURCES]
    assert len({id(each) for each in made}) == len(SOURCES)
