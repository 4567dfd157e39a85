"""How long CDNOW (69,659 real orders) takes through `backtest`, a process of its own, start and reading included."""

import csv
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from streams.demo.cdnow import DataError, read_cdnow
from tests.bench.worker import ROOT, BenchError


def backtest_seconds() -> float:
    """Wall-clock seconds. Raises BenchError."""
    with tempfile.TemporaryDirectory(prefix="offbeat-bench-") as folder:
        log = Path(folder) / "cdnow.csv"
        try:
            write_table(log)
        except DataError as error:
            raise BenchError(str(error)) from error
        arguments = ["backtest", str(log), "--parameters", "builtin", "--triggers", str(log.with_suffix(".jsonl"))]
        command = [sys.executable, "-m", "streams", *arguments]
        began = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
        seconds = time.perf_counter() - began
    if done.returncode:
        raise BenchError(f"backtest failed:\n{done.stderr}")
    return seconds


def write_table(path: Path) -> None:
    """The log as a flat table, in the order of time; each row an order. Raises DataError."""
    rows = sorted(
        (row.day, name, number, row) for name, found in read_cdnow().items() for number, row in enumerate(found)
    )
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(("customer_id", "event_time", "event_type", "order_id", "quantity", "amount", "currency"))
        for day, name, number, row in rows:
            at = datetime.fromtimestamp(day / 1000, UTC).isoformat()
            out.writerow((name, at, "purchase", f"{name}-{number}", row.cds, row.dollars, "USD"))
