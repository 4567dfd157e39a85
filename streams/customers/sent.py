"""What was sent of one customer, as far as the topics of triggers still hold it."""

from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from agents.decisions import FAMILIES
from streams.delivery.whole import Tell, WholeReading
from streams.flow.messages import SUPPRESSED
from streams.settings import Settings


class Sent(Struct):
    """A trigger, a cancellation, or what a guard held back. Instants are ISO 8601 in UTC."""

    at: str
    topic: str
    type: str
    trigger_id: str
    due_at: str
    reason: str
    suppressed_by: str | None = None


class _Value(Struct):
    """What is looked at of a message's value."""

    type: str
    trigger_id: str
    due_at: str
    fired_at: str
    reason: str
    cancelled_at: str | UnsetType = UNSET
    suppressed_by: str | UnsetType = UNSET


_decode = msgspec.json.Decoder(_Value).decode


async def sent(
    settings: Settings, partitions: Mapping[str, int], number: int, key: bytes, most: int, tell: Tell
) -> list[Sent]:
    """The newest `most` messages of the customer with this key, newest first.

    Reads all that the topics hold of the partition with the customer's `number`, modulo theirs: `partitions`, by topic;
    a topic that is not there is left out. Raises KafkaError, StopError.
    """
    topics = [settings.topic(name) for name in (*(f"triggers.{family}" for family in _FAMILIES), SUPPRESSED)]
    there = [topic for topic in topics if topic in partitions]
    newest = deque[Sent](maxlen=most)
    found: list[Sent] = []
    async with WholeReading(settings) as reading:
        for done, topic in enumerate(there):
            newest.clear()

            def told(share: float, done: int = done, topic: str = topic) -> None:
                tell((done + share) / len(there), f"reading {topic}")

            async for records in reading.records(topic, number % partitions[topic], told):
                newest.extend(one for record in records if record.key == key if (one := _read(topic, record)))
            found += newest
    return sorted(found, key=lambda one: one.at)[::-1][:most]  # of one instant the later offset first


_FAMILIES = tuple(dict.fromkeys(FAMILIES.values()))


def _read(topic: str, record: Any) -> Sent | None:
    """None for what is somebody else's."""
    try:
        told = _decode(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    at = told.fired_at if told.cancelled_at is UNSET else told.cancelled_at
    held = None if told.suppressed_by is UNSET else told.suppressed_by
    return Sent(at, topic, told.type, told.trigger_id, told.due_at, told.reason, held)
