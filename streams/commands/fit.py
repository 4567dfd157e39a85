"""`fit FILE --out PARAMETERS`."""

import math
import time
from pathlib import Path

import click

from agents.fit.fitting import Fitted
from agents.fit.fitting import fit as fit_orders
from agents.models.timing import Rhythm
from agents.rulebook.currencies import Currencies
from agents.rulebook.rules import rules_named
from streams.commands import FAILURE, USAGE
from streams.commands.options import with_settings
from streams.commands.output import failure, written
from streams.commands.progress import progress, shown, tell_rejected
from streams.histories import gather
from streams.logs import Log, LogError, read_log
from streams.settings import Settings
from tables.parameters import BUILTIN, dump_parameters
from tables.standing import top


@click.command()
@click.argument("file", type=click.Path())
@click.option("--out", type=click.Path(dir_okay=False), required=True, help="Where the parameters go.")
@with_settings("rules")
def fit(settings: Settings, file: str, out: str) -> None:
    """Population parameters from a log, for the worker (OFFBEAT_PARAMETERS) and for backtest --parameters.

    FILE holds contract events as JSON lines (.jsonl, .ndjson, .json) or a flat table (.csv, .parquet); .gz and .zst
    too. What a log is too short or too small to tell stays as it is built in; standard error says what that is. Of the
    rules, rates of currencies matter: amounts are learned as they will be compared.
    """
    rules = rules_named(settings.rules)
    try:
        log, fitted = _fit(file, rules.currencies, round(time.time() * 1000))
    except LogError as error:
        raise failure(str(error), USAGE) from None
    tell_rejected(log.rejected, "in the file")
    tell_notes(fitted)
    try:
        with written(Path(out)) as target:
            target.write(dump_parameters(fitted.parameters))
    except OSError as error:
        raise failure(f"{out}: cannot be written: {error.strerror}", FAILURE) from None
    _tell(fitted, out)


def _fit(file: str, rates: Currencies, wall: int) -> tuple[Log, Fitted]:
    with progress() as show:
        log = read_log(file, wall=wall, on_progress=lambda share: show(share, "checking"))
        found = gather(shown(log, show), wall=wall, rates=rates)
        if log.span is None or not len(found.orders):
            raise LogError(f"{file}: holds no order, so there is nothing to fit")
        show(1.0, "fitting")
        # until the last event of any kind the shop was watched
        fitted = fit_orders(found.orders, log.span[1], found.sold, found.categories, currencies=found.currencies)
        return log, fitted


def tell_notes(fitted: Fitted) -> None:
    """What could not be fitted, and what stands in for it, on standard error."""
    for note in fitted.notes:
        click.echo(f"offbeat: {note}", err=True)


def _tell(fitted: Fitted, out: str) -> None:
    timing, basket = fitted.parameters.timing, fitted.parameters.basket
    population = Rhythm(timing, [0], [0.0], [0.0])
    half, most = (float(population.window(p)[0]) for p in (0.5, 0.8))
    gone = timing.a / (timing.a + timing.b)
    click.echo(f"{fitted.customers:,} customers, {fitted.gaps:,} gaps between their orders")
    returning = f"half of the others return within {half:.0f} days, 80 % within {most:.0f}"
    click.echo(f"{gone:.0%} are gone after the first order; {returning}")
    if basket is not BUILTIN.basket:
        click.echo(f"half of the orders are below {math.exp(basket.m0):.2f}")
    products = fitted.parameters.products
    if products is not BUILTIN.products:
        own = f"; categories with a rhythm of their own: {len(products.categories)}" if products.categories else ""
        click.echo(f"a product bought again and again is bought every {math.exp(products.overall.mu):.0f} days{own}")
    if (standing := fitted.parameters.standing) is not None:
        best = ", ".join(f"{least:,.2f} {currency}" for currency, least in top(standing.revenue, 0.1).items())
        click.echo(f"one customer in ten has spent {best} or more")
    click.echo(f"{out}: parameters {fitted.parameters.version}")
