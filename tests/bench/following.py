"""What the rules of absence would be worth if they followed the population's clock after the fit: a measurement alone.

    python -m tests.bench.following [--partitions N] [--seeds 1,2] [KIND or FILE ...]

Triggers of today go by the calendar after the fit, with an allowance (`unsure`). Those measured here decide with what
was known in the week in which they go off: ages by the clock as each week before came to, this week's pace as foretold
from them, and the horizon's days by the usual pace. They make no allowance. The fit differs, too: gaps are measured in
the clock as each week came to rather than as it was foretold, orders count up to MOST_OF of their customers' gaps, and
the shift of the rhythm is held close to 0, as a clock that slows down and customers who speed up look alike.
"""

import time
from dataclasses import dataclass
from datetime import date, timedelta

import click
import msgspec
import numpy as np

from agents import gapfit, pacing
from agents.clockfit import TURNS
from agents.fitting import fit, snapshot_at
from agents.flags import Jury, Score
from agents.histories import Floats, Ints, Occasions, Orders, occasions_of
from agents.planning import silent_after
from agents.scoring import HORIZON, Trial, coverage
from agents.simplerules import Contest, SimpleRule
from agents.timing import Rhythm
from agents.timingfit import fit_timing
from streams.histories import gather
from streams.logs import read_log
from tables.clock import CALENDAR, Clock
from tables.orders import DAY, WEEK
from tables.parameters import Parameters, TimingPrior
from tests.bench.calibration import shares
from tests.support.population import log_of
from tests.support.shops import SHOPS

