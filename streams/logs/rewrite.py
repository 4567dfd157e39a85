"""What `replay` changes in an event before it goes out: the times, and the mark of a backfill."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import msgspec

from streams.flow.decode import RejectedError, parse_time

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_ITEMS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_encode = msgspec.json.Encoder().encode
_TRUE = msgspec.Raw(b"true")
_ITEM_TIMES = ("launched_at", "warranty_until")


@dataclass(frozen=True)
class Changes:
    """What the user asked to have changed in every event."""

    backfill: bool = False
    shift_to: int | None = None
    """Epoch ms at which the event named by `anchor` is to happen; None: times stay."""
    anchor: Literal["first", "last"] = "last"

    def shift(self, span: tuple[int, int] | None) -> int:
        """By how many milliseconds all times move, for a log from span[0] to span[1]."""
        if self.shift_to is None or span is None:
            return 0
        return self.shift_to - span[self.anchor == "last"]


def rewrite(value: bytes, at: int, *, shift: int, backfill: bool) -> bytes:
    """A valid event, of event time `at`, with `backfill` set and its times moved by `shift` ms; nothing else changes.

    All times of the event move, those of its items too, so that intervals stay; a moved time is in epoch milliseconds.
    """
    if not (shift or backfill):
        return value
    fields = _FIELDS(value)
    if backfill:
        fields["backfill"] = _TRUE
    if shift:
        fields["occurred_at"] = _raw(at + shift)
        if any(name.encode() in value for name in _ITEM_TIMES) and "items" in fields:
            fields["items"] = msgspec.Raw(_encode([_moved(item, shift) for item in _ITEMS(fields["items"])]))
    return _encode(fields)


def _moved(item: dict[str, msgspec.Raw], shift: int) -> dict[str, msgspec.Raw]:
    for name in _ITEM_TIMES:
        moment = msgspec.json.decode(item.get(name, b"null"))
        if isinstance(moment, int):
            item[name] = _raw(moment + shift)
        elif isinstance(moment, str) and (parsed := _item_time(moment)) is not None:
            item[name] = _raw(parsed + shift)
    return item


def _item_time(text: str) -> int | None:
    """Milliseconds; a date alone is its midnight UTC. None where it is no time: then it stays as it is."""
    try:
        moment = datetime.fromisoformat(text)
        return parse_time((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat())
    except (ValueError, RejectedError):
        return None


def _raw(number: int) -> msgspec.Raw:
    return msgspec.Raw(str(number).encode())
