"""How fast a population's clock runs, week by week, from the weeks before: orders seen against orders expected.

Expected is what the model foresaw of open gaps not yet past the middle of the customer's own: whoever sleeps for
longer tells of the model's tail, not of the season. Several observers follow the ratio at once: one that holds it to
be 1, some that forget faster or slower, the same relative to the same weeks of last year, and some that take it to go
on rising or falling. How much each is believed follows from how well it foretold the weeks so far (orders of a week are
Poisson, with some scatter of their own), so a calm shop keeps a calm clock and a seasonal one follows its season. A
week's rate is told before it begins, and is not changed.
"""

import numpy as np

from agents.fit.histories import Floats, Ints, Occasions
from tables.clock import Pace, day_of
from tables.orders import DAY, WEEK
from tables.parameters import TimingPrior

MOST_PAIRS = 2_000_000
"""Customers and weeks that are looked at; of every so-manieth customer, where there are more."""

_KEEPS = np.array((0.3, 0.6, 0.8, 0.92))
"""What each observer keeps of the weeks before."""
_RISES = np.array((0.3, 0.6))
"""The same of those who go along with a rise or a fall."""
_ON = 0.5 / (1.0 - _RISES)
"""Steps like the last week's that they add: half of the weeks that lie between what they have seen and the coming one.

All of them would be too many where a season turns. Chosen on invented shops with seasons, short and long.
"""
_ORDERS = 10.0
_PULL = 0.05
"""Orders that speak for a ratio of 1: so many, and this share of those expected."""
_SCATTER = 0.05
"""How far a week's ratio lies from the foretold one though nothing has changed: a share of it."""
_FORGETS = 0.98
"""Belief in observers from before goes by this factor a week."""
_CALM = 0.5
"""Belief in a ratio of 1 at the beginning."""
_ENDS = 0.2, 5.0
"""No week's ratio is told to be less, or more."""
_YEAR = 52
_DOUBT = 12.0
"""No observer is believed less than e to minus this of the best: it may have its day."""
_WINDOW = 0.5
"""The part of the customer's own gaps that is looked at."""


class Observers:
    """Tells the ratio of the coming week from all that was seen before it."""

    def __init__(self) -> None:
        self._keeps = np.r_[_KEEPS, _KEEPS, _RISES]
        size = self._keeps.size
        self._believed = self._first = np.log(np.r_[_CALM, np.full(size, (1 - _CALM) / size)])
        self._seen, self._expected = np.zeros(size), np.zeros(size)
        self._weeks: list[tuple[float, float]] = []
        self._before = np.ones(_RISES.size)
        self._told = np.ones(1 + size)

    def tell(self) -> float:
        """The coming week's ratio."""
        share = np.exp(self._believed - self._believed.max())
        return float(np.exp(share @ np.log(self._told) / share.sum()))

    def learn(self, seen: float, expected: float) -> None:
        """What the week came to: orders seen, and those expected at a ratio of 1."""
        fit = (seen * np.log(self._told) - expected * self._told) / (1.0 + _SCATTER**2 * expected)
        believed = _FORGETS * self._believed + (1 - _FORGETS) * self._first + fit
        self._believed = np.maximum(believed - believed.max(), -_DOUBT)
        usual = self._usual()
        self._weeks.append((seen, expected))
        self._seen = self._keeps * self._seen + seen
        self._expected = self._keeps * self._expected + expected * usual
        calm = _ORDERS + _PULL * self._expected
        ratio = self._usual() * (self._seen + calm) / (self._expected + calm)
        rising = ratio[-_RISES.size :]
        step, self._before = rising / self._before, rising.copy()
        rising *= step**_ON
        self._told = np.r_[1.0, np.clip(ratio, *_ENDS)]

    def _usual(self) -> Floats:
        """What each observer takes for usual in the week to come."""
        usual = np.ones(self._keeps.size)
        usual[_KEEPS.size : -_RISES.size] = self._last_year(len(self._weeks))
        return usual

    def _last_year(self, week: int) -> float:
        """The ratio of last year around this week; 1 where that is not known."""
        about = week - _YEAR
        if about < 6 or about + 2 > len(self._weeks):
            return 1.0
        seen, expected = np.sum(self._weeks[about - 1 : about + 2], axis=0)
        return float((seen + _ORDERS) / (expected + _ORDERS))


