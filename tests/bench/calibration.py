"""The tables of agents/CALIBRATION.md that no single backtest gives: shops with few customers, and invented shops.

python -m tests.bench.calibration few FILE
python -m tests.bench.calibration kinds
"""

import time
from collections.abc import Iterable

import click
import numpy as np

from agents.evidence.flags import Jury
from agents.evidence.scoring import HORIZON, Trial, auc, course_in, coverage, foretold_gaps, foretold_silence
from agents.evidence.simplerules import Contest, SimpleRule, simple_rules
from agents.fit.fitting import fit
from agents.fit.histories import occasions_of
from agents.models.levels import LEVELS
from agents.models.planning import silent_after
from agents.models.timing import Rhythm
from streams.histories import gather
from streams.logs import read_log
from tables.clock import Clock
from tables.orders import DAY
from tables.parameters import BUILTIN, Parameters
from tests.support.population import log_of
from tests.support.shops import SHOPS

FEW = (30, 100, 300, 1000)
DRAWS = 3
SEEDS = (41, 42, 43)
"""Of invented shops that no test and no choice has looked at."""


@click.group()
def command() -> None:
    """Tables as Markdown, to standard output."""


@command.command()
@click.argument("file", type=click.Path(exists=True))
def few(file: str) -> None:
    """A log foretold by what a few of its customers tell, drawn by chance; the mean of DRAWS draws."""
    wall = round(time.time() * 1000)
    log = read_log(file, wall=wall)
    begin, end = log.span or (0, 0)
    middle = (begin + end) // 2
    trial = Trial(gather(log.lines(), wall=wall).orders, middle, end)
    known = trial.orders.before(middle)
    customers = np.unique(known.customer)
    row("nothing: built in", [scores(trial, BUILTIN)])
    rng = np.random.default_rng(1)
    for size in FEW:
        drawn = [known.take(np.isin(known.customer, rng.choice(customers, size, False))) for _ in range(DRAWS)]
        orders = f"{min(map(len, drawn)):,} to {max(map(len, drawn)):,} orders"
        row(f"{size:,} customers ({orders})", [scores(trial, fit(part, middle).parameters) for part in drawn])
    row("everybody", [scores(trial, fit(known, middle).parameters)])


@command.command()
@click.argument("names", nargs=-1, type=click.Choice(list(SHOPS)))
@click.option("--probability", default=0.8, show_default=True, help="The setting of the rules of absence.")
def kinds(names: tuple[str, ...], probability: float) -> None:
    """Invented shops of each kind, learned on their first half; the mean over SEEDS.

    Windows, forecasts, and the rules of absence: precision, recall, and precision of a fixed number of days that finds
    as many.
    """
    for name in names or SHOPS:
        found = []
        for seed in SEEDS:
            log = log_of(name, seed)
            trial = Trial(log.orders, log.middle, log.end)
            found.append(told(trial, fit(log.orders.before(log.middle), log.middle).parameters, probability))
        row(name, found)


def scores(trial: Trial, parameters: Parameters) -> list[float]:
    """Coverage of windows at LEVELS, and the AUC of silence."""
    course = course_in(trial, parameters)
    silence = foretold_silence(trial, parameters.timing, course)
    windows = shares(coverage(foretold_gaps(trial, parameters.timing, course).window).values())
    return [*windows, auc(silence.p, silence.silent) or np.nan]


def told(trial: Trial, parameters: Parameters, probability: float = 0.8) -> list[float]:
    """Coverage of windows at LEVELS, of forecasts, and what `flagged` tells."""
    gaps = foretold_gaps(trial, parameters.timing, course_in(trial, parameters))
    covered = [*shares(coverage(gaps.window).values()), *shares(coverage(gaps.forecast).values())]
    return [*covered, *flagged(trial, parameters, probability)]


def flagged(trial: Trial, parameters: Parameters, probability: float = 0.8) -> list[float]:
    """Precision and recall of the rules of absence, and the precision of a number of days that finds as many."""
    clock, prior = Clock(parameters.clock), parameters.timing
    known = occasions_of(trial.orders, clock)
    rhythm = Rhythm(prior, known.x, known.s1, known.s2, known.e1, known.e2, unsure=prior.unsure)
    wait = silent_after(rhythm, clock, known.last_at.astype(np.float64), 0.8, HORIZON, probability) / DAY
    occasions = occasions_of(trial.orders)
    contest = Contest(trial, occasions, Jury(trial, occasions))
    ours = contest.score(SimpleRule("ours", 0.0, (0.0, 1.0), lambda _known, _setting: wait), 0.0)
    days = simple_rules(trial)[0]
    plain = contest.score(days, contest.setting(days, ours.recall)).precision if ours.recall else None
    return shares((ours.precision, ours.recall, plain))


def shares(of: Iterable[float | None]) -> list[float]:
    """NaN for what the log cannot tell."""
    return [np.nan if share is None else share for share in of]


def row(name: str, found: list[list[float]]) -> None:
    """The mean of some figures, the levels' ones together."""
    mean = [f"{share:.3f}".lstrip("0") if np.isfinite(share) else "none" for share in np.mean(found, axis=0).tolist()]
    groups = [mean[at : at + len(LEVELS)] for at in range(0, len(mean), len(LEVELS))]
    click.echo(f"| {name} | {' | '.join(' / '.join(group) for group in groups)} |")


if __name__ == "__main__":
    command()
