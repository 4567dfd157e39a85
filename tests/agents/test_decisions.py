"""Ids and instants are what the standards say, although they are made by hand for speed."""

from datetime import UTC, datetime
from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from agents.decisions import RuleRef, cancel, iso, trigger_id
from tables.customer import OpenTrigger

SPACE = UUID("6f666662-6561-5474-8000-747269676765")


@given(st.text(), st.text())
def test_a_trigger_id_is_a_uuid_of_version_5(customer: str, cause: str) -> None:
    found = trigger_id(RuleRef("cart.abandoned", "v1"), customer, cause)
    assert found == str(uuid5(SPACE, f"cart.abandoned|v1|{len(customer)}|{customer}|{cause}"))


def test_a_cancellation_has_an_id_of_its_own() -> None:
    opened = OpenTrigger("cart.abandoned", "v1", "an-id", 1, 2, 3, 0)
    assert cancel(opened, "ann", 5, "an order came", {}).message_id == str(uuid5(SPACE, "an-id|cancelled"))


@given(st.integers(0, 4_102_444_800_000))
def test_an_instant_is_iso_8601_with_milliseconds(at: int) -> None:
    text = iso(at)
    assert len(text) == len("2026-01-01T00:00:00.000Z")
    assert round(datetime.fromisoformat(text).timestamp() * 1000) == at
    assert text == datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{at % 1000:03d}Z"
