"""From changes of customers to what is written of them. Pure: no Redis, no clock."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec
from msgspec import Struct

from agents.decisions import Cancellation, Decision, iso
from agents.portrait import Portrait
from streams.views.backlog import Change
from tables.customer import Customer, OpenTrigger
from tables.customerform import unpack

_encode = msgspec.json.Encoder().encode


class Sent(Struct, frozen=True):
    """An entry of the list of what was sent. When, is not part of it: an entry that is written again is the same."""

    trigger_id: str
    type: str
    due_at: str


class Row(NamedTuple):
    """What is to be written of one customer, in this order."""

    key: bytes
    wiped: bool
    """Delete what there is."""
    value: bytes | None
    """The view, JSON; None: it stays as it is."""
    sent: dict[bytes, int]
    """Entries of the list of what was sent, JSON, and when they were, epoch ms."""


class Draws(Protocol):
    """Draws portraits, as agents.portrait.Painter does."""

    def portraits(self, customers: Sequence[tuple[str, Customer]], now: int, /) -> list[Portrait]: ...


class Renderer:
    """Draws views."""

    def __init__(self, painter: Draws) -> None:
        self._painter = painter

    def rows(self, changes: Sequence[Change], now: int) -> list[Row]:
        """A row of each, as of `now` (epoch ms). Raises StateError."""
        known = [(c.key.decode(), unpack(c.packed)) for c in changes if c.packed is not None]
        views = iter(self._painter.portraits(known, now))
        customers = iter(known)
        rows = []
        for change in changes:
            value, customer = None, None
            if change.packed is not None:
                value, customer = _encode(next(views)), next(customers)[1]
            rows.append(Row(change.key, change.wiped, value, _sent(change, customer)))
        return rows


def _sent(change: Change, customer: Customer | None) -> dict[bytes, int]:
    entries: dict[bytes, int] = {}
    if change.healed and customer is not None:
        entries.update(map(_standing, customer.open))
    entries.update(map(_entry, change.sent))
    return entries


def _standing(opened: OpenTrigger) -> tuple[bytes, int]:
    return _encode(Sent(opened.trigger_id, opened.rule, iso(opened.due_at))), opened.fired_at


def _entry(decision: Decision) -> tuple[bytes, int]:
    at = decision.cancelled_at if isinstance(decision, Cancellation) else decision.fired_at
    ms = round(datetime.fromisoformat(at).timestamp() * 1000)
    return _encode(Sent(decision.trigger_id, decision.type, decision.due_at)), ms
