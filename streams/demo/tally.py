"""What came out of the worker, gathered as it comes."""

from collections import Counter
from datetime import datetime
from statistics import median
from typing import Any

import msgspec
from msgspec import Struct

from agents.rulebook.rules import NAMES

_CANCELLED = ".cancelled"


class Fired(Struct, gc=False):
    """A trigger. Times in epoch ms."""

    trigger_id: str
    type: str
    customer: str
    at: int
    reason: str
    evidence: dict[str, Any]
    cart: dict[str, Any] | None = None
    answered_at: int | None = None
    """When an order answered it."""


class _Message(Struct, gc=False):
    trigger_id: str
    type: str
    customer_id: str
    fired_at: str
    reason: str
    evidence: dict[str, Any] = {}
    cart: dict[str, Any] | None = None
    cancelled_at: str = ""


_decode = msgspec.json.Decoder(_Message).decode


class Tally:
    """Triggers by id, in the order in which they came; a message that comes again changes nothing."""

    def __init__(self) -> None:
        self.triggers: dict[str, Fired] = {}
        self.fired: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.latest: dict[str, Fired] = {}
        """The newest of each type."""
        self.suppressed = 0
        self.dead_letters = 0

    def take(self, value: bytes) -> None:
        """One message of a triggers topic."""
        message = _decode(value)
        if message.type.endswith(_CANCELLED):
            self._answer(message)
        elif message.trigger_id not in self.triggers:
            at = moment(message.fired_at)
            fired = Fired(
                message.trigger_id,
                message.type,
                message.customer_id,
                at,
                message.reason,
                message.evidence,
                message.cart,
            )
            self.triggers[message.trigger_id] = self.latest[message.type] = fired
            self.fired[message.type] += 1

    def _answer(self, message: _Message) -> None:
        fired = self.triggers.get(message.trigger_id)
        if fired is not None and fired.answered_at is None:
            fired.answered_at = moment(message.cancelled_at)
            self.answered[fired.type] += 1

    @property
    def types(self) -> list[str]:
        """The types seen or to be seen, in the order of the rules; others after them."""
        return [*NAMES, *sorted(set(self.fired) - set(NAMES))]

    def median_answer(self, kind: str) -> float | None:
        """Median time from a trigger of this type to its answer, ms; None: none was answered."""
        times = [f.answered_at - f.at for f in self.triggers.values() if f.type == kind and f.answered_at is not None]
        return median(times) if times else None


def moment(text: str) -> int:
    """ISO 8601 to epoch ms."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)
