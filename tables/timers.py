"""Timers of many customers, in order of their due times.

Drawers of about a minute each, in which entries lie as they come; only the drawer whose time has come is kept in order,
as a heap. Setting a timer is an append, and the heap that is worked on fits into the processor's cache: one heap over
all timers costs twice as much with 100,000 of them.
"""

from collections.abc import Callable
from heapq import heapify, heappop, heappush

from tables.customer import NEVER

_BITS = 16
"""A drawer spans 2^16 ms."""
_LEAST = 10_000
"""Entries from which on it is worth looking for such as are no longer in force."""

Entry = tuple[int, bytes]
"""Due time in epoch ms, and the customer's key."""


class Timers:
    """Entries (due, key), taken out in order, whether or not they are still in force: who takes one out checks it.

    `thin_out` drops what is no longer in force once that may be most of them, so that there are never more than twice
    as many as customers, and ten thousand besides.
    """

    def __init__(self, entries: list[Entry]) -> None:
        self.soonest = NEVER
        """No entry is due before it."""
        self._front: list[Entry] = []
        """A heap: what is due before the end of the drawer that was opened last."""
        self._opened = -1
        self._drawers = drawers = _sorted_into_drawers(entries)
        self._order = list(drawers)
        """A heap of the numbers of the drawers."""
        heapify(self._order)
        if self._order:
            self.soonest = min(drawers[self._order[0]])[0]
        self._count = len(entries)

    def __len__(self) -> int:
        return self._count

    def add(self, due: int, key: bytes) -> None:
        """Set a timer; `due` may have passed already."""
        number = due >> _BITS
        if number <= self._opened:
            heappush(self._front, (due, key))
        elif (drawer := self._drawers.get(number)) is not None:
            drawer.append((due, key))
        else:
            self._drawers[number] = [(due, key)]
            heappush(self._order, number)
        self._count += 1
        if due < self.soonest:  # noqa: PLR1730 - asked for every event; min() takes four times as long
            self.soonest = due

    def pop(self, until: int) -> Entry | None:
        """Take out the first entry that is due before `until`; None when there is none, `soonest` then says why."""
        while not self._front:
            if not self._order or self._order[0] << _BITS >= until:
                self.soonest = self._order[0] << _BITS if self._order else NEVER
                return None
            self._opened = heappop(self._order)
            self._front = self._drawers.pop(self._opened)
            heapify(self._front)
        self.soonest = self._front[0][0]
        if self.soonest >= until:
            return None
        self._count -= 1
        return heappop(self._front)

    def thin_out(self, in_force: Callable[[Entry], bool], customers: int) -> None:
        """Drop twins, and what is not `in_force`, if there is much of it: of each customer one entry is in force.

        Of a customer who is woken early again and again, or who is erased and comes again and again.
        """
        if self._count > _LEAST + 2 * customers:
            self._front = sorted(filter(in_force, set(self._front)))
            thinned = {number: list(filter(in_force, set(drawer))) for number, drawer in self._drawers.items()}
            self._drawers = {number: drawer for number, drawer in thinned.items() if drawer}
            self._order = sorted(self._drawers)
            self._count = len(self._front) + sum(map(len, self._drawers.values()))


def _sorted_into_drawers(entries: list[Entry]) -> dict[int, list[Entry]]:
    """As `add` does it, but without a call for each of them, and the entries stay the same objects: they are many."""
    drawers: dict[int, list[Entry]] = {}
    for entry in entries:
        number = entry[0] >> _BITS
        drawer = drawers.get(number)
        if drawer is None:
            drawers[number] = [entry]
        else:
            drawer.append(entry)
    return drawers
