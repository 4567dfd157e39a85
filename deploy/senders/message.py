"""A message of the topics `triggers.*`, checked: CloudEvents 1.0, Kafka binding, binary mode."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TYPE = re.compile(r"[a-z_]{1,40}(\.[a-z_]{1,40}){1,3}")
CANCELLED = ".cancelled"


class NoTriggerError(ValueError):
    """The record is no message of ours: into the dead letters with it. The text says why."""


@dataclass(frozen=True)
class Message:
    """A trigger, or what takes one back. Ids and type hold no characters that mean something anywhere."""

    type: str
    """The ce_type: `cart.abandoned`, or `cart.abandoned.cancelled`."""
    ce_id: str
    trigger_id: str
    customer_id: str
    """Any text: quote it wherever it goes."""
    fired_at: float
    expires_at: float
    """Epoch seconds, both."""
    value: dict[str, Any]
    body: bytes
    """The value as it came."""
    headers: dict[str, bytes]

    @property
    def cancels(self) -> bool:
        return self.type.endswith(CANCELLED)

    @property
    def holdout(self) -> bool:
        """Whether the customer is of the share that is left alone, to compare with."""
        return self.value.get("holdout") is not False and not self.cancels


def parse(value: bytes | None, headers: list[tuple[str, bytes]]) -> Message:
    """The message of a record. Raises NoTriggerError."""
    try:
        data = json.loads(value or b"")
    except (ValueError, RecursionError):
        raise NoTriggerError("the value is not JSON") from None
    if not isinstance(data, dict):
        raise NoTriggerError("the value is not a JSON object")
    named = dict(headers)
    customer = data.get("customer_id")
    if not isinstance(customer, str) or not customer:
        raise NoTriggerError("customer_id is missing")
    return Message(
        type=_matching(_TYPE, "ce_type", (named.get("ce_type") or b"").decode(errors="replace")),
        ce_id=_matching(_ID, "ce_id", (named.get("ce_id") or b"").decode(errors="replace")),
        trigger_id=_matching(_ID, "trigger_id", data.get("trigger_id")),
        customer_id=customer,
        fired_at=_instant(data, "fired_at"),
        expires_at=_instant(data, "expires_at"),
        value=data,
        body=value or b"",
        headers=named,
    )


def _matching(pattern: re.Pattern[str], name: str, text: object) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise NoTriggerError(f"{name} is missing or malformed")
    return text


def _instant(data: dict[str, Any], name: str) -> float:
    try:
        found = datetime.fromisoformat(data[name])
    except (KeyError, TypeError, ValueError):
        found = None
    if found is None or found.tzinfo is None:  # without a zone it may be anybody's
        raise NoTriggerError(f"{name} is missing or not an instant")
    return found.timestamp()


def line(text: str) -> str:
    """A text of customers as one harmless line: what is not printable becomes a space, and spaces one."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
