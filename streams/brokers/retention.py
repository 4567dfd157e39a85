"""How long until events that nobody has taken yet are deleted by the topic's retention. No I/O, no clock."""

import logging
from collections import deque
from collections.abc import Mapping

from streams.brokers.topicfacts import Found, retention_of
from streams.watch.logformat import about

log = logging.getLogger(__name__)

NEAR = 0.2
"""Share of its retention within which an event that is not taken is in danger."""
_MINUTE = 60_000
_UNITS = ((86_400_000, "days"), (3_600_000, "hours"), (_MINUTE, "minutes"), (1_000, "seconds"))


class Unread:
    """When the oldest event that is not taken yet was sent, of one source of one partition number.

    By Kafka's time of records, which retention goes by; within a minute.
    """

    def __init__(self, topic: str, number: int, retention: int) -> None:
        self.left = retention
        """Milliseconds until it may be deleted; the whole retention when nothing is left to be taken."""
        self._topic, self._number, self._retention = topic, number, retention
        self._marks: deque[tuple[int, int]] = deque()
        """An offset, and when its record was sent; the next is of a minute later at least."""
        self._end = 0
        self._warned = False

    def fetched(self, begin: int, end: int, sent: int) -> None:
        """The records from `begin` to `end` were fetched; the first of them was sent at `sent`, epoch ms."""
        if not self._marks or sent >= self._marks[-1][1] + _MINUTE:
            self._marks.append((begin, sent))
        self._end = end

    def look(self, position: int, lag: int, now: int) -> None:
        """The next to be taken is at `position`, so many records are left, and it is `now`, epoch ms."""
        marks = self._marks
        while len(marks) > 1 and marks[1][0] <= position:
            marks.popleft()
        if lag == 0:
            self.left = self._retention
        elif marks and position < self._end:
            self.left = self._retention - (now - marks[0][1])
        else:
            return  # nothing is here of what is left: the next fetch tells
        self._warn()

    def _warn(self) -> None:
        if self.left < NEAR * self._retention:
            if not self._warned:
                self._warned = True
                log.warning(
                    "%s[%d]: the next event to be taken was sent %s ago, and the topic keeps them for %s: soon events "
                    "are deleted unread. Raise its retention.ms, then see why the worker lags",
                    self._topic,
                    self._number,
                    spell(self._retention - self.left),
                    spell(self._retention),
                    extra={**about(self._number), "topic": self._topic},
                )
        elif self.left > 2 * NEAR * self._retention:
            self._warned = False


def retentions(found: Mapping[str, Found]) -> dict[str, int]:
    """Of the topics that delete by time, how long they keep events, in ms."""
    told = {name: retention_of(topic) for name, topic in found.items()}
    return {name: kept for name, kept in told.items() if kept is not None}


def spell(ms: int) -> str:
    """A span of time in a unit that suits it."""
    size, unit = next(((size, unit) for size, unit in _UNITS if ms >= 2 * size), _UNITS[-1])
    return f"{ms / size:.1f} {unit}"
