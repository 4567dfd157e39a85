"""What a log is, whatever its format."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

SHOWN = 5
"""How many of the reasons for a refusal are kept: enough to see what is wrong with a file."""


class LogError(ValueError):
    """The file cannot be read as a log. The message is one line that names the file and says what is wanted."""


class LogLine(NamedTuple):
    """One event of a log, at its place in the merge of the three topics."""

    source: str
    """The feed, one of `tables.events.SOURCES`."""
    key: bytes
    """The customer_id, UTF-8."""
    value: bytes
    """One contract event as JSON."""
    at: int
    """Event time, epoch milliseconds."""
    effective: int
    """The running maximum of event time in its topic over the whole file; `at` < `effective`: the line is late."""


@dataclass
class Rejected:
    """What a file holds that is not an event: how much of it, and why, for the first few."""

    count: int = 0
    reasons: list[str] = field(default_factory=list)
    """At most `SHOWN`, in file order, each with its line or row."""

    def add(self, reason: str) -> None:
        self.count += 1
        if len(self.reasons) < SHOWN:
            self.reasons.append(reason[:300])


class Log:
    """A log that has been checked whole, so what is wrong with it is known before its first line is used.

    `lines` may be called again and gives the same lines.
    """

    def __init__(
        self,
        name: str,
        *,
        total: int,
        rejected: Rejected,
        span: tuple[int, int] | None,
        produce: Callable[[], Iterable[list[LogLine]]],
    ) -> None:
        self.name = name
        self.total = total
        """How many lines it has, without the rejected ones."""
        self.rejected = rejected
        self.span = span
        """Event time of the first and of the last event, epoch milliseconds; None: no event with a usable time."""
        self._produce = produce
        self._done = 0

    @property
    def progress(self) -> float:
        """The share of the lines that the latest call of `lines` has reached, 0 to 1."""
        return self._done / self.total if self.total else 1.0

    def lines(self) -> Iterator[LogLine]:
        """All lines, the three topics merged by effective time; ties in the order of `tables.events.SOURCES`.

        Within a topic they keep the order of the file (a flat table: of event_time). Raises `LogError` when the file
        can no longer be read, or has changed.
        """
        self._done = 0
        for block in self._produce():
            self._done += len(block)
            yield from block
