"""Messages out: CloudEvents that a stranger reads, at the right topic, and dead letters that lose nothing."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from cloudevents.core.formats.json import JSONFormat

from agents.decisions import FAMILIES, Cancellation, Decision, RuleRef, Trigger, iso, trigger_id
from agents.rulebook.rules import NAMES
from streams.flow.decode import RejectedError, decoder
from streams.flow.merge import Rejected
from streams.flow.messages import DEAD_LETTERS, SUPPRESSED, Message, MessageWriter, json_line, topic_of
from streams.settings import Settings, Topics
from tests.support.core import HOUR, Shop, added, day, order

WRITER = MessageWriter(Settings())
OUT = [
    "triggers.repurchase",
    "triggers.cart",
    "triggers.basket",
    "triggers.suppressed",
    "dead-letters",
]


def told() -> list[Decision]:
    """A real trigger, and its cancellation."""
    shop = Shop()
    shop.send(added(day(0), "täglich", price=12.5, customer="köln|1", event_id="e1", cart_id="c"))
    shop.wait_until(day(0, 5))
    shop.send(order(day(0, 6), customer="köln|1", event_id="e2", order_id="o1"))
    shop.settle()
    return shop.decisions


def trigger(name: str = "cart.abandoned", **more: Any) -> Trigger:
    return Trigger(
        trigger_id=trigger_id(RuleRef(name, "1-0"), "ann", "x"),
        type=name,
        customer_id="ann",
        rule=RuleRef(name, "1-0"),
        due_at=iso(day(0)),
        fired_at=iso(day(0, 1)),
        expires_at=iso(day(9)),
        reason="because",
        evidence={},
        **more,
    )


def headers_of(message: Message) -> dict[str, str]:
    names = [name for name, _ in message.headers]
    assert len(set(names)) == len(names)
    return {name: value.decode() for name, value in message.headers}


# --- as the contract has it ------------------------------------------------------------------------------------------


def test_headers_key_and_value_of_a_trigger() -> None:
    fired, _ = told()
    assert isinstance(fired, Trigger)
    message = WRITER.decision(fired)
    assert message.topic == "triggers.cart"
    assert message.key == "köln|1".encode()
    assert headers_of(message) == {
        "ce_specversion": "1.0",
        "ce_id": fired.trigger_id,
        "ce_source": "/offbeat",
        "ce_type": "cart.abandoned",
        "ce_subject": "köln|1",
        "ce_time": iso(day(0, 4)),
        "content-type": "application/json",
    }
    assert message.value is not None
    value = json.loads(message.value)
    assert list(value) == [
        "trigger_id",
        "type",
        "customer_id",
        "rule",
        "due_at",
        "fired_at",
        "expires_at",
        "reason",
        "evidence",
        "cart",
        "segments",
        "holdout",
    ]
    assert value["trigger_id"] == fired.trigger_id
    assert UUID(value["trigger_id"]).version == 5
    assert value["type"] == "cart.abandoned"
    assert value["customer_id"] == "köln|1"
    assert set(value["rule"]) == {"name", "version"}
    assert value["rule"]["name"] == "cart.abandoned"
    assert (value["due_at"], value["fired_at"]) == (iso(day(0, 4)), iso(day(0, 4)))
    assert value["expires_at"] == iso(day(0, 4) + 72 * HOUR)
    assert (value["segments"], value["holdout"]) == ([], False)
    assert value["cart"]["items"][0]["product_id"] == "täglich"
    assert "suppressed_by" not in value


def test_headers_and_value_of_a_cancellation() -> None:
    fired, cancelled = told()
    assert isinstance(fired, Trigger)
    assert isinstance(cancelled, Cancellation)
    message = WRITER.decision(cancelled)
    headers = headers_of(message)
    assert message.topic == "triggers.cart"
    assert headers["ce_type"] == "cart.abandoned.cancelled"
    assert headers["ce_id"] != fired.trigger_id
    assert UUID(headers["ce_id"]).version == 5
    assert headers["ce_time"] == iso(day(0, 6))
    assert message.value is not None
    value = json.loads(message.value)
    assert value["trigger_id"] == fired.trigger_id
    assert value["type"] == "cart.abandoned.cancelled"
    assert value["rule"] == {"name": fired.rule.name, "version": fired.rule.version}
    assert value["cancelled_at"] == iso(day(0, 6))
    assert value["cause"]["order_id"] == "o1"
    again = told()[1]
    assert WRITER.decision(again) == message


@pytest.mark.parametrize("decision", told(), ids=["trigger", "cancellation"])
def test_a_stranger_reads_it_as_a_cloud_event(decision: Decision) -> None:
    message = WRITER.decision(decision)
    assert message.value is not None
    event = from_binary_event(KafkaMessage(dict(message.headers), message.key, message.value), JSONFormat())
    assert event.get_specversion() == "1.0"
    assert event.get_id() == decision.message_id
    assert event.get_source() == "/offbeat"
    assert event.get_type() == decision.type
    assert event.get_subject() == "köln|1"
    assert event.get_datacontenttype() == "application/json"
    time = event.get_time()
    assert time is not None
    assert time == datetime.fromisoformat(decision.at)
    assert time.tzinfo == UTC or time.utcoffset() is not None
    assert event.get_data() == json.loads(message.value)


# --- topics ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_each_type_goes_to_the_topic_of_its_family(name: str) -> None:
    family = {
        "repurchase.due": "repurchase",
        "repurchase.overdue": "repurchase",
        "first_purchase.lapsed": "repurchase",
        "product.replenish_due": "repurchase",
        "loyal.at_risk": "repurchase",
        "cart.abandoned": "cart",
        "checkout.abandoned": "cart",
        "browse.abandoned": "cart",
        "basket.shrunk": "basket",
        "basket.shrinking": "basket",
        "basket.grown": "basket",
    }[name]
    assert FAMILIES[name] == family
    assert topic_of(trigger(name)) == f"triggers.{family}"
    cancelled = Cancellation(
        trigger_id="t",
        type=f"{name}.cancelled",
        customer_id="ann",
        rule=RuleRef(name, "1"),
        due_at="",
        fired_at="",
        expires_at="",
        cancelled_at="",
        reason="",
        cause={},
    )
    assert topic_of(cancelled) == f"triggers.{family}"


def test_what_a_guard_held_back_goes_to_its_own_topic_and_says_so() -> None:
    message = WRITER.decision(trigger(suppressed_by="stale"))
    assert message.topic == SUPPRESSED
    assert headers_of(message)["ce_type"] == "cart.abandoned"
    assert json.loads(message.value or b"")["suppressed_by"] == "stale"


def test_prefix_and_names_of_the_settings() -> None:
    settings = Settings(prefix="eu-", group="g", topics=Topics(triggers_cart="baskets.left", dead_letters="rubbish"))
    writer = MessageWriter(settings)
    message = writer.decision(trigger())
    assert message.topic == "eu-baskets.left"
    assert headers_of(message)["ce_source"] == "/eu-g"
    assert writer.decision(trigger("basket.grown")).topic == "eu-triggers.basket"
    assert writer.dead_letter(Rejected(None, None, (), "empty", "x"), "eu-carts", 0, 0).topic == "eu-rubbish"


def test_a_line_of_a_backtest_is_the_value_and_where_it_would_have_gone() -> None:
    for decision in told():
        message = WRITER.decision(decision)
        line = json_line(decision)
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        found = json.loads(line)
        assert found.pop("topic") == message.topic
        assert found.pop("ce_type") == headers_of(message)["ce_type"]
        assert found == json.loads(message.value or b"")
    held = json.loads(json_line(trigger(suppressed_by="stale")))
    assert (held["topic"], held["ce_type"]) == ("triggers.suppressed", "cart.abandoned")


# --- dead letters ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (None, None, []),
        (b"", b"", []),
        (b"\xff\x00", b"\xfe\x00\xff", [("trace", b"\x00\xff"), ("trace", b""), ("köln", b"x")]),
        (b"ann", b"{}", [("offbeat_reason", b"of an earlier round")]),
        (b"ann", b"x" * 5_000_000, [("content-type", b"text/plain"), ("ce_id", b"mine")]),
    ],
)
def test_a_dead_letter_keeps_everything_and_adds_where_and_why(
    key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]
) -> None:
    rejected = Rejected(key, value, tuple(headers), "not_json", "not JSON: 'köln'")
    message = WRITER.dead_letter(rejected, "carts", 3, 17)
    assert message.topic == DEAD_LETTERS
    assert (message.key, message.value) == (key, value)
    assert message.headers == [
        *headers,
        ("offbeat_topic", b"carts"),
        ("offbeat_partition", b"3"),
        ("offbeat_offset", b"17"),
        ("offbeat_reason", "not JSON: 'köln'".encode()),
    ]


def test_every_reason_can_be_written() -> None:
    """Also of values that hold what no text can."""
    values = [b'{"type":"\xff"}', b'{"type":"\\ud800"}', b"\x00", '{"type":"köln\U0001f642"}'.encode()]
    for value in values:
        with pytest.raises(RejectedError) as caught:
            decoder("carts")(b"\xff", value, 0)
        rejected = Rejected(b"\xff", value, (), caught.value.kind, str(caught.value))
        reason = WRITER.dead_letter(rejected, "carts", 0, 0).headers[-1]
        assert reason[0] == "offbeat_reason"
        assert reason[1].decode()


def test_the_topics_written_are_topics_of_the_settings() -> None:
    assert set(OUT) <= set(Settings().outputs)
    assert {topic_of(trigger(name)) for name in NAMES} | {SUPPRESSED, DEAD_LETTERS} == set(OUT)
