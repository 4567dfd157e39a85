"""What was fetched of one source, decoded as it is wanted: a portion at a time, right before it is worked on.

A decoded event takes several times the memory of its bytes, in many small objects. Decoded a portion ahead it is still
in the processor's cache when its turn comes; a whole fetch ahead it is not, which costs a fifth of an event's time.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Protocol

from agents.notices import Notices
from streams.flow.decode import LARGE, RejectedError, cut_down, decoder
from streams.flow.merge import Feed, Rejected
from tables.customer import NEVER
from tables.events import SOURCES, AnyEvent, TimeMark

PORTION = 256
"""Records that are decoded at once."""


class Record(Protocol):
    """What a Kafka client hands over of a record."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Iterable[tuple[str, bytes]]: ...


class _Fetched:
    """What one fetch brought: the offset after it; when it arrived, and the wall clock then, epoch ms."""

    def __init__(self, records: Sequence[Record], end: int, arrived: int, wall: int) -> None:
        self.records, self.end, self.arrived, self.wall = records, end, arrived, wall
        self.read = 0
        """So many of the records are decoded."""


class Reader:
    """Fills the feed of one source, an index of SOURCES."""

    def __init__(self, source: int, feed: Feed, notices: Notices) -> None:
        self._source, self._feed, self._notices = source, feed, notices
        self._decode = decoder(SOURCES[source])
        self._unread: deque[_Fetched] = deque()
        self.live_from = NEVER
        """The effective time of the first event that was no import."""

    def receive(self, records: Sequence[Record], end: int, arrived: int, wall: int) -> None:
        """Records up to the offset `end` were fetched. `arrived`, `wall`: epoch ms."""
        feed = self._feed
        feed.fetch(end, _weigh(records), len(records))
        self._unread.append(_Fetched(records, end, arrived, wall))
        if len(feed.entries) < PORTION:
            self.read()
        if feed.unread:
            feed.newest = max(feed.newest, self._time_of(records[-1], wall))

    def _time_of(self, record: Record, wall: int) -> int:
        try:
            return self._decode(record.key, record.value, wall)[1]
        except RejectedError:
            return 0

    def read(self) -> bool:
        """Decode the next portion; whether there was anything left.

        A `time.mark` is not queued: it says where the feed has got to.
        """
        if not self._unread:
            return False
        feed, fetched = self._feed, self._unread[0]
        append, decode, source = feed.entries.append, self._decode, self._source
        frontier, arrived, wall = feed.frontier, fetched.arrived, fetched.wall
        portion = fetched.records[fetched.read : fetched.read + PORTION]
        for record in portion:
            key, value = record.key, record.value
            event: AnyEvent | Rejected
            try:
                found, at = decode(key, value, wall)
            except RejectedError as exc:
                # without a time of its own it is late: where it stands in the merge is kept with its position
                event, at = Rejected(key, value, tuple(record.headers), exc.kind, str(exc)), 0
            else:
                if at > frontier:  # noqa: PLR1730 - asked for every record; max() takes four times as long
                    frontier = at
                if frontier < self.live_from and not found.backfill:
                    self.live_from = frontier
                if type(found) is TimeMark:  # isinstance() takes three times as long
                    continue
                event = found
                if len(value) > LARGE and cut_down(found):  # type: ignore[arg-type] # no event without a value
                    self._notices.add("message", found.customer_id)
            append((frontier, source, record.offset, arrived, at, key or b"", event))
        feed.frontier = frontier
        feed.unread -= len(portion)
        fetched.read += len(portion)
        if fetched.read < len(fetched.records):
            feed.read = fetched.records[fetched.read].offset
        else:
            feed.read = fetched.end
            self._unread.popleft()
        return True


def _weigh(records: Sequence[Record]) -> int:
    """Bytes of keys, values and headers: what a hostile one makes large."""
    size = 0
    for record in records:
        key, value, headers = record.key, record.value, record.headers
        if value is not None:
            size += len(value)
        if key is not None:
            size += len(key)
        if headers:
            size += sum(len(name.encode()) + len(held or b"") for name, held in headers)
    return size
