"""The views of one partition number, as the worker that has it keeps them. Pure."""

from math import inf

from streams.views.backlog import Backlog
from streams.views.mark import ViewMark
from tables.states import States

SLICE = 200
"""Customers that are looked up between two batches while all views are written anew."""


class Part:
    """A partition number that this worker has, or has just given up.

    :param offsets: as far as it is durable, by source
    :param now: when decisions were last made, epoch ms
    :param buried: who was erased or forgotten before it was taken over, as far as is known
    """

    def __init__(self, number: int, offsets: dict[str, int], now: int, buried: set[bytes]) -> None:
        self.number, self.offsets, self.now = number, offsets, now
        self.backlog = Backlog()
        self.begun = dict(offsets)
        """As far as it was durable when it was taken over."""
        self.ended_at = inf
        """When it was given up, on a monotonic clock."""
        self.settled = True
        """The backlog was told of all that is durable."""
        self.claimed = False
        """Redis has been told that its views are ours to write."""
        self.foreign: ViewMark | None = None
        """Whose they have been found to be instead, ..."""
        self.foreign_since = 0.0
        """... and since when, on a monotonic clock."""
        self.refreshed_at = 0
        """When all of them were begun to be written last, epoch ms."""
        self._buried = buried
        self._asked = False
        self._left: list[bytes] = []
        """Customers still to be looked up."""

    @property
    def renewing(self) -> bool:
        """All views are written anew, and not everybody has been looked up yet."""
        return self._asked or bool(self._left)

    @property
    def whole(self) -> bool:
        """Nothing is left to be shown."""
        return self.settled and not self.renewing and not self.backlog

    def renew(self) -> None:
        """Write all views anew, from the first one on."""
        self._asked, self._left = True, []

    def bury(self) -> None:
        """Delete what there may be of those who were gone when it was taken over."""
        older = Backlog()
        older.wipe(self._buried)
        older.follow(self.backlog)
        self.backlog = older
        self.leave_buried()

    def leave_buried(self) -> None:
        """There is nothing of them."""
        self._buried = set()

    def look_up(self, states: States) -> None:
        """Go on with writing views anew, unless enough is waiting. All of `states` is durable."""
        if len(self.backlog) >= SLICE:
            return
        if self._asked:
            self._asked, self._left = False, list(states)
        some = self._left[-SLICE:]
        del self._left[-SLICE:]
        found = ((key, states.packed(key)) for key in some)
        self.backlog.heal((key, packed) for key, packed in found if packed is not None)

    def shed(self, most: int) -> int:
        """Drop what waits, but for who is gone, if they are not more than `most`; of how many customers."""
        dropped = self.backlog.shed()
        if len(self.backlog) > most:  # nobody erases so many: only time deletes their views
            dropped, self.backlog = dropped + len(self.backlog), Backlog()
        self.renew()
        return dropped
