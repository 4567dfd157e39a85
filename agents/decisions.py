"""What rules decide: triggers, and cancellations of triggers; as types of the messages' values."""

from datetime import date
from functools import lru_cache
from hashlib import sha1
from typing import Any
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from tables.customer import OpenTrigger

_TRIGGERS = UUID("6f666662-6561-5474-8000-747269676765").bytes
"""The name space of trigger ids (UUID version 5)."""

_EPOCH = date(1970, 1, 1).toordinal()

FAMILIES = {
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
}
"""The topic family of each trigger type."""


class RuleRef(Struct, frozen=True):
    name: str
    version: str


class Trigger(Struct, kw_only=True):
    """A decision that a person should hear something. Instants are ISO 8601 in UTC."""

    trigger_id: str
    type: str
    customer_id: str
    rule: RuleRef
    due_at: str
    fired_at: str
    expires_at: str
    reason: str
    evidence: dict[str, Any]
    cart: dict[str, Any] | UnsetType = UNSET
    order_id: str | UnsetType = UNSET
    segments: list[str] = []
    holdout: bool = False
    suppressed_by: str | UnsetType = UNSET
    """The guard that held it back; then it goes to `triggers.suppressed` alone."""

    @property
    def message_id(self) -> str:
        return self.trigger_id

    @property
    def at(self) -> str:
        return self.fired_at


class Cancellation(Struct, kw_only=True):
    """A later event contradicts a trigger that was sent."""

    trigger_id: str
    type: str
    """`<type of the trigger>.cancelled`"""
    customer_id: str
    rule: RuleRef
    due_at: str
    fired_at: str
    expires_at: str
    cancelled_at: str
    reason: str
    cause: dict[str, Any]

    @property
    def message_id(self) -> str:
        return _uuid5(f"{self.trigger_id}|cancelled")

    @property
    def at(self) -> str:
        return self.cancelled_at


Decision = Trigger | Cancellation


def trigger_id(rule: RuleRef, customer_id: str, cause: str) -> str:
    """The same for the same rule, version, customer and cause, whenever and wherever it is decided."""
    # with its length, no two pairs of customer and cause are the same text, whatever characters they hold
    return _uuid5(f"{rule.name}|{rule.version}|{len(customer_id)}|{customer_id}|{cause}")


def _uuid5(name: str) -> str:
    """`str(uuid.uuid5(...))` in our name space, without an object in between: RFC 9562, section 5.5."""
    digits = bytearray(sha1(_TRIGGERS + name.encode(), usedforsecurity=False).digest()[:16])
    digits[6] = digits[6] & 0x0F | 0x50
    digits[8] = digits[8] & 0x3F | 0x80
    text = digits.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def cancel(opened: OpenTrigger, customer_id: str, at: int, reason: str, cause: dict[str, Any]) -> Cancellation:
    return Cancellation(
        trigger_id=opened.trigger_id,
        type=f"{opened.rule}.cancelled",
        customer_id=customer_id,
        rule=RuleRef(opened.rule, opened.version),
        due_at=iso(opened.due_at),
        fired_at=iso(opened.fired_at),
        expires_at=iso(opened.expires_at),
        cancelled_at=iso(at),
        reason=reason,
        cause=cause,
    )


def iso(at: int) -> str:
    """Epoch ms as ISO 8601 in UTC, with milliseconds."""
    minutes, ms = divmod(at, 60_000)
    day, minute = divmod(minutes, 1440)
    return f"{_date(day)}{_TIMES[minute]}:{ms // 1000:02d}.{ms % 1000:03d}Z"


_TIMES = [f"T{minute // 60:02d}:{minute % 60:02d}" for minute in range(1440)]


@lru_cache(maxsize=4096)
def _date(day: int) -> str:
    """ISO date of a day counted from 1970: those of a batch, of last orders and of what expires, are few."""
    return date.fromordinal(_EPOCH + day).isoformat()


def spell(ms: int) -> str:
    """A duration as people say it: the largest unit of which there are two, or else the one that fits."""
    for unit, size in (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000)):
        if ms >= 2 * size or (ms >= size and ms % size == 0):
            count = round(ms / size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    count = round(ms / 1000)
    return f"{count} second{'' if count == 1 else 's'}"
