"""What a large group does to its partition numbers: `python -m tests.bench.assignment`; no brokers, no clock.

200 numbers, 50 workers, the real assignor and messages of real size; the same steps always give the same figures.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import click

from tests.support.assigning import Group, Rebalance

NUMBERS = 200
WORKERS = 50
BROKERS_LIMIT = 1_048_588
"""Bytes: a broker's message.max.bytes, and so its offsets topic's, unless set otherwise."""

Change = tuple[list[str], list[str]]
"""Who goes, and who comes."""


@dataclass(slots=True)
class Step:
    """Something that happens to the workers, and the rebalances that it took."""

    what: str
    rebalances: list[Rebalance] = field(default_factory=list)

    @property
    def moved(self) -> int:
        """Numbers that left a worker that stayed, all rebalances together."""
        return sum(rebalance.moved for rebalance in self.rebalances)

    @property
    def freed(self) -> int:
        """Numbers whose worker went, all rebalances together."""
        return sum(rebalance.freed for rebalance in self.rebalances)


def steps() -> Iterator[Step]:
    """One after the other; fails when a number has not exactly one owner at any time."""
    group = Group(NUMBERS)
    old = [f"a{number}" for number in range(WORKERS)]
    new = [f"b{number}" for number in range(WORKERS)]

    def step(what: str, *changes: Change) -> Step:
        return Step(what, [group.rebalance(leaving=leaving, joining=joining) for leaving, joining in changes])

    yield step(f"{WORKERS} workers start at once", ([], old))
    yield step("a rebalance for no reason", ([], []))
    yield step("a worker goes", (old[:1], []))
    yield step("its successor comes", ([], new[:1]))
    turns: list[Change] = []
    for goes, comes in zip(old[1:], new[1:], strict=True):
        turns += ([goes], []), ([], [comes])
    yield step("the other 49 are replaced in turn", *turns)
    yield step("10 crash at once", (new[:10], []))
    yield step("10 come at once", ([], old[:10]))
    yield step("a 51st comes", ([], ["c"]))
    yield step("a rebalance for no reason", ([], []))
    yield step("3 go while 2 come", (new[10:13], old[10:12]))
    yield step("450 more come at once", ([], [f"d{number}" for number in range(450)]))
    yield step("all but 50 go at once", ([*group.members][50:], []))


def _span(step: Step) -> str:
    least = min(rebalance.least for rebalance in step.rebalances)
    most = max(rebalance.most for rebalance in step.rebalances)
    return f"{least}" if least == most else f"{least} to {most}"


COLUMNS: dict[str, Callable[[Step], str]] = {
    "what happens": lambda step: step.what,
    "workers": lambda step: f"{step.rebalances[-1].workers}",
    "numbers each": _span,
    "freed": lambda step: f"{step.freed}",
    "moved": lambda step: f"{step.moved}",
    "group's record": lambda step: f"{step.rebalances[-1].record_bytes / 1000:,.0f} kB",
}


def table(done: Iterable[Step]) -> list[str]:
    """In Markdown."""
    head = [f"| {' | '.join(COLUMNS)} |", "|---|" + "---|" * (len(COLUMNS) - 1)]
    return head + [f"| {' | '.join(column(step) for column in COLUMNS.values())} |" for step in done]


@click.command()
def assignment() -> None:
    """Tell how partition numbers move in a group of 50 workers and more."""
    click.echo("\n".join(table(steps())))


if __name__ == "__main__":
    assignment()
