"""The comparison as a table in Markdown, as the documentation shows it."""

from collections.abc import Iterable
from statistics import median

from tests.bench.rounds import Line

_HEAD = (
    "system",
    "guarantee",
    "events",
    "events/s",
    "second half",
    "CPU s per 1M",
    "second half",
    "MiB",
    "Offbeat: times the events/s",
    "and per CPU second",
)


def spread(values: list[float], form: str = ",.0f") -> str:
    """Minimum, median and maximum of the rounds; one number when there was one."""
    chosen = values if len(values) == 1 else [min(values), median(values), max(values)]
    return " / ".join(format(value, form) for value in chosen)


def table_of(lines: Iterable[Line]) -> list[str]:
    """A row for each system."""
    return [_row(_HEAD), _row("---" for _ in _HEAD), *(_row(_cells(line)) for line in lines)]


def _cells(line: Line) -> Iterable[str]:
    yield line.system
    yield line.guarantee
    yield f"{line.events:,}"
    for values, form in (
        (line.rate, ",.0f"),
        (line.warm_rate, ",.0f"),
        (line.cpu, ".1f"),
        (line.warm_cpu, ".1f"),
        (line.peak, ",.0f"),
        (line.faster, ".2f"),
        (line.leaner, ".2f"),
    ):
        yield "" if values is None else spread(values, form)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