def paces(occasions: Occasions, prior: TimingPrior, end: int, level: float) -> tuple[tuple[Pace, ...], float]:
    """The clock from the first occasion's week to `end` (epoch ms), and orders seen per order expected, all in all.

    `occasions`: by the clock as it was known so far; `level`: what is expected is multiplied by it first.
    """
    begin = int(occasions.last_at.min()) // DAY * DAY
    weeks = max(1, -(-(end - begin) // WEEK))
    every = max(1, -(-int(np.unique(occasions.customer).size) * weeks // MOST_PAIRS))
    if every > 1:
        occasions = occasions.take(occasions.customer % every == 0)
    watch = Watch(occasions, prior, begin, end, weeks)
    observers = Observers()
    rates, now = [], 0.0
    for week in range(weeks):
        rate = observers.tell()
        rates.append(rate)
        seen, expected = watch.week(week, now, rate)
        observers.learn(seen, level * expected)
        now += 7 * rate
    days = (day_of(begin + week * WEEK) for week in range(weeks))
    told = tuple(zip(days, (round(rate, 3) for rate in rates), strict=True))
    return told, watch.seen / watch.expected if watch.expected > 0 else 1.0


class Watch:
    """Open gaps week by week, with their ages by the clock as it runs; up to the `window` of the customer's own."""

    def __init__(
        self, gaps: Occasions, prior: TimingPrior, begin: int, end: int, weeks: int, window: float = _WINDOW
    ) -> None:
        rhythm = gaps.rhythm(prior)
        self._rhythm, self._limit = rhythm, rhythm.window(window)
        self._start = (gaps.last_at - begin) / DAY
        closes = (gaps.closes - begin) / DAY
        self._stop = np.minimum(closes, (end - begin) / DAY)
        self._closed = closes <= (end - begin) / DAY
        self._began = np.zeros(len(gaps))
        from_week = (self._start // 7).astype(np.int64)
        to_week = np.minimum((self._stop // 7).astype(np.int64), weeks - 1)
        self._rows, self._bounds = _by_week(from_week, to_week, weeks)
        self.seen = self.expected = 0.0

    def week(self, week: int, now: float, rate: float) -> tuple[float, float]:
        """Orders seen in a week, and those expected at a rate of 1; `now`: the clock when it begins, days."""
        rows = self._rows[self._bounds[week] : self._bounds[week + 1]]
        start, stop = self._start[rows], np.minimum(self._stop[rows], 7.0 * week + 7)
        new = start >= 7 * week
        self._began[rows[new]] = now + (start[new] - 7 * week) * rate
        began, limit = self._began[rows], self._limit[rows]
        young = now + (np.maximum(start, 7.0 * week) - 7 * week) * rate - began
        old = now + (stop - 7 * week) * rate - began
        open_ = young < limit
        rows, young, old, stop, limit = rows[open_], young[open_], old[open_], stop[open_], limit[open_]
        came = self._closed[rows] & (self._stop[rows] < 7.0 * week + 7) & (old < limit)
        part = self._rhythm.take(rows)
        hazard = part.ln_open(young) - part.ln_open(np.minimum(old, limit))
        seen, expected = float(np.count_nonzero(came)), float(hazard.sum()) / rate
        self.seen += seen
        self.expected += expected
        return seen, expected


def _by_week(first: Ints, last: Ints, weeks: int) -> tuple[Ints, Ints]:
    """Numbers of the gaps that are open in each week, one week after the other, and where each week begins."""
    many = last - first + 1
    rows = np.repeat(np.arange(first.size), many)
    week = np.arange(rows.size) - np.repeat(np.cumsum(many) - many, many) + first[rows]
    order = np.argsort(week, kind="stable")
    return rows[order], np.searchsorted(week[order], np.arange(weeks + 1))
