"""Finds the customers who hold a partition up: a robot, a test that was forgotten, an id that stands for everybody."""

from collections.abc import Sequence
from typing import Final

from agents.notices import Notices
from streams.flow.merge import Entry, Rejected

LIMIT: Final = 10_000
"""Events of one customer within an hour that no person sends."""
HOUR: Final = 3_600_000
_STEP: Final = 16
"""One event of so many is looked at."""
_KEPT: Final = 32
"""Customers that are counted. Whoever sends more than one event in 33 is among them, whoever else comes."""


class Busiest:
    """Gives notice of the events of customers of whom more than LIMIT came within an hour.

    It samples, and counts after Misra and Gries: in bounded memory, too low by the others' share at the most. Who sends
    less than a thirtieth of a partition's events may be missed, and does no harm.
    """

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._counts: dict[bytes, int] = {}
        self._since = 0
        self._skip = 0

    def look(self, entries: Sequence[Entry], count: int, now: int) -> None:
        """The first `count` entries were taken, at `now` (epoch ms)."""
        if not 0 <= now - self._since < HOUR:
            self._since = now
            self._counts.clear()
        for index in range(self._skip, count, _STEP):
            entry = entries[index]
            if not isinstance(event := entry[6], Rejected) and self._count(entry[5]) > LIMIT:
                self._notices.add("customer", event.customer_id, _STEP)
        self._skip = (self._skip - count) % _STEP

    def _count(self, key: bytes) -> int:
        """How many events of the customer there were, at least."""
        counts = self._counts
        if key in counts or len(counts) < _KEPT:
            counts[key] = counts.get(key, 0) + _STEP
            return counts[key]
        self._counts = {other: left for other, found in counts.items() if (left := found - _STEP) > 0}
        return 0
