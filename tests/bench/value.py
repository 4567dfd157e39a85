"""How well customers' value is foretold beside simpler ways: the tables of agents/CALIBRATION.md.

python -m tests.bench.value logs FILE...
python -m tests.bench.value kinds
"""

import time
from collections.abc import Sequence

import click
import numpy as np
from scipy.special import roots_jacobi

from agents.evidence.mbg import Mbg, fit_mbg
from agents.evidence.scoring import Trial
from agents.evidence.valuescore import Compared, ValueTrial, value_trial
from agents.fit.fitting import fit
from agents.fit.histories import Floats, occasions_of
from agents.fit.standings import Purses
from agents.models.value import Expected
from streams.histories import gather
from streams.logs import read_log
from tables.orders import WEEK
from tests.support.population import log_of
from tests.support.shops import SHOPS

SEEDS = (41, 42, 43)
"""Of invented shops that no test of timing and no choice has looked at."""


@click.group()
def command() -> None:
    """Tables as Markdown, to standard output."""


@command.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True))
def logs(files: Sequence[str]) -> None:
    """Logs learned on their first half: orders and money by each way."""
    wall = round(time.time() * 1000)
    for file in files:
        log = read_log(file, wall=wall)
        begin, end = log.span or (0, 0)
        compare(file, Trial(gather(log.lines(), wall=wall).orders, (begin + end) // 2, end))


@command.command()
@click.argument("names", nargs=-1, type=click.Choice(list(SHOPS)))
def kinds(names: Sequence[str]) -> None:
    """Invented shops of each kind, learned on their first half; the mean over SEEDS."""
    for name in names or SHOPS:
        rows = []
        for seed in SEEDS:
            log = log_of(name, seed)
            trial = Trial(log.orders, log.middle, log.end)
            found = value_trial(trial, fit(log.orders.before(log.middle), log.middle).parameters)
            if found is not None and found.value is not None:
                orders, value = found.orders, found.value
                rows.append([*ratio(orders), *scores(value), *orders.interval, *value.interval])
        mean = np.mean(rows, axis=0)
        shown = [f"{share:.2f}" for share in mean[:1]] + [f"{share:.3f}".lstrip("0") for share in mean[1:]]
        told = [shown[0], " / ".join(shown[1:5]), " / ".join(shown[5:8]), " / ".join(shown[8:])]
        click.echo(f"| {name} | {' | '.join(told)} |")


def compare(name: str, trial: Trial) -> None:
    """Ours, MBG/NBD times the customer's own mean amount, and what the customer has brought so far."""
    known = trial.orders.before(trial.train_until)
    ours = value_trial(trial, fit(known, trial.train_until).parameters)
    if ours is None:
        raise click.ClickException(f"{name}: nothing is known before the middle")
    purses = Purses(known)
    rows = np.isin(purses.customer, purses.customer) if ours.value is None else purses.currency == 0
    textbook = by_mbg(trial, ours)[rows]
    so_far = purses.orders[rows].astype(np.float64)
    each = (purses.revenue / np.maximum(purses.n, 1.0))[rows]
    show(f"{name}: orders", ours.orders, {"MBG/NBD": textbook, "orders so far": so_far})
    if ours.value is not None:
        show(
            f"{name}: money", ours.value, {"MBG/NBD x own mean": textbook * each, "money so far": purses.revenue[rows]}
        )


def show(what: str, ours: Compared, others: dict[str, Floats]) -> None:
    """A row for each way."""
    click.echo(f"{what}; interval {' / '.join(f'{share:.3f}' for share in ours.interval)}")
    for name, mean in {"ours": ours.foretold.mean, **others}.items():
        one = Compared(Expected(mean, mean, mean), ours.came)
        click.echo(f"| {name} | {ratio(one)[0]:.2f} | {' | '.join(f'{figure:.3f}' for figure in scores(one))} |")


def by_mbg(trial: Trial, ours: ValueTrial) -> Floats:
    """Orders that MBG/NBD expects: of who is alive, and leaves with a chance that is Beta(a, b + x + 1)."""
    newest = occasions_of(trial.orders.before(trial.train_until)).newest()
    first = occasions_of(trial.orders.before(trial.train_until))
    began = first.last_at[first.x == 0]
    x = newest.x.astype(np.float64)
    last, now = (newest.last_at - began) / WEEK, (trial.train_until - began) / WEEK
    model = fit_mbg(x, last, now)
    return alive(model, x, last, now) * ahead(model, x, now, ours.days / 7)


def alive(model: Mbg, x: Floats, last: Floats, now: Floats) -> Floats:
    """P(alive)."""
    odds = model.a / (model.b + x) * ((model.alpha + now) / (model.alpha + last)) ** (model.r + x)
    return 1.0 / (1.0 + odds)


def ahead(model: Mbg, x: Floats, now: Floats, weeks: float) -> Floats:
    """Orders within so many weeks of who is alive, by Gauss & Jacobi for each number of gaps."""
    found = np.zeros(x.size)
    for gaps in np.unique(x):
        who = x == gaps
        nodes, weights = roots_jacobi(24, model.b + gaps, model.a - 1.0)
        p = (1.0 + nodes) / 2.0
        rate = np.log1p(p * (weeks / (model.alpha + now[who]))[:, None])
        found[who] = (-np.expm1(-(model.r + gaps) * rate) / p) @ (weights / weights.sum())
    return found


def ratio(one: Compared) -> list[float]:
    """Foretold to come."""
    return [float(one.foretold.mean.sum() / one.came.sum())]


def scores(one: Compared) -> list[float]:
    """Gini, Spearman, the part that the tenth of whom most was foretold brings, and the most that a tenth brings."""
    return [np.nan if each is None else each for each in (one.gini, one.spearman, one.caught(0.1), one.possible)]


if __name__ == "__main__":
    command()
