"""Orders seen and orders expected, week by week: of open gaps that are not past the first WINDOW of the customer's own.

Whoever sleeps for longer tells of the model's tail, not of the season.
"""

from typing import NamedTuple

import numpy as np

from agents.fit.histories import Floats, Ints, Occasions
from tables.clock import Clock
from tables.orders import DAY, WEEK
from tables.parameters import TimingPrior

WINDOW = 0.6
"""The part of the customer's own gaps that is looked at; chosen on invented shops, with little between .5 and .7."""
MOST_PAIRS = 2_000_000
"""Customers and weeks that are looked at; of every so-manieth customer, where there are more."""


class Counted(NamedTuple):
    """Weeks, one after the other; each (weeks,)."""

    begin: int
    """Of the first one, epoch ms."""
    seen: Floats
    expected: Floats
    """At a pace of 1."""


class Watch:
    """Open gaps week by week, with their ages by the clock as it runs; up to the `window` of the customer's own."""

    def __init__(
        self, gaps: Occasions, prior: TimingPrior, begin: int, end: int, weeks: int, window: float = WINDOW
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
        return float(np.count_nonzero(came)), float(hazard.sum()) / rate


def counted(occasions: Occasions, prior: TimingPrior, clock: Clock, end: int, window: float = WINDOW) -> Counted:
    """The weeks from the first occasion to `end` (epoch ms), by a clock that is known."""
    begin = int(occasions.last_at.min()) // DAY * DAY
    weeks = weeks_between(begin, end)
    watch = Watch(thinned(occasions, weeks), prior, begin, end, weeks, window)
    paces = clock.all_pace(begin + WEEK * np.arange(weeks))
    since = np.concatenate([[0.0], 7.0 * np.cumsum(paces)])
    each = [watch.week(week, since[week], pace) for week, pace in enumerate(paces.tolist())]
    seen, expected = np.array(each).T
    return Counted(begin, seen, expected)


def weeks_between(begin: int, end: int) -> int:
    """How many weeks there are, one at least; the last one may be a part of one. Epoch ms."""
    return max(1, -(-(end - begin) // WEEK))


def thinned(occasions: Occasions, weeks: int) -> Occasions:
    """All occasions of so many customers as can be looked at in each of so many weeks."""
    every = -(-int(np.unique(occasions.customer).size) * weeks // MOST_PAIRS)
    return occasions if every <= 1 else occasions.take(occasions.customer % every == 0)


def _by_week(first: Ints, last: Ints, weeks: int) -> tuple[Ints, Ints]:
    """Numbers of the gaps that are open in each week, one week after the other, and where each week begins."""
    many = last - first + 1
    rows = np.repeat(np.arange(first.size), many)
    week = np.arange(rows.size) - np.repeat(np.cumsum(many) - many, many) + first[rows]
    order = np.argsort(week, kind="stable")
    return rows[order], np.searchsorted(week[order], np.arange(weeks + 1))
