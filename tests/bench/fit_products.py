"""How long orders of a log last, as if each were one product: `python -m tests.bench.fit_products LOG`.

Prints the likeliest prior of customers with three orders or more, held by the built-in one as much as a fit is, and how
right `product.replenish_due` is on the log's second half, by the built-in figures and by those of the first half. A log
of one kind of goods, such as groceries, stands in for products, which no free log names for long enough.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import numpy as np

from agents.evidence.scoring import Trial
from agents.fit.histories import Orders, Sold
from agents.fit.productfit import fit_products
from agents.rulebook.rules import Rules
from streams.backtest import backtest
from streams.histories import gather, product_number
from streams.logs import Log, LogLine, read_log
from streams.report.fired import Fired
from streams.report.replenished import score
from tables.events import PURCHASES
from tables.parameters import BUILTIN, Parameters

PRODUCT = "groceries"


def as_products(lines: Log) -> Iterator[LogLine]:
    """The lines of a log, in which every order is one piece of the same product."""
    for line in lines.lines():
        if line.source == PURCHASES and (value := msgspec.json.decode(line.value)).get("type") == "order.completed":
            value["items"] = [{"product_id": PRODUCT, "quantity": 1}]
            yield line._replace(value=msgspec.json.encode(value))
        else:
            yield line


def sold(orders: Orders) -> Sold:
    """The same as columns."""
    product = np.full(len(orders), product_number(PRODUCT))
    return Sold(orders.customer, orders.at, product, np.full(len(orders), -1), np.ones(len(orders)))


@click.command()
@click.argument("log", type=click.Path(path_type=Path))
def main(log: Path) -> None:
    """Fit and score LOG, each order of which stands for one product."""
    wall = round(time.time() * 1000)
    lines = read_log(str(log), wall=wall)
    known = gather(as_products(lines), wall=wall)
    prior, notes = fit_products(sold(known.orders), ())
    click.echo(f"mu {prior.overall.mu:.4g}  k {prior.overall.k:.4g}  a {prior.overall.a:.4g}  b {prior.overall.b:.4g}")
    for note in notes:
        click.echo(note)
    begin, end = lines.span or (0, 0)
    trial = Trial(known.orders, (begin + end) // 2, end, known.sold)
    for name, parameters in (("built in", BUILTIN), ("fitted", fitted(known.orders, trial))):
        fired = Fired(known.number)
        backtest(as_products(lines), Rules(), parameters, wall=wall, emit=fired.take)
        click.echo(f"{name}: {score(fired.needed.told(), trial, Rules().product_replenish_due)}")


def fitted(orders: Orders, trial: Trial) -> Parameters:
    """The built-in parameters, with what was known of products before the trial."""
    prior, _ = fit_products(sold(orders.before(trial.train_until)), ())
    return msgspec.structs.replace(BUILTIN, products=prior)


if __name__ == "__main__":
    main()
