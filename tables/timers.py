"""Timers of many customers, in order of their due times.

Drawers of 18 hours, then of a minute, in which keys lie as they come; only the minute whose time has come is kept in
order, as a heap. Setting a timer is an append. What lies in a drawer is nothing but keys, for there are as many as
customers: when each is due is asked, of the states, when its drawer is opened.
"""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Final

from tables.customer import NEVER

_FAR: Final = 26
_NEAR: Final = 16
"""A drawer spans 2^26 ms, or 2^16 ms."""
_LEAST: Final = 10_000
"""Entries from which on it is worth looking for such as are no longer in force."""

Entry = tuple[int, bytes]
"""Due time in epoch ms, and the customer's key."""


class _Drawers:
    """Keys by when they are due, in spans of 2^`bits` ms."""

    __slots__ = ("bits", "keys", "order")

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.keys: dict[int, list[bytes]] = {}
        """By the number of the drawer."""
        self.order: list[int] = []
        """A heap of these numbers."""

    def put(self, due: int, key: bytes) -> None:
        number = due >> self.bits
        keys = self.keys.get(number)
        if keys is None:
            self.keys[number] = [key]
            heappush(self.order, number)
        else:
            keys.append(key)

    @property
    def begin(self) -> int:
        """Nothing in here is due before it."""
        return self.order[0] << self.bits if self.order else NEVER

    def open(self, due_of: Callable[[bytes], int]) -> tuple[list[Entry], int, int]:
        """Take out the first drawer: what is in force of it, once each; how many keys lay in it; where it ends."""
        number = heappop(self.order)
        keys = self.keys.pop(number)
        return self._in_force(number, keys, due_of), len(keys), (number + 1) << self.bits

    def _in_force(self, number: int, keys: list[bytes], due_of: Callable[[bytes], int]) -> list[Entry]:
        """A key that is due at another time by now lies in the drawer of that time, too."""
        bits = self.bits
        return [(due, key) for key in set(keys) if (due := due_of(key)) >> bits == number]

    def thin_out(self, due_of: Callable[[bytes], int]) -> int:
        """Drop what is not in force; how much is left."""
        thinned = {
            number: [key for _, key in self._in_force(number, keys, due_of)] for number, keys in self.keys.items()
        }
        self.keys = {number: keys for number, keys in thinned.items() if keys}
        self.order = sorted(self.keys)
        return sum(map(len, self.keys.values()))


class Timers:
    """A timer for each customer who has one; `due_of` says when a key is due as it is now, NEVER for none.

    Due times are taken out in order. Of one that was set anew since, at another time, the earlier entry may come out,
    too: who takes it out checks it. `thin_out` drops such entries once they may be most of them, so that there are
    never more than twice as many as customers, and ten thousand besides.
    """

    def __init__(self, due_of: Callable[[bytes], int]) -> None:
        self.soonest = NEVER
        """No entry is due before it."""
        self._due_of = due_of
        self._front: list[Entry] = []
        """A heap: what is due before `_front_end`."""
        self._front_end = 0
        self._near, self._near_end = _Drawers(_NEAR), 0
        """What is due before `_near_end`, and not in front."""
        self._far = _Drawers(_FAR)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, due: int, key: bytes) -> None:
        """Set a timer; `due`, which `due_of` tells from now on, may have passed already."""
        if due >= self._near_end:
            self._far.put(due, key)
        elif due >= self._front_end:
            self._near.put(due, key)
        else:
            heappush(self._front, (due, key))
        self._count += 1
        if due < self.soonest:  # noqa: PLR1730 - asked for every event; min() takes four times as long
            self.soonest = due

    def pop(self, until: int) -> Entry | None:
        """Take out the first entry that is due before `until`; None when there is none, `soonest` then says why."""
        while not self._front:
            self.soonest = min(self._near.begin, self._far.begin)
            if self.soonest >= until:
                return None
            self._open()
        self.soonest = self._front[0][0]
        if self.soonest >= until:
            return None
        self._count -= 1
        return heappop(self._front)

    def _open(self) -> None:
        """Open the next minute; before it the next 18 hours, when no minute of those that are open is left."""
        if self._near.order:
            self._front, lay, self._front_end = self._near.open(self._due_of)
            heapify(self._front)
            left = len(self._front)
        else:
            entries, lay, self._near_end = self._far.open(self._due_of)
            for due, key in entries:
                self._near.put(due, key)
            left = len(entries)
        self._count -= lay - left

    def thin_out(self, customers: int) -> None:
        """Drop what is not in force if there is much of it: of so many customers each has one entry that is.

        Of a customer who is woken early again and again, or who is erased and comes again and again.
        """
        if self._count > _LEAST + 2 * customers:
            due_of = self._due_of
            self._front = sorted(entry for entry in set(self._front) if due_of(entry[1]) == entry[0])
            self._count = len(self._front) + self._near.thin_out(due_of) + self._far.thin_out(due_of)
