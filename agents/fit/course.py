"""How a population's clock ran, week by week, as it could be known: what a week came to once it was over, and before.

Up to the fit the weeks are those of the fit. After it each week is foretold by observers (`agents.fit.pacing`) before
it begins; when it is over, its pace is what was foretold, moved towards what came as far as paces wander from week to
week (`agents.fit.smoothing`) rather than by chance: with k = 1 / wander^2 orders for what was foretold, (seen + k) /
(expected + k) times that. A week that is over never changes again, for states hold sums of gaps by it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from agents.fit.histories import Floats, Ints, Occasions, Orders, occasions_of
from agents.fit.pacing import Observers
from agents.fit.smoothing import smoothed
from agents.fit.watching import Watch, thinned, weeks_between
from tables.clock import Clock, Pace, day_of, ms_of
from tables.orders import DAY, WEEK
from tables.parameters import TimingPrior

_WANDER = 0.1
"""What paces are taken to wander by, where no week is known yet."""
_TURNS = 3
"""Sums of gaps are by the clock, and the clock follows from them: so often each from the other."""


@dataclass(frozen=True)
class Course:
    """A clock week by week. Each (weeks,)."""

    since: Floats
    """When each week begins, epoch ms."""
    came_to: Floats
    """Its pace as known when it was over."""
    foretold: Floats
    """As known when it began."""

    @cached_property
    def clock(self) -> Clock:
        """By what the weeks came to."""
        return Clock(tuple(zip(map(day_of, self.since.astype(np.int64).tolist()), self.came_to.tolist(), strict=True)))

    def ages(self, last_at: Floats, at: Floats) -> Floats:
        """Days of the clock since each customer's last order, as known at each instant (epoch ms). (n,)."""
        clock, week = self.clock, self._weeks(at)
        begin = np.maximum(self.since[week], last_at)
        known = clock.all_at(begin) - clock.all_at(last_at)
        return np.asarray((known + (at - begin) * self.foretold[week]) / DAY, dtype=np.float64)

    def paces(self, at: Floats) -> Floats:
        """The pace of the running week, as known at each instant (epoch ms). (n,)."""
        return self.foretold[self._weeks(at)]

    def ahead(self, at: Floats) -> Floats:
        """The pace by which dates are told at each instant (epoch ms): half way between last week's and this one's.

        Alone, what is foretold of a week says too little of those after it, and last week's is late. (n,).
        """
        week = self._weeks(at)
        last = np.where(week > 0, self.came_to[week - 1], 1.0)
        return np.sqrt(last * self.foretold[week])

    def _weeks(self, at: Floats) -> Ints:
        """The number of the week in which each instant lies."""
        return np.clip(np.searchsorted(self.since, at, side="right") - 1, 0, self.since.size - 1).astype(np.int64)


EVEN = Course(np.zeros(1), np.ones(1), np.ones(1))
"""Runs as calendars do."""


def course_of(orders: Orders, prior: TimingPrior, clock: tuple[Pace, ...], end: int) -> Course:
    """The clock of these orders up to `end` (epoch ms): known as far as `clock` says, then followed.

    The last pace of `clock` is for what comes after it, and says since when nothing is known. A rhythm without a level
    follows no clock.
    """
    if prior.level == 0 or not len(orders):
        return EVEN
    first = int(orders.at.min()) // DAY * DAY
    until = ms_of(clock[-1][0]) if clock else first
    begin = until - -(-(until - first) // WEEK) * WEEK  # a whole number of weeks before what is not known
    course = _run(occasions_of(orders, Clock(clock)), prior, clock, begin, end)
    for _ in range(_TURNS - 1 if end > until else 0):
        course = _run(occasions_of(orders, course.clock), prior, clock, begin, end)
    return course


def _run(occasions: Occasions, prior: TimingPrior, clock: tuple[Pace, ...], begin: int, end: int) -> Course:
    weeks = weeks_between(begin, end)
    since = begin + WEEK * np.arange(weeks, dtype=np.float64)
    known = int(np.count_nonzero(since < ms_of(clock[-1][0]))) if clock else 0
    came_to, foretold = Clock(clock).all_pace(since), np.ones(weeks)
    watch, observers = Watch(thinned(occasions, weeks), prior, begin, end, weeks), Observers()
    now, wander, past = 0.0, _WANDER, np.empty((weeks, 2))
    for week in range(weeks):
        if week == known and known:
            wander = smoothed(*past[:known].T).wander
        foretold[week] = observers.tell()
        seen, hazard = watch.week(week, now, float(came_to[week] if week < known else foretold[week]))
        past[week] = seen, prior.level * hazard
        observers.learn(*past[week].tolist())
        if week >= known:
            expected = foretold[week] * past[week, 1]
            came_to[week] = foretold[week] * (1.0 + wander**2 * seen) / (1.0 + wander**2 * expected)
        now += 7 * float(came_to[week])
    return Course(since, came_to, foretold)
