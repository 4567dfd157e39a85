"""Decisions and dead letters to Kafka messages. One module owns the format of messages out.

CloudEvents 1.0, Kafka protocol binding, binary content mode: attributes in `ce_*` headers, the data as JSON.
"""

from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET

from agents.decisions import FAMILIES, Decision, Trigger
from streams.flow.merge import Rejected
from streams.settings import Settings

Headers = list[tuple[str, bytes]]
SUPPRESSED: Final = "triggers.suppressed"
DEAD_LETTERS: Final = "dead-letters"

_encode: Final = msgspec.json.Encoder().encode
_FIXED: Headers = [("ce_specversion", b"1.0"), ("content-type", b"application/json")]


class Message(NamedTuple):
    """A message to be written to the partition number that it came from."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


def topic_of(decision: Decision) -> str:
    """The contract's name of the topic that a decision goes to."""
    if isinstance(decision, Trigger):
        if decision.suppressed_by is not UNSET:
            return SUPPRESSED
        return f"triggers.{FAMILIES[decision.type]}"
    return f"triggers.{FAMILIES[decision.rule.name]}"


class MessageWriter:
    """Turns decisions into messages for one deployment's topics."""

    def __init__(self, settings: Settings) -> None:
        self._topics = {
            name: settings.topic(name)
            for name in (SUPPRESSED, DEAD_LETTERS, *{f"triggers.{family}" for family in FAMILIES.values()})
        }
        self._source = ("/" + settings.prefix + settings.group).encode()

    def decision(self, decision: Decision) -> Message:
        """The CloudEvent of a trigger or a cancellation."""
        customer = decision.customer_id.encode()
        headers: Headers = [
            *_FIXED,
            ("ce_id", decision.message_id.encode()),
            ("ce_source", self._source),
            ("ce_type", decision.type.encode()),
            ("ce_subject", customer),
            ("ce_time", decision.at.encode()),
        ]
        return Message(self._topics[topic_of(decision)], customer, _encode(decision), headers)

    def dead_letter(self, rejected: Rejected, topic: str, partition: int, offset: int) -> Message:
        """The original key, value and headers, and where they came from and why they are here."""
        headers: Headers = [
            *rejected.headers,
            ("offbeat_topic", topic.encode()),
            ("offbeat_partition", str(partition).encode()),
            ("offbeat_offset", str(offset).encode()),
            ("offbeat_reason", rejected.reason.encode(errors="replace")),
        ]
        return Message(self._topics[DEAD_LETTERS], rejected.key, rejected.value, headers)


def json_line(decision: Decision) -> bytes:
    """A line of `backtest --triggers`: the message's value plus `topic` and `ce_type`."""
    value = msgspec.to_builtins(decision)
    return _encode({**value, "topic": topic_of(decision), "ce_type": decision.type}) + b"\n"
