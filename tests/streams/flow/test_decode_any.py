"""Bytes in, any: an event, or put aside; nothing else ever escapes."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.flow.decode import AHEAD, EARLIEST, KINDS, RejectedError
from tables.events import CARTS, CUSTOMERS, SOURCES, TimeMark
from tests.support.contract import ADDED, EVERY, VALID, WALL, encoded, raw, read


def only_rejected(source: str, key: bytes | None, value: bytes | None) -> None:
    try:
        found, at = read(source, value, key)
    except RejectedError as exc:
        kind = exc.kind
    else:
        kind = "an event"
        assert EARLIEST <= at <= WALL + AHEAD
        assert isinstance(found, TimeMark) or found.customer_id.encode() == key
    assert kind in {"an event", *KINDS}


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
