"""The three feeds of one partition number, merged by event time (see streams/README.md, "Time").

A record's effective time is the running maximum of event time in its own feed, so it never goes back. The next record
is the head with the smallest effective time; heads of the same instant go in the order of tables.events.SOURCES. A head
is taken only when nothing earlier can still come from another feed: that one has a later head, or has already gone
beyond that time (a `time.mark` says so too), or, where time follows the wall clock, was read to the end that the broker
reported after the head arrived.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

from tables.customer import NEVER
from tables.events import SOURCES, AnyEvent


class Rejected(NamedTuple):
    """A record that is not an event, with all that its dead letter needs."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    kind: str
    """One of streams.decode.KINDS."""
    reason: str


class Entry(Struct, gc=False):
    """A record in its place. Times in epoch ms."""

    effective: int
    source: int
    """Index of SOURCES."""
    offset: int
    arrived: int
    """When the broker's answer came that brought it."""
    at: int
    key: bytes
    event: AnyEvent | Rejected


class Feed:
    """One source of one partition number: what was fetched and is not taken yet."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque()
        self.frontier = 0
        """Nothing with an effective time before it follows."""
        self.complete_at = 0
        """When the broker last said that there was nothing beyond what was fetched."""
        self.fetched = 0
        """The offset after all that was fetched."""
        self.taken = 0
        """The effective time of the last record taken."""

    @property
    def position(self) -> tuple[int, int]:
        """Where to go on: the offset of the next record to be taken, and the running maximum before it.

        The maximum is exact for a late head; for any other a smaller one serves as well.
        """
        if not self.entries:
            return self.fetched, self.frontier
        head = self.entries[0]
        return head.offset, head.effective if head.at < head.effective else self.taken


class Merge:
    """Merges the feeds of one partition number.

    `wall`: time follows the wall clock, so that a feed that is read to its end holds nobody up.
    """

    def __init__(self, *, wall: bool) -> None:
        self.feeds = tuple(Feed() for _ in SOURCES)
        self._wall = wall

    @property
    def waiting(self) -> int:
        """Records fetched and not taken yet."""
        return sum(len(feed.entries) for feed in self.feeds)

    @property
    def reached(self) -> int:
        """Every record with an effective time before it has been taken, or is the next to be."""
        return min(self._reach(feed) for feed in self.feeds)

    def _reach(self, feed: Feed) -> int:
        if feed.entries:
            return feed.entries[0].effective
        return feed.complete_at if self._wall else feed.frontier

    def head(self) -> Entry | None:
        """The next record, not taken off; None when none may be taken yet."""
        turn = self._turn()
        return turn[0] if turn else None

    def _turn(self) -> tuple[Entry, int] | None:
        """The next record, and its `_limit`; None when none may be taken yet."""
        best = None
        for feed in self.feeds:
            # feeds are in the order of SOURCES: of the same instant the first one stays
            if feed.entries:
                entry = feed.entries[0]
                if best is None or entry.effective < best.effective:
                    best = entry
        if best is None:
            return None
        limit = self._limit(best)
        return (best, limit) if best.effective < limit else None

    def run(self) -> Iterator[Entry]:
        """The records that may be taken now, in order; each is taken off when the one after it is asked for."""
        while (turn := self._turn()) is not None:
            first, limit = turn
            arrived = first.arrived
            feed = self.feeds[first.source]
            entries = feed.entries
            while entries:
                entry = entries[0]
                if entry.effective >= limit or entry.arrived > arrived:
                    break
                yield entry
                entries.popleft()
                feed.taken = entry.effective

    def _limit(self, entry: Entry) -> int:
        """Records of the entry's feed that arrived with it may be taken while their effective time is below this."""
        limit, own = NEVER, entry.source
        for source, feed in enumerate(self.feeds):
            if source == own:
                continue
            if feed.entries:
                bound = feed.entries[0].effective
            elif self._wall and feed.complete_at >= entry.arrived:
                continue
            else:
                bound = feed.frontier
            # at the same instant the earlier of SOURCES goes first
            if own < source:
                bound += 1
            if bound < limit:  # noqa: PLR1730 - asked for every other record; min() takes four times as long
                limit = bound
        return limit
