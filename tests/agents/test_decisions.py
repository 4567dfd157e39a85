"""Ids, instants and durations: what the standards say, although they are made by hand for speed."""

from datetime import UTC, datetime
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.decisions import FAMILIES, RuleRef, cancel, iso, spell, trigger_id
from agents.rulebook.rules import NAMES
from tables.customer import OpenTrigger
from tables.orders import DAY
from tests.support.core import HOUR, MINUTE

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


def test_a_trigger_id_is_a_uuid_of_version_5_and_of_all_four() -> None:
    rule = RuleRef("cart.abandoned", "1-0")
    found = {
        trigger_id(rule, "ann", "e1"),
        trigger_id(rule, "ann", "e2"),
        trigger_id(rule, "bob", "e1"),
        trigger_id(RuleRef("cart.abandoned", "1-1"), "ann", "e1"),
        trigger_id(RuleRef("checkout.abandoned", "1-0"), "ann", "e1"),
    }
    assert len(found) == 5
    assert all(text[14] == "5" and text[19] in "89ab" and len(text) == 36 for text in found)
    assert trigger_id(rule, "ann", "e1") == trigger_id(RuleRef("cart.abandoned", "1-0"), "ann", "e1")


def test_no_two_customers_share_an_id_whatever_their_names() -> None:
    rule = RuleRef("cart.abandoned", "1-0")
    assert trigger_id(rule, "shop|1", "2") != trigger_id(rule, "shop", "1|2")
    assert trigger_id(rule, "köln", "e") != trigger_id(rule, "koln", "e")


def test_every_rule_has_a_topic_and_the_other_way_round() -> None:
    assert set(FAMILIES) == set(NAMES)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 seconds"),
        (1_000, "1 second"),
        (90_000, "90 seconds"),
        (MINUTE, "1 minute"),
        (90 * MINUTE, "90 minutes"),
        (HOUR, "1 hour"),
        (4 * HOUR, "4 hours"),
        (36 * HOUR, "36 hours"),
        (DAY, "1 day"),
        (90 * DAY, "90 days"),
    ],
)
def test_durations_in_words(ms: int, text: str) -> None:
    assert spell(ms) == text


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (631_152_000_000, "1990-01-01T00:00:00.000Z"),
        (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
        (1_709_251_200_000, "2024-03-01T00:00:00.000Z"),
        (1_709_251_200_001, "2024-03-01T00:00:00.001Z"),
        (4_102_444_799_007, "2099-12-31T23:59:59.007Z"),
    ],
)
def test_instants_in_utc(at: int, text: str) -> None:
    assert iso(at) == text
