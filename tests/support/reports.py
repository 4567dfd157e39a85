"""Backtests with a report, as a user runs them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result

from agents.fit.histories import Orders
from streams.commands import offbeat
from tests.support.logfiles import HEADER


def backtest(*arguments: str | Path) -> Result:
    """Run `offbeat backtest`."""
    return CliRunner().invoke(offbeat, ["backtest", *map(str, arguments)])


def report_of(log: Path, folder: Path, *arguments: str | Path) -> dict[str, Any]:
    """Run it with a report into this folder; report.json, beside which nothing but the page may lie."""
    result = backtest(log, "--report", folder, *arguments)
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json"]
    return found


def write_orders(path: Path, orders: Orders, *, amounts: bool = True) -> Path:
    """Orders as a flat table, customer 7 as c7."""
    rows = [
        f"c{orders.customer[i]},{orders.at[i]},purchase,,,,,{f'{orders.total[i]:.2f}' if amounts else ''},EUR\n"
        for i in np.argsort(orders.at, kind="stable")
    ]
    path.write_text(HEADER + "".join(rows))
    return path
