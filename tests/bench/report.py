"""What a benchmark tells: a table for people, JSON for machines."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from msgspec import Struct, to_builtins

from tests.bench.measure import Limit, Run

_MIB = 1 << 20


class Side(Struct):
    """Everything measured on one broker, round by round."""

    broker: str
    limits: list[Limit]
    runs: dict[str, list[Run]]
    """By delivery mode."""


class Report(Struct):
    events: int
    event_bytes: float
    sides: list[Side]
    cdnow_seconds: float | None
    machine: dict[str, str]


def machine() -> dict[str, str]:
    """Where this was measured, and with what."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cpu": f"{os.cpu_count()} x {cpu}",
        "memory": f"{memory >> 30} GiB",
        "python": platform.python_version(),
        **{name: version(name) for name in ("aiokafka", "faust-streaming", "msgspec", "numpy")},
    }


def spread(values: list[float], form: str = ",.0f") -> str:
    """min, median and max of the rounds; one number when there was one."""
    if len(values) == 1:
        return format(values[0], form)
    return " / ".join(format(value, form) for value in (min(values), median(values), max(values)))


def lines_of(report: Report) -> list[str]:
    """The report in plain text."""
    told = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    lines = [told, f"{report.events:,} events of {report.event_bytes:.0f} bytes; min / median / max of the rounds", ""]
    for side in report.sides:
        lines += _side(side)
    if report.cdnow_seconds is not None:
        lines.append(f"the CDNOW log through backtest: {report.cdnow_seconds:.1f} s")
    return lines


def _side(side: Side) -> list[str]:
    lines = [
        side.broker,
        f"  the client's limit      {spread([limit.rate for limit in side.limits])} events/s (fetch and decode, no more)",
    ]
    for delivery, runs in side.runs.items():
        shares = [100 * run.rate / limit.rate for run, limit in zip(runs, side.limits, strict=True)]
        lines += [
            f"  {delivery:22}  {spread([run.rate for run in runs])} events/s",
            f"    of the limit          {spread(shares, '.1f')} %",
            f"    CPU s per 1M events   {spread([1e6 * run.cpu_seconds / run.events for run in runs], '.1f')}",
            f"    peak memory           {spread([run.peak_rss_bytes / _MIB for run in runs])} MiB",
            f"    triggers              {runs[0].triggers:,}, {runs[0].suppressed:,} suppressed, "
            f"{runs[0].cancellations:,} cancelled; {runs[0].customers:,} customers",
            *_memory(runs),
        ]
    return [*lines, ""]


def _memory(runs: list[Run]) -> list[str]:
    last = runs[-1]
    lines = [f"    state                 {last.state_bytes:.0f} bytes a customer, packed, key included"]
    if (again := last.recovery) is not None and again.states:
        lines += [
            f"    memory                {again.rss_bytes / again.states:.0f} bytes a customer, after a start from the "
            "changelog",
            f"    recovery              {again.states:,} customers ({again.records:,} records) in {again.seconds:.1f} s",
        ]
    return lines


def as_json(report: Report) -> Any:
    return to_builtins(report)
