"""What is durable and not shown yet, per customer: of two changes the last one counts. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self

from agents.core import Settled
from agents.decisions import Decision, Trigger


class Change(NamedTuple):
    """What is to be done to the views of one customer, in this order."""

    key: bytes
    wiped: bool
    """Forget what was sent: the customer was erased or forgotten, come back since or not."""
    packed: bytes | None
    """The state; None without `wiped`: it stays as it is shown."""
    sent: tuple[Decision, ...]
    """Decisions that went out, oldest first."""
    healed: bool
    """Show those decisions too that the state still remembers."""


class Backlog:
    """Changes of customers, coalesced. One after the other, or gathered in whatever parts: the outcome is the same."""

    def __init__(self) -> None:
        self.states: dict[bytes, bytes | None] = {}
        """Of everybody to whom something has happened; None: gone, or not changed."""
        self.wiped: set[bytes] = set()
        self.sent: dict[bytes, list[Decision]] = {}
        self.healed: set[bytes] = set()

    def __len__(self) -> int:
        """Customers."""
        return len(self.states)

    @classmethod
    def of(cls, settled: Settled) -> Self:
        """What a batch comes to."""
        found = cls()
        found.add(settled)
        return found

    def add(self, settled: Settled) -> None:
        """A batch that comes after all this."""
        self.states.update(settled.changes)
        for key in settled.dropped:
            self._wipe(key, settled.changes.get(key))
        for number, decision in enumerate(settled.decisions):
            key = decision.customer_id.encode()
            if _went_out(decision) and number >= settled.dropped.get(key, 0):
                self.states.setdefault(key, None)
                self.sent.setdefault(key, []).append(decision)

    def heal(self, states: Iterable[tuple[bytes, bytes]]) -> None:
        """Show these states, as they are now, whatever was shown before."""
        for key, packed in states:
            self.states[key] = packed
            self.healed.add(key)

    def wipe(self, keys: Iterable[bytes]) -> None:
        """These customers are gone."""
        for key in keys:
            self._wipe(key, None)

    def _wipe(self, key: bytes, packed: bytes | None) -> None:
        self.states[key] = packed
        self.wiped.add(key)
        self.sent.pop(key, None)
        self.healed.discard(key)

    def follow(self, later: "Backlog") -> None:
        """What `later` holds comes after all this."""
        for key in later.wiped:
            self._wipe(key, None)
        for key, packed in later.states.items():
            if packed is not None or key not in self.states:
                self.states[key] = packed
        for key, decisions in later.sent.items():
            self.sent.setdefault(key, []).extend(decisions)
        self.healed |= later.healed

    def shed(self) -> int:
        """Forget all but who is gone: that cannot be found out again. How many customers were forgotten."""
        before = len(self.states)
        self.states = dict.fromkeys(self.wiped)
        self.sent.clear()
        self.healed.clear()
        return before - len(self.states)

    def __iter__(self) -> Iterator[Change]:
        for key, packed in self.states.items():
            yield Change(key, key in self.wiped, packed, tuple(self.sent.get(key, ())), key in self.healed)


def _went_out(decision: Decision) -> bool:
    return not (isinstance(decision, Trigger) and isinstance(decision.suppressed_by, str))
