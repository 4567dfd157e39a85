"""A population's clock as a worker could have it, and the rhythm in its time; for `tests.bench.following`."""

from dataclasses import dataclass

import msgspec
import numpy as np

from agents.fit import gapfit
from agents.fit.bendfit import fit_bends
from agents.fit.clockfit import TURNS
from agents.fit.course import Course
from agents.fit.fitting import snapshot_at
from agents.fit.histories import Floats, Orders, occasions_of
from agents.fit.pacing import Observers
from agents.fit.timingfit import fit_timing
from agents.fit.watching import Watch, counted, weeks_between
from tables.clock import CALENDAR, Clock
from tables.orders import DAY, WEEK
from tables.parameters import TimingPrior

MOST_OF = 0.8
"""The part of the customer's own gaps that the clock looks at."""
SHIFT = 0.03
"""How closely the shift is held to 0, a standard deviation."""


@dataclass(frozen=True, slots=True)
class Way:
    """How the clock of some customers is followed from `begin` on (epoch ms)."""

    begin: int
    usual: int = 0
    """Weeks whose mean pace counts as 1; 0: paces are taken as they come."""

    def run(self, orders: Orders, prior: TimingPrior, end: int, known: Floats, before: Clock = CALENDAR) -> Course:
        """To `end`; the first weeks' paces are known. Gaps so far are measured by the clock `before`."""
        weeks = weeks_between(self.begin, end)
        watch = Watch(occasions_of(orders, before), prior, self.begin, end, weeks, MOST_OF)
        observers, now, told = Observers(), 0.0, [1.0] * self.usual
        came_to, foretold = np.ones(weeks), np.ones(weeks)
        for week in range(weeks):
            usual = float(np.mean(told[-self.usual :])) if self.usual else 1.0
            foretold[week] = observers.tell() / usual
            seen, expected = watch.week(week, now, float(foretold[week]))
            observers.learn(seen, prior.level * expected)
            told.append(observers.tell())
            came_to[week] = known[week] if week < known.size else told[-1] / usual
            now += 7 * float(came_to[week])
        return Course(self.begin + WEEK * np.arange(weeks, dtype=np.float64), came_to, foretold)


def fit_clock(orders: Orders, way: Way, end: int) -> tuple[TimingPrior, Course]:
    """A rhythm in the time of the clock as it came to run, and that clock; from orders before `end` alone."""
    start = fit_timing(snapshot_at(orders, end))
    prior, _ = gapfit.fit_gaps(gapfit.sample_of(occasions_of(orders), CALENDAR, end), start, SHIFT)
    calm = counted(occasions_of(orders), prior, CALENDAR, end, MOST_OF)
    prior = msgspec.structs.replace(prior, level=float(calm.seen.sum() / calm.expected.sum()))
    none, clock = np.empty(0), CALENDAR
    for _ in range(TURNS):
        ran = way.run(orders, prior, end, none, clock)
        clock = ran.clock
        sample = gapfit.sample_of(occasions_of(orders, clock), clock, end)
        found, _ = gapfit.fit_gaps(sample, prior, SHIFT)
        prior = msgspec.structs.replace(found, level=prior.level)
    middle = (way.begin + end) // 2
    return fit_bends(occasions_of(orders, clock), prior, clock, middle, end), ran


def first_day(orders: Orders) -> int:
    """Where the weeks of a shop's clock begin, epoch ms."""
    return int(orders.at.min()) // DAY * DAY
