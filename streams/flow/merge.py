"""The three feeds of one partition number, merged by event time (see streams/README.md, "Time").

A record's effective time is the running maximum of event time in its own feed, so it never goes back. Records are taken
in the order of effective time; of the same instant in the order of tables.events.SOURCES. One is taken only when
nothing earlier can still come from another feed: that one has later records, or has already gone beyond that time (a
`time.mark` says so too), or, where time follows the wall clock, was read to the end that the broker reported after the
record arrived.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from tables.events import SOURCES, AnyEvent


class Rejected(NamedTuple):
    """A record that is not an event, with all that its dead letter needs."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    kind: str
    """One of streams.flow.decode.KINDS."""
    reason: str

    @property
    def size(self) -> int:
        """Bytes."""
        headers = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers


Entry: TypeAlias = tuple[int, int, int, int, int, bytes, AnyEvent | Rejected]
"""A record in its place: effective time, index of SOURCES, offset, when the broker's answer came that brought it, event
time, key, event; times in epoch ms. A plain tuple: one is made for every record, and they sort as the merge goes.
"""

_SPAN = 64 << 10
"""Fetches of fewer bytes are counted together."""


class Feed:
    """One source of one partition number: what was fetched and is not taken yet. streams.flow.reader fills it."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        """What is decoded of it: few, see streams.flow.reader."""
        self.unread = 0
        """Records that follow them and are not decoded yet."""
        self.frontier = 0
        """Nothing with an effective time before it follows the entries."""
        self.newest = 0
        """The latest event time that is known of what is not decoded yet."""
        self.complete_at = 0
        """When the broker last said that there was nothing beyond what was fetched."""
        self.begun = 0
        """The offset that fetching began with."""
        self.fetched = 0
        """The offset after all that was fetched."""
        self.read = 0
        """The offset after all that was decoded."""
        self.taken = 0
        """The effective time of the last record taken."""
        self.taken_before = 0
        """What it was before the last `Merge.take`."""
        self._spans: deque[tuple[int, int]] = deque()
        """Of what was fetched together and is not wholly taken: the offset after it, and its bytes."""

    def begin(self, offset: int, frontier: int) -> None:
        """Begin at a position, with nothing fetched."""
        self.begun = self.read = self.fetched = offset
        self.frontier = self.taken = frontier

    @property
    def waiting(self) -> int:
        """Records fetched and not taken yet."""
        return len(self.entries) + self.unread

    def fetch(self, end: int, size: int, count: int) -> None:
        """A fetch up to the offset `end` brought so many bytes and records."""
        self.fetched = end
        self.unread += count
        if self._spans and self._spans[-1][1] < _SPAN:
            size += self._spans.pop()[1]
        if size:
            self._spans.append((end, size))

    def weigh(self) -> int:
        """The bytes that wait, at the most: of fetches that are partly taken they count in full."""
        spans, offset = self._spans, self.position[0]
        while spans and spans[0][0] <= offset:
            spans.popleft()
        return sum(size for _, size in spans)

    @property
    def position(self) -> tuple[int, int]:
        """Where to go on: the offset of the next record to be taken, and the running maximum before it.

        The maximum is exact for a late head; for any other a smaller one serves as well.
        """
        if not self.entries:
            return self.read, self.frontier
        effective, _, offset, _, at, _, _ = self.entries[0]
        return offset, effective if at < effective else self.taken


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
        return sum(feed.waiting for feed in self.feeds)

    def weigh(self) -> int:
        """Their bytes, as `Feed.weigh` has them."""
        return sum(feed.weigh() for feed in self.feeds)

    @property
    def reached(self) -> int:
        """Every record with an effective time before it has been taken, or is the next to be."""
        return min(self._reach(feed) for feed in self.feeds)

    def _reach(self, feed: Feed) -> int:
        if feed.entries:
            return feed.entries[0][0]
        return feed.complete_at if self._wall and not feed.unread else feed.frontier

    def behind(self, wall: int) -> int | None:
        """The last milliseconds of event time of which a record may be left to be taken; None: nobody can know yet.

        Up to `wall` (epoch ms) where time follows the wall clock, else up to the newest record that was fetched.
        """
        passed = min(self._passed(feed) for feed in self.feeds)
        newest = wall if self._wall else max(max(feed.frontier, feed.newest) for feed in self.feeds)
        return max(0, newest - passed) if passed else None

    def _passed(self, feed: Feed) -> int:
        """Nothing of the feed with an effective time before it is left; 0: not known."""
        if feed.entries:
            return feed.entries[0][0]
        if not self._wall or feed.unread:
            return feed.frontier
        return max(feed.frontier, feed.complete_at) if feed.complete_at or feed.fetched > feed.begun else 0

    def take(self) -> list[Entry]:
        """The records that may be taken now, in order, taken off their feeds."""
        end = self._end()
        ready: list[Entry] = []
        for feed in self.feeds:
            entries = feed.entries
            feed.taken_before = feed.taken
            if not entries:
                continue
            count = len(entries) if end is None or entries[-1] < end else bisect_left(entries, end)
            if count:
                taken = entries[:count]
                del entries[:count]
                feed.taken = taken[-1][0]
                ready += taken
        ready.sort()  # three sorted runs: a merge, and it compares tuples of integers
        return ready

    def put_back(self, entries: Sequence[Entry], begin: int) -> None:
        """What `take` gave, from `begin` on, was not worked on after all."""
        for feed in self.feeds:
            feed.taken = feed.taken_before
        for effective, source, *_ in entries[:begin]:
            self.feeds[source].taken = effective
        for source, feed in enumerate(self.feeds):
            feed.entries[:0] = [entry for entry in entries[begin:] if entry[1] == source]

    def _end(self) -> Entry | None:
        """The first record, in the order of the merge, that must wait; None when none must."""
        first = None
        for feed in self.feeds:
            entries = feed.entries
            if entries and self._waits(entries[-1]):
                # who waits is followed by such as wait: they are later and came later
                entry = entries[bisect_left(range(len(entries)), True, key=lambda i: self._waits(entries[i]))]
                if first is None or entry < first:
                    first = entry
        return first

    def _waits(self, entry: Entry) -> bool:
        """Whether another feed may still bring something that comes before it."""
        effective, own, _, arrived, *_ = entry
        for source, feed in enumerate(self.feeds):
            # at the same instant the earlier of SOURCES goes first
            if (
                source != own
                and effective >= feed.frontier + (own < source)
                and not (self._wall and feed.complete_at >= arrived and not feed.unread)
            ):
                return True
        return False
