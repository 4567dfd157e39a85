"""Which records are messages, and what those that are not are refused for."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from message import NoTriggerError, line, parse
from streams.flow.messages import MessageWriter
from streams.settings import Settings
from tests.support.sending import taken_back, trigger

WRITE = MessageWriter(Settings()).decision


def test_what_the_worker_writes() -> None:
    sent = trigger("ann", hours=2)
    for decision in (sent, taken_back(sent)):
        row = WRITE(decision)
        found = parse(row.value, row.headers)
        assert (found.type, found.trigger_id, found.ce_id) == (decision.type, sent.trigger_id, decision.message_id)
        assert (found.customer_id, found.body, found.cancels) == ("ann", row.value, decision is not sent)
        assert not found.holdout
    held_out = WRITE(trigger("ann", holdout=True))
    assert parse(held_out.value, held_out.headers).holdout
    row = WRITE(sent)
    found = parse(row.value, row.headers)
    assert found.expires_at - found.fired_at == 7200


def test_a_trigger_that_does_not_say_whether_it_is_held_out_is() -> None:
    row = WRITE(trigger("ann"))
    assert row.value is not None
    value = json.loads(row.value)
    del value["holdout"]
    assert parse(json.dumps(value).encode(), row.headers).holdout


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"trigger_id": None}, "trigger_id"),
        ({"trigger_id": "x\r\nBcc: evil@example.com"}, "trigger_id"),
        ({"customer_id": ""}, "customer_id"),
        ({"customer_id": 7}, "customer_id"),
        ({"fired_at": "today"}, "fired_at"),
        ({"expires_at": "2026-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": 5}, "expires_at"),
    ],
)
def test_values_that_are_refused(change: dict[str, Any], why: str) -> None:
    row = WRITE(trigger("ann"))
    assert row.value is not None
    with pytest.raises(NoTriggerError, match=why):
        parse(json.dumps({**json.loads(row.value), **change}).encode(), row.headers)


@pytest.mark.parametrize("name", ["ce_type", "ce_id"])
@pytest.mark.parametrize("value", [None, b"", b"\xff", b"../../etc/passwd", b"a\r\nb"])
def test_headers_that_are_refused(name: str, value: bytes | None) -> None:
    row = WRITE(trigger("ann"))
    headers: Any = [(key, value if key == name else found) for key, found in row.headers]
    with pytest.raises(NoTriggerError, match=name):
        parse(row.value, headers)


@given(st.none() | st.binary() | st.recursive(st.none() | st.text(), st.lists).map(lambda v: json.dumps(v).encode()))
def test_anything_else_is_refused(value: bytes | None) -> None:
    with pytest.raises(NoTriggerError):
        parse(value, [])


@given(st.text())
def test_a_line_is_harmless(text: str) -> None:
    found = line(text)
    assert found.isprintable()
    assert found == found.strip()