MOST_OF = 0.8
"""The part of the customer's own gaps that the clock looks at."""
SHIFT = 0.03
"""How closely the shift is held to 0, a standard deviation."""
_WINDOW = _PROBABILITY = 0.8
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Ran:
    """A clock week by week. Each (weeks,)."""

    since: Floats
    """When each week begins, epoch ms."""
    came_to: Floats
    """Its pace as known when it was over."""
    foretold: Floats
    """As known when it began."""

    @property
    def clock(self) -> Clock:
        """By what the weeks came to."""
        days = (_EPOCH + timedelta(days=int(since) // DAY) for since in self.since)
        return Clock(tuple(zip(days, self.came_to.tolist(), strict=True)))

    def ages(self, last_at: Floats, at: Floats) -> tuple[Floats, Floats]:
        """Days of the clock since each customer's last order, as known at each instant; and the pace there. (n,)."""
        clock, week = self.clock, self.weeks(at)
        same = self.weeks(last_at) == week
        begin = np.where(same, last_at, self.since[week])
        before = np.where(same, 0.0, clock.all_at(begin) - clock.all_at(last_at))
        return (before + (at - begin) * self.foretold[week]) / DAY, self.foretold[week]

    def weeks(self, at: Floats) -> Ints:
        """The number of the week in which each instant lies."""
        return np.clip(np.searchsorted(self.since, at, side="right") - 1, 0, self.since.size - 1).astype(np.int64)


def run(orders: Orders, prior: TimingPrior, begin: int, end: int, known: Floats, before: Clock = CALENDAR) -> Ran:
    """The clock of some customers from `begin` on; the first weeks' paces are known. Gaps are those of `before`'s."""
    weeks = max(1, -(-(end - begin) // WEEK))
    watch = pacing.Watch(occasions_of(orders, before), prior, begin, end, weeks, MOST_OF)
    observers, now = pacing.Observers(), 0.0
    came_to, foretold = np.ones(weeks), np.ones(weeks)
    for week in range(weeks):
        foretold[week] = observers.tell()
        seen, expected = watch.week(week, now, float(foretold[week]))
        observers.learn(seen, prior.level * expected)
        came_to[week] = known[week] if week < known.size else observers.tell()
        now += 7 * float(came_to[week])
    return Ran(begin + WEEK * np.arange(weeks, dtype=np.float64), came_to, foretold)


def fit_clock(orders: Orders, end: int) -> tuple[TimingPrior, Ran]:
    """A rhythm in the time of the clock as it came to run, and that clock; from orders before `end` alone."""
    begin = first_day(orders)
    start = fit_timing(snapshot_at(orders, end))
    prior, _ = gapfit.fit_gaps(gapfit.sample_of(occasions_of(orders), CALENDAR, end), start, SHIFT)
    weeks = max(1, -(-(end - begin) // WEEK))
    calm = pacing.Watch(occasions_of(orders), prior, begin, end, weeks, MOST_OF)
    for week in range(weeks):
        calm.week(week, 7.0 * week, 1.0)
    prior = msgspec.structs.replace(prior, level=calm.seen / calm.expected)
    none, clock = np.empty(0), CALENDAR
    for _ in range(TURNS):
        ran = run(orders, prior, begin, end, none, clock)
        clock = ran.clock
        sample = gapfit.sample_of(occasions_of(orders, clock), clock, end)
        found, _ = gapfit.fit_gaps(sample, prior, SHIFT)
        prior = msgspec.structs.replace(found, level=prior.level)
    return prior, ran


def first_day(orders: Orders) -> int:
    """Where the weeks of a shop's clock begin, epoch ms."""
    return int(orders.at.min()) // DAY * DAY


def waits(trial: Trial, prior: TimingPrior, ran: Ran, occasions: Occasions) -> Floats:
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


def places(trial: Trial, prior: TimingPrior, ran: Ran, occasions: Occasions) -> Floats:
    """Where in its window each gap that coverage is about lies when it closes, by what was known then. 0 to 1."""
    within = (trial.end - trial.train_until) / 2
    began = (occasions.last_at >= trial.train_until) & (occasions.last_at <= trial.end - within)
    gaps = occasions.take(began & (occasions.gap <= within / DAY))
    last = gaps.last_at.astype(np.float64)
    age, pace = ran.ages(last, gaps.closes)
    return gaps.rhythm(prior).share(age, age + (last + within - gaps.closes) / DAY * pace)


def follow(trial: Trial, partitions: int = 1) -> tuple[Floats, Floats]:
    """Waits of all occasions, and places of the gaps that are scored, where each partition has a clock of its own."""
    known = trial.orders.before(trial.train_until)
    prior, past = fit_clock(known, trial.train_until)
    begin, whose = first_day(trial.orders), occasions_of(trial.orders).customer % partitions
    wait, found = np.full(whose.size, np.inf), []
    for partition in range(partitions):
        orders = trial.orders.take(trial.orders.customer % partitions == partition)
        ran = run(orders, prior, begin, trial.end, past.came_to)
        ran = run(orders, prior, begin, trial.end, past.came_to, ran.clock)
        occasions = occasions_of(orders, ran.clock)
        wait[whose == partition] = waits(trial, prior, ran, occasions)
        found.append(places(trial, prior, ran, occasions))
    return wait, np.concatenate(found)


def by_calendar(trial: Trial, parameters: Parameters) -> Floats:
    """Waits as triggers of today have them."""
    clock, prior = Clock(parameters.clock), parameters.timing
    known = occasions_of(trial.orders, clock)
    rhythm = Rhythm(prior, known.x, known.s1, known.s2, known.e1, known.e2, unsure=prior.unsure)
    wait: Floats = silent_after(rhythm, clock, known.last_at.astype(np.float64), _WINDOW, HORIZON, _PROBABILITY) / DAY
    return wait


def trial_of(name: str, seed: int) -> Trial:
    """An invented shop of a kind, or a log; split in the middle."""
    if name in SHOPS:
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


@click.command()
@click.argument("names", nargs=-1)
@click.option("--partitions", default=1, show_default=True)
@click.option("--seeds", default="41,42,43", show_default=True)
def command(names: tuple[str, ...], partitions: int, seeds: str) -> None:
    """Precision / recall / delay / false alarms by the calendar, then following, then its windows at .5 / .8 / .9."""
    for name in names or [name for name in SHOPS if name != "month"]:
        found = []
        for seed in map(int, seeds.split(",")) if name in SHOPS else [0]:
            trial = trial_of(name, seed)
            wait, place = follow(trial, partitions)
            today = by_calendar(trial, fit(trial.orders.before(trial.train_until), trial.train_until).parameters)
            scores = [worth(trial, one) for one in (today, wait)]
            figures = [(s.precision, s.recall, s.median_delay_days, s.false_alarms) for s in scores]
            found.append([*shares(figures[0]), *shares(figures[1]), *shares(coverage(place).values())])
        mean = [f"{value:.3f}" if value < 1 else f"{value:.0f}" for value in np.mean(found, axis=0).tolist()]
        click.echo(f"| {name} | {' / '.join(mean[:4])} | {' / '.join(mean[4:8])} | {' / '.join(mean[8:])} |")


if __name__ == "__main__":
    command()
