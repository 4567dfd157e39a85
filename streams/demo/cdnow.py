"""The CDNOW log: 69,659 purchases of 23,570 customers of a music shop, 1997-01-01 to 1998-06-30.

It is a file inside the wheel of the package `lifetimes`, which is never imported. A row is a customer, a day, a number
of CDs and dollars; customers are those of the first quarter of 1997, all their purchases are there.
"""

import importlib.metadata
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

DAY = 86_400_000
BEGIN = round(datetime(1997, 1, 1, tzinfo=UTC).timestamp() * 1000)
END = round(datetime(1998, 7, 1, tzinfo=UTC).timestamp() * 1000)
"""The log covers the time from BEGIN up to END, epoch ms."""
_FILE = "CDNOW_master.txt"


class DataError(RuntimeError):
    """The log cannot be read; one line that says how to get it."""


class Row(NamedTuple):
    """One purchase."""

    day: int
    """Its beginning in UTC, epoch ms."""
    cds: int
    dollars: float


def read_cdnow(customers: int | None = None) -> dict[str, list[Row]]:
    """Each customer's purchases, oldest first. Raises DataError.

    :param customers: so many of them, spread evenly over the log; None: all
    """
    found: dict[str, list[Row]] = {}
    days: dict[str, int] = {}
    try:
        for line in _path().read_text("ascii").splitlines()[1:]:  # the first names the columns
            customer, ymd, cds, dollars = line.split()
            if ymd not in days:
                days[ymd] = BEGIN + (date.fromisoformat(ymd) - date(1997, 1, 1)).days * DAY
            found.setdefault(customer, []).append(Row(days[ymd], int(cds), float(dollars)))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{_FILE} of the package lifetimes cannot be read ({error}): install the package anew"
        ) from None
    names = sorted(found)
    if customers is not None and customers < len(names):
        names = [names[i * len(names) // customers] for i in range(customers)]
    return {name: sorted(found[name], key=lambda row: row.day) for name in names}


def _path() -> Path:
    try:
        files = importlib.metadata.files("lifetimes") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == _FILE:
            return Path(str(file.locate()))
    raise DataError(
        "the orders of the demo come with the package lifetimes, which is not installed: "
        "run `make setup`, or pip install 'offbeat[demo]'"
    )
