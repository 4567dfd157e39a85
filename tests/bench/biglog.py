"""A log of any size in a file: an invented shop whose customers grow with the orders that are asked for.

python -m tests.bench.biglog FILE.csv --orders 5000000
"""

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from tests.support.population import BEGIN
from tests.support.shops import SHOPS, Log, orders_of

_TRIED = 2000
"""Customers by whom is seen how many orders one of them comes to."""
_BLOCK = 100_000
_DAY = 86_400_000


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--orders", type=click.IntRange(1), default=5_000_000, help="About so many.")
@click.option("--shop", type=click.Choice(list(SHOPS)), default="steady")
def command(file: Path, orders: int, shop: str) -> None:
    """Write a flat table of orders to FILE, sorted by time; its text is made block by block."""
    each = len(orders_of(shop, customers=_TRIED).time) / _TRIED
    log = orders_of(shop, customers=max(1, round(orders / each)))
    with file.open("w", encoding="ascii") as target:
        target.write("customer_id,event_time,event_type,order_id,amount,currency\n")
        target.writelines(_rows(log))
    click.echo(f"{len(log.time):,} orders of {np.unique(log.customer).size:,} customers")


def _rows(log: Log) -> Iterator[str]:
    for begin in range(0, len(log.time), _BLOCK):
        rows = slice(begin, begin + _BLOCK)
        at = BEGIN + np.rint(log.time[rows] * _DAY).astype(np.int64)
        columns = zip(log.customer[rows].tolist(), at.tolist(), log.amount[rows].tolist(), strict=True)
        yield "".join(
            f"c{customer},{ms},purchase,o{order},{amount:.2f},EUR\n"
            for order, (customer, ms, amount) in enumerate(columns, begin)
        )


if __name__ == "__main__":
    command()
