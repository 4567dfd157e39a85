"""What the rules of absence would be worth if they followed the population's clock after the fit: a measurement alone.

    python -m tests.bench.following [--partitions N] [--usual WEEKS] [--seeds 1,2] [KIND or FILE ...]

Triggers of today go by the calendar after the fit, with an allowance (`unsure`). Those measured here decide with what
was known in the week in which they go off: ages by the clock as each week before came to, this week's pace as foretold
from them, and the horizon's days by the usual pace. They make no allowance. The fit differs, too: gaps are measured in
the clock as each week came to rather than as it was foretold, orders count up to MOST_OF of their customers' gaps, and
the shift of the rhythm is held close to 0, as a clock that slows down and customers who speed up look alike. `--usual`:
paces are told against the mean of so many weeks before, so that the clock keeps the season alone and no slow drift.
"""

import time

import click
import numpy as np

from agents.evidence.flags import Jury, Score
from agents.evidence.scoring import HORIZON, Trial, coverage, places_in, scored_gaps
from agents.evidence.simplerules import Contest, SimpleRule
from agents.fit.course import Course
from agents.fit.fitting import fit
from agents.fit.histories import Floats, Occasions, occasions_of
from agents.models.planning import silent_after
from agents.models.timing import Rhythm
from streams.histories import gather
from streams.logs import read_log
from tables.clock import Clock
from tables.orders import DAY
from tables.parameters import Parameters, TimingPrior
from tests.bench.calibration import shares
from tests.bench.livepace import Way, first_day, fit_clock
from tests.support.population import log_of
from tests.support.shops import KINDS, SHOPS

_WINDOW = _PROBABILITY = 0.8


def waits(trial: Trial, prior: TimingPrior, ran: Course, occasions: Occasions) -> Floats:
    """Days from each occasion to its trigger, by the clock as it was known then; inf: none within the log."""
    rhythm, last = occasions.rhythm(prior), occasions.last_at.astype(np.float64)
    began, limit = ran.clock.all_at(last) / DAY, occasions.rhythm(prior).window(_WINDOW)
    at_start = ran.clock.all_at(ran.since) / DAY
    found, until = np.full(len(occasions), np.inf), np.append(ran.since[1:], np.inf)
    for week, (start, pace) in enumerate(zip(ran.since, ran.foretold, strict=True)):
        stop = min(until[week], float(trial.end))
        begin = np.maximum(last, start)
        young = np.where(last > start, 0.0, at_start[week] - began)
        old = young + (stop - begin) / DAY * pace
        open_ = np.isinf(found) & (last < stop) & (occasions.closes > start) & (old >= limit)
        rows = np.flatnonzero(open_)
        if rows.size:
            age = rhythm.take(rows).overdue(_WINDOW, HORIZON / DAY, _PROBABILITY, since_days=young[rows])
            reached = age <= old[rows]
            rows, age = rows[reached], age[reached]
            found[rows] = (begin[rows] - last[rows]) / DAY + (age - young[rows]) / pace
    wait: Floats = np.maximum(found, 1.0)
    return wait


def places(trial: Trial, prior: TimingPrior, ran: Course, occasions: Occasions) -> Floats:
    """Where in its window each gap that coverage is about lies when it closes, by what was known then. 0 to 1."""
    gaps = scored_gaps(trial, occasions)
    last = gaps.last_at.astype(np.float64)
    age, pace = ran.ages(last, gaps.closes), ran.paces(gaps.closes)
    found: Floats = gaps.rhythm(prior).share(age, age + (last + trial.within - gaps.closes) / DAY * pace)
    return found


def follow(trial: Trial, partitions: int = 1, usual: int = 0) -> tuple[Floats, Floats]:
    """Waits of all occasions, and places of the gaps that are scored, where each partition has a clock of its own."""
    known = trial.orders.before(trial.train_until)
    way = Way(first_day(trial.orders), usual)
    prior, past = fit_clock(known, way, trial.train_until)
    whose = occasions_of(trial.orders).customer % partitions
    wait, found = np.full(whose.size, np.inf), []
    for partition in range(partitions):
        orders = trial.orders.take(trial.orders.customer % partitions == partition)
        ran = way.run(orders, prior, trial.end, past.came_to)
        ran = way.run(orders, prior, trial.end, past.came_to, ran.clock)
        occasions = occasions_of(orders, ran.clock)
        wait[whose == partition] = waits(trial, prior, ran, occasions)
        found.append(places(trial, prior, ran, occasions))
    return wait, np.concatenate(found)


def by_calendar(trial: Trial, parameters: Parameters) -> tuple[Floats, Floats]:
    """Waits and places as triggers of today have them."""
    clock, prior = Clock(parameters.clock), parameters.timing
    known = occasions_of(trial.orders, clock)
    gaps = scored_gaps(trial, known)
    wait = silent_after(
        _allowing(prior, known), clock, known.last_at.astype(np.float64), _WINDOW, HORIZON, _PROBABILITY
    )
    return wait / DAY, places_in(gaps, _allowing(prior, gaps), clock, trial.within)


def _allowing(prior: TimingPrior, known: Occasions) -> Rhythm:
    """With the allowance for a clock that is not followed."""
    return Rhythm(prior, known.x, known.s1, known.s2, known.e1, known.e2, unsure=prior.unsure)


def trial_of(name: str, seed: int) -> Trial:
    """An invented shop of a kind, or a log; split in the middle."""
    if name in KINDS:
        log = log_of(name, seed)
        return Trial(log.orders, log.middle, log.end)
    wall = round(time.time() * 1000)
    given = read_log(name, wall=wall)
    begin, end = given.span or (0, 0)
    return Trial(gather(given.lines(), wall=wall).orders, (begin + end) // 2, end)


def worth(trial: Trial, wait: Floats) -> Score:
    """What flags after so many days are worth."""
    occasions = occasions_of(trial.orders)
    contest = Contest(trial, occasions, Jury(trial, occasions))
    return contest.score(SimpleRule("ours", 0.0, (0.0, 1.0), lambda _known, _setting: wait), 0.0)


def figures(trial: Trial, wait: Floats, place: Floats) -> list[float]:
    """Precision, recall, median delay in days, false alarms; and coverage at .5 / .8 / .9."""
    score = worth(trial, wait)
    flags = shares((score.precision, score.recall, score.median_delay_days, score.false_alarms))
    return [*flags, *shares(coverage(place).values())]


_CELLS = ((0, 4), (4, 7), (7, 11), (11, 14))


@click.command()
@click.argument("names", nargs=-1)
@click.option("--partitions", default=1, show_default=True)
@click.option("--usual", default=0, show_default=True, help="Weeks whose mean pace counts as 1; 0: none.")
@click.option("--seeds", default="41,42,43", show_default=True)
def command(names: tuple[str, ...], partitions: int, usual: int, seeds: str) -> None:
    """Precision / recall / delay / false alarms, and windows at .5 / .8 / .9: by the calendar, then following."""
    for name in names or [name for name in SHOPS if name != "month"]:
        found = []
        for seed in map(int, seeds.split(",")) if name in SHOPS else [0]:
            trial = trial_of(name, seed)
            today = by_calendar(trial, fit(trial.orders.before(trial.train_until), trial.train_until).parameters)
            found.append([*figures(trial, *today), *figures(trial, *follow(trial, partitions, usual))])
        mean = [f"{value:.3f}" if value <= 1 else f"{value:.0f}" for value in np.mean(found, axis=0).tolist()]
        click.echo(f"| {name} | {' | '.join(' / '.join(mean[low:high]) for low, high in _CELLS)} |")


if __name__ == "__main__":
    command()
