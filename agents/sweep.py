"""Everybody who is to be planned anew after a change of parameters, a few at a time and spread over hours.

When a customer's turn comes follows from its key and from how many there were: so the same events give the same
triggers wherever batches end, ten million customers are no storm, and neither are the messages that a change brings.
"""

from collections.abc import Iterable
from itertools import islice

from xxhash import xxh3_64_intdigest

from tables.customer import NEVER

SPREAD = 6 * 3_600_000
"""Ms of event time that it takes."""
TURN = 128
"""Customers planned at once: some 2 ms of work."""
MOST_TURNS = 4096
PLACED = 20_000
"""Keys that `place` looks at: some 2 ms, too."""


class Sweep:
    """Turns of customers, in order."""

    def __init__(self, keys: Iterable[bytes], began: int) -> None:
        """`began`: event time, epoch ms, from which on they are spread."""
        everybody = list(keys)
        self._turns: list[list[bytes]] = [[] for _ in range(min(max(len(everybody) // TURN, 1), MOST_TURNS))]
        self._unplaced, self._began, self._next = iter(everybody), began, 0
        self._left = len(everybody)

    @property
    def next_at(self) -> int:
        """When the next turn comes, epoch ms; NEVER: all have had theirs."""
        turns = len(self._turns)
        return self._began + (self._next + 1) * SPREAD // turns if self._left and self._next < turns else NEVER

    def place(self, many: int = PLACED) -> None:
        """Find out whose turn comes when, for so many more of them."""
        turns, count = self._turns, len(self._turns)
        for key in islice(self._unplaced, many):
            turns[xxh3_64_intdigest(key) % count].append(key)

    def take(self) -> list[bytes]:
        """Whose turn it is."""
        self.place(self._left)
        keys, self._turns[self._next] = self._turns[self._next], []
        self._next += 1
        return keys
