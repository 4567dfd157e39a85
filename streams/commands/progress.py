"""Long work over a log: a bar on a terminal, a line now and then elsewhere, and what was refused. On standard error."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from streams.logs import Log, LogLine, Rejected

_PLAIN_SECONDS = 5.0
Show = Callable[[float, str], None]
"""Told the share that is done, 0 to 1, and what is being done."""


@contextmanager
def progress() -> Iterator[Show]:
    """Shows what its target is told, while the context lasts."""
    console = Console(stderr=True)  # it knows NO_COLOR
    if not console.is_terminal:
        yield _plain()
        return
    columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("{task.description}", markup=False))
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("checking", total=1.0)
        yield lambda share, doing: bar.update(task, completed=share, description=doing)


def _plain() -> Show:
    told = time.monotonic()

    def show(share: float, doing: str) -> None:
        nonlocal told
        if time.monotonic() - told >= _PLAIN_SECONDS:
            told = time.monotonic()
            click.echo(f"{share:4.0%} {doing}", err=True)

    return show


def tell_rejected(rejected: Rejected, who: str) -> None:
    """What was refused, on standard error: the first reasons, and how many more."""
    for reason in rejected.reasons:
        click.echo(f"rejected {who}: {reason}", err=True)
    if (more := rejected.count - len(rejected.reasons)) > 0:
        click.echo(f"rejected {who}: {more:,} more", err=True)


def shown(log: Log, show: Show, doing: str = "") -> Iterator[LogLine]:
    """The lines of a log, while the bar follows them; `doing` says what they are read for."""
    for number, line in enumerate(log.lines()):
        if not number % 5_000:
            show(log.progress, f"{doing}{number:,} of {log.total:,} events")
        yield line
