"""What the worker's own path comes to over records of many kinds, written down: for comparing two builds of it.

`python -m tests.support.outcomes FOLDER` writes a file for each kind of load: states and messages, in order.
"""

import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from agents.decisions import Decision
from agents.rulebook.rules import Rules
from streams.backtest import backtest
from streams.delivery.ports import Row
from streams.flow.messages import json_line
from streams.livepath import Renewal
from streams.logs import read_log
from tables.parameters import BUILTIN
from tests.bench.cdnow import write_table
from tests.bench.inmemory import InMemory, batches
from tests.streams.flow.test_pipeline_cuts import random_log, through_partitions
from tests.support.contract import EVERY, WALL
from tests.support.invented import invented
from tests.support.pipes import Run

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 0.0, -0.0, 0.5, 1e300, 1 << 53, 1 << 62, 1 << 63, 1 << 64, -(1 << 63)),
    *("", "x", "\0", "é", "€" * 300, "2024-01-01T00:00:00Z", "2024-01-01", [], [None], {}, {"x": 1}),
    *(WALL, WALL * 1.0, -WALL, WALL + 3_600_001, [{"product_id": "p", "quantity": 1}] * 150, "order.completed"),
)
"""Values that a field may hold instead of its own."""


class Heard(InMemory):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[object] = []

    def send(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """In order."""
        self.sent += rows.items()


def standard(apart: int) -> Iterator[object]:
    """The standard load, by the wall clock."""
    worker = Heard()
    worker.take(batches(30, 1_500, apart))
    yield from worker.sent
    yield from worker.states.items()


def hostile() -> Iterator[object]:
    """Valid events, and such of which a field or a byte was changed, by the wall clock."""
    rng = random.Random(7)
    run = Run(wall=True, now=WALL)
    for number in range(6_000):
        source, fields = rng.choice(EVERY)
        event = {**fields, "event_id": f"e{number}", "customer_id": rng.choice(("ann", "bob", "eve"))}
        event["occurred_at"] = WALL - (6_000 - number) * 60_000 * rng.choice((1, 1, 1, 30))
        if rng.random() < 0.6:
            event[rng.choice(sorted(event))] = rng.choice(ODD)
        value = bytearray(json.dumps(event).encode())
        if rng.random() < 0.1:
            value[rng.randrange(len(value))] = rng.randrange(256)
        key = event["customer_id"].encode() if isinstance(event["customer_id"], str) else None
        run.write(source, (key, rng.choice((bytes(value),) * 20 + (None, b""))))
        if rng.random() < 0.05:
            run.catch_up()
    run.catch_up()
    yield from _came_to(run)


def cut() -> Iterator[object]:
    """Months of small shops with everything in them, in event time, with crashes in between."""
    for seed in range(25):
        for run in through_partitions(random_log(seed), 2, random.Random(seed)):
            yield from _came_to(run)


def _came_to(run: Run) -> Iterator[object]:
    yield from map(json_line, run.decisions)
    yield from run.dead
    for outcome in run.outcomes:
        yield outcome.positions, outcome.now, outcome.live_from, outcome.events, outcome.settled
    yield from run.states.items()


def backtests(folder: Path) -> Iterator[object]:
    """An invented log, and the first part of a real shop's with parameters that are learned on the way."""
    renewals: list[Renewal] = []
    write_table(folder / "cdnow.csv")
    for log in (invented(folder / "log.jsonl", 5), folder / "cdnow.csv"):
        found: list[Decision] = []
        hear = renewals.append if log.suffix == ".csv" else None
        lines = islice(read_log(log, wall=WALL).lines(), 12_000)
        yield backtest(lines, Rules(), BUILTIN, wall=WALL, emit=found.append, renewed=hear)
        yield from map(json_line, found)
    yield from renewals


LOADS: dict[str, Callable[[Path], Iterator[object]]] = {
    "standard": lambda _: standard(5),
    "backlog": lambda _: standard(2_000),
    "hostile": lambda _: hostile(),
    "cut": lambda _: cut(),
    "backtests": backtests,
}
"""By name; they may write to the folder."""


def main(folder: Path) -> None:
    """Write all."""
    for name, load in LOADS.items():
        (folder / f"{name}.txt").write_text("".join(f"{line!r}\n" for line in load(folder)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
