"""The worker's own path from fetched records to rows to be sent, without brokers, clock or chance: for counting.

The same events are cut into the same batches every time, so that whatever is counted depends on the code alone.
`python -m tests.bench.inmemory` tells how often each function is called for an event.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from types import FrameType

import click

from agents.core import Core
from agents.rulebook.rules import Rules
from streams.delivery.ports import Row
from streams.delivery.rows import RowWriter
from streams.flow.flood import FloodGuard
from streams.flow.mark import Position
from streams.flow.pipeline import Pipeline
from streams.settings import Settings
from tables.events import SOURCES
from tables.parameters import BUILTIN
from tests.bench.load import standard_load
from tests.support.pipes import Kept

END = 1_763_800_000_000
"""When the load ends, and what the wall clock says, epoch ms."""
PER_BATCH = 1_000

Fetched = tuple[list[Kept], ...]
"""What one fetch brings, by the index of SOURCES."""


def batches(count: int, customers: int, apart: int) -> list[Fetched]:
    """The standard load in batches of PER_BATCH, `apart` ms between two events."""
    rows = standard_load(count * PER_BATCH, END, customers=customers, apart=apart)
    offsets = [0] * len(SOURCES)

    def fetched(part: Iterator[tuple[str, bytes, bytes]]) -> Fetched:
        found: Fetched = tuple([] for _ in SOURCES)
        for source, key, value in part:
            index = SOURCES.index(source)
            found[index].append(Kept(offsets[index], key, value))
            offsets[index] += 1
        return found

    return [fetched(islice(rows, PER_BATCH)) for _ in range(count)]


NOTHING: Fetched = tuple([] for _ in SOURCES)


class InMemory:
    """One partition number, live."""

    def __init__(self) -> None:
        self.pipeline = Pipeline(Core(Rules(), BUILTIN), FloodGuard(1.0), wall=True)
        self.pipeline.seek({source: Position(0) for source in SOURCES})
        self.decisions = 0
        """How many were made."""
        self.states: dict[bytes, bytes | None] = {}
        """As the changelog has them: newest packed state by customer."""
        self._rows = RowWriter(0, Settings(), {})

    def feed(self, fetched: Fetched) -> None:
        """Decode and queue, and hear that there is no more yet."""
        for source, records in enumerate(fetched):
            if records:
                self.pipeline.feed(source, records, records[-1].offset + 1, END, END)
            self.pipeline.complete(source, self.pipeline.merge.feeds[source].fetched, END)

    def work(self) -> None:
        """Do what can be done, and make the rows that would be sent."""
        while True:
            outcome = self.pipeline.work(END)
            for key, value, _ in self._rows.states(outcome):
                self.states[key or b""] = value
            self.send(self._rows.outputs(outcome))
            self.decisions += len(outcome.decisions)
            self.pipeline.done(outcome)
            if not self.pipeline.more:
                break

    def send(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """What goes to other topics than the changelog: nobody looks at it here."""

    def take(self, fetched: Sequence[Fetched]) -> None:
        """Batch by batch."""
        for batch in fetched:
            self.feed(batch)
            self.work()


def calls(work: Callable[[], None]) -> tuple[Counter[str], int]:
    """What `work` calls: functions of Python by name, and how many of C."""
    found: Counter[str] = Counter()
    in_c = 0

    def hear(frame: FrameType, event: str, _arg: object) -> None:
        nonlocal in_c
        if event == "call":
            found[f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"] += 1
        elif event == "c_call":
            in_c += 1

    sys.setprofile(hear)
    try:
        work()
    finally:
        sys.setprofile(None)
    del found[f"{work.__module__}.{work.__qualname__}"]
    return found, in_c - 1  # the last one is sys.setprofile


@click.command()
@click.option("--apart", type=click.IntRange(1), default=5, show_default=True, help="Ms of event time between two.")
@click.option("--customers", type=click.IntRange(1), default=4_000, show_default=True)
@click.option("--lines", type=click.IntRange(1), default=50, show_default=True)
def inmemory(apart: int, customers: int, lines: int) -> None:
    """Tell how often each function is called for an event."""
    fetched = batches(13, customers, apart)
    worker = InMemory()
    worker.take(fetched[:10])
    found, in_c = calls(lambda: worker.take(fetched[10:]))
    events = 3 * PER_BATCH
    click.echo(f"{found.total() / events:8.3f} calls of Python and {in_c / events:.3f} of C for an event; of Python:")
    for name, count in found.most_common(lines):
        click.echo(f"{count / events:8.3f}  {name}")


if __name__ == "__main__":
    inmemory()
