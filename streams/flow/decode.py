"""Bytes of a source topic to a checked event. One module owns the format of events in (contract: topics in)."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from tables.cart import MAX_LINES
from tables.events import (
    BY_SOURCE,
    SOURCES,
    AnyEvent,
    CartUpdated,
    CheckoutStarted,
    CustomerUpdated,
    OrderCompleted,
    TimeMark,
)

EARLIEST: Final = 631_152_000_000
"""1990-01-01 in epoch milliseconds: an event before it has a broken clock, or seconds for milliseconds."""
AHEAD: Final = 3_600_000
"""How far an event may lie ahead of the wall clock, in milliseconds."""
LARGE: Final = 16 << 10
"""Bytes of a message from which on it is looked at how much of it is of use."""

KINDS: Final = ("empty", "not_utf8", "not_json", "too_deep", "unknown_type", "bad_field", "bad_time", "wrong_key")

_JSON: Final = {source: msgspec.json.Decoder(BY_SOURCE[source]).decode for source in SOURCES}


class RejectedError(ValueError):
    """The bytes are not an event of this topic: put them aside with this reason and go on.

    `kind` is one of KINDS, for counting; the message says it to a person.
    """

    def __init__(self, reason: str, kind: str = "bad_field") -> None:
        super().__init__(reason[:300])
        self.kind = kind


def decoder(source: str) -> Callable[[bytes | None, bytes | None, int], tuple[AnyEvent | TimeMark, int]]:
    """The decoder of one feed: (key, value, wall clock in ms) to (event, event time in ms).

    It raises `RejectedError` for everything the contract sends to the dead letters.
    """
    json = _JSON[source]

    def decode(key: bytes | None, value: bytes | None, wall: int) -> tuple[AnyEvent | TimeMark, int]:
        try:
            event: AnyEvent | TimeMark = json(value)  # type: ignore[arg-type]
        except (ValueError, RecursionError, TypeError) as exc:
            raise RejectedError(*_reason(source, value, exc)) from None
        at = event.occurred_at
        if type(at) is not int:
            at = parse_time(at)  # type: ignore[arg-type]
        if not EARLIEST <= at <= wall + AHEAD:
            raise RejectedError(_out_of_range(at), "bad_time")
        if type(event) is not TimeMark:
            customer = event.customer_id
            if customer.encode() != key:
                raise RejectedError(f"the key {show(key)} differs from customer_id {show(customer)}", "wrong_key")
            if "\0" in customer:
                raise RejectedError("customer_id holds a NUL character")
        return event, at

    return decode


def cut_down(event: AnyEvent) -> bool:
    """Take off what a message holds beyond what is ever looked at, before it waits in memory; whether there was any."""
    match event:
        case OrderCompleted() | CartUpdated() | CheckoutStarted():
            many = event.items is not None and len(event.items) > MAX_LINES
            if many:
                event.items = event.items[:MAX_LINES]  # type: ignore[index]
            return many
        case CustomerUpdated():
            many = event.attributes is not None
            event.attributes = None
            return many
    return False


def parse_time(text: str) -> int:
    """ISO 8601 with an offset to epoch milliseconds; raises `RejectedError`."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        reason = f"occurred_at {show(text)} is neither ISO 8601 nor epoch milliseconds"
        raise RejectedError(reason, "bad_time") from None
    if moment.tzinfo is None:
        raise RejectedError(f"occurred_at {show(text)} has no offset from UTC", "bad_time")
    try:
        return round(moment.timestamp() * 1000)
    except (OverflowError, ValueError):
        raise RejectedError(f"occurred_at {show(text)} is out of range", "bad_time") from None


def _out_of_range(at: int) -> str:
    shown = str(at)
    if len(shown) > 40:
        shown = f"{shown[:30]}... ({len(shown)} characters)"
    if at < EARLIEST:
        return f"occurred_at {shown} lies before 1990 (milliseconds are wanted, not seconds)"
    return f"occurred_at {shown} lies more than 1 h ahead"


def _reason(source: str, value: bytes | None, exc: Exception) -> tuple[str, str]:
    if value is None:
        return "no value (a tombstone)", "empty"
    if not value:
        return "empty value", "empty"
    match exc:
        case UnicodeDecodeError():
            return "not UTF-8", "not_utf8"
        case RecursionError():
            return "nested too deeply", "too_deep"
        case msgspec.ValidationError() if str(exc).endswith("`$.type`"):
            return f"unknown type for {source}: {exc}", "unknown_type"
        case msgspec.ValidationError():
            return str(exc), "bad_field"
        case _:
            return f"not JSON: {exc}", "not_json"


def kind_of(reason: str) -> str:
    """The kind of a rejection by its message, which is all that a dead letter tells; one of KINDS."""
    return next((kind for beginning, kind in _BEGINNINGS.items() if reason.startswith(beginning)), "bad_field")


_BEGINNINGS: Final = {
    "no value (": "empty",
    "empty value": "empty",
    "not UTF-8": "not_utf8",
    "not JSON": "not_json",
    "nested too deeply": "too_deep",
    "unknown type for ": "unknown_type",
    "occurred_at ": "bad_time",
    "the key ": "wrong_key",
}
"""Of messages; those of msgspec about a field begin with none of them."""


def show(text: bytes | str | None) -> str:
    """As people can read it in a line, whatever it holds and however long it is."""
    shown = repr(text)
    return shown if len(shown) <= 80 else shown[:76] + "...'"
