"""The population's clock as it goes on: each week's pace once the week is over, the running one as it is foretold.

Orders seen are set against orders expected as `agents.fit.pacing` does it, of open gaps up to the middle four fifths of
the customer's own; a week's pace is what its observers say after it. Paces are told against the mean of the year
before: so the clock keeps the season alone, and a shop that slows down for good is a matter of the rhythm. What lies
more than a week behind never changes again, for states hold sums of gaps by it.
"""

from datetime import timedelta

import msgspec
import numpy as np

from agents.fit.histories import Occasions
from agents.fit.pacing import Observers
from tables.clock import Clock, Pace, day_of, monday_of, ms_of, week_of, without_repeats
from tables.live import Live
from tables.orders import DAY, WEEK
from tables.parameters import Parameters, TimingPrior

PART = 0.8
"""Of the customer's own gaps: how much of them the clock looks at."""
USUAL = 52
"""Weeks whose mean pace counts as 1."""
KEPT_WEEKS = 156
"""Weeks that are kept: what was before them has no say any more."""
_SLOWEST, _FASTEST = 0.1, 10.0


def extended(occasions: Occasions, current: Parameters, now: int) -> Parameters | None:
    """Parameters whose clock has the weeks that are over at `now` (epoch ms), too; None: no week is.

    `occasions`: up to `now`, by the current clock. Parameters without a level follow no clock.
    """
    if current.timing.level == 0 or not current.clock:
        return None
    live = current.live
    begin = _end(live) if live and live.seen else ms_of(current.clock[-1][0])
    weeks = (now - begin) // WEEK
    if weeks <= 0:
        return None
    if live is None or not live.seen:
        live = watched(occasions, current, begin)
    follower = _Follower(live)
    paces = [pace for pace in current.clock if ms_of(pace[0]) < begin]
    week = Week(occasions.take(occasions.closes >= begin), current.timing)
    for start in range(begin, begin + weeks * WEEK, WEEK):
        foretold = follower.foretold
        seen, hazard = week.look(Clock((*paces, (day_of(start), foretold))), start)
        follower.learn(seen, live.level * hazard / foretold)
        paces.append((day_of(start), follower.came_to))
    return _with(current, follower, tuple(paces))


def week_end(current: Parameters, after: int) -> int:
    """When the first week ends that does so after an instant (epoch ms): the clock's; without one, the calendar's."""
    live, clock = current.live, current.clock
    if not clock:
        return monday_of(week_of(after) + 1)
    begin = _end(live) if live and live.seen else ms_of(clock[-1][0])
    return begin + max((after - begin) // WEEK + 1, 1) * WEEK


def watched(occasions: Occasions, current: Parameters, until: int) -> Live:
    """The weeks before `until` (epoch ms), as well as they are remembered; their paces are those of the clock.

    The level makes the clock right on the average.
    """
    clock = Clock(current.clock)
    oldest = int(occasions.last_at.min()) if len(occasions) else until
    count = min(KEPT_WEEKS, max(0, (until - oldest) // WEEK))
    week = Week(occasions, current.timing)
    starts = range(until - count * WEEK, until, WEEK)
    seen, hazard = np.array([week.look(clock, start) for start in starts]).reshape(-1, 2).T
    level = float(seen.sum() / hazard.sum()) if hazard.sum() > 0 and seen.sum() > 0 else 1.0
    expected = level * hazard / clock.all_pace(np.array(starts, dtype=np.float64)) if count else hazard
    counted, foreseen = (tuple(map(_short, column.tolist())) for column in (seen, expected))
    before = current.live or Live(day_of(until), 1.0)
    found = msgspec.structs.replace(
        before, since=day_of(until - count * WEEK), level=_short(level), usual=1.0, seen=counted, expected=foreseen
    )
    return msgspec.structs.replace(found, usual=_short(_Follower(found).usual))


def begun(occasions: Occasions, current: Parameters, now: int) -> Parameters:
    """Parameters that follow the clock from the running week on, by the calendar up to it; they have a level."""
    live = watched(occasions, current, monday_of(week_of(now)))
    timing = msgspec.structs.replace(current.timing, level=live.level)
    return _with(msgspec.structs.replace(current, timing=timing), _Follower(live), ())


def relevelled(occasions: Occasions, current: Parameters, timing: TimingPrior, weeks: int = 8) -> Parameters:
    """Parameters that follow the clock by another rhythm, by which the last weeks' paces are the same."""
    live = current.live
    if live is None or not live.seen:
        timing = msgspec.structs.replace(timing, level=current.timing.level)
        return msgspec.structs.replace(current, timing=timing)
    clock, end = Clock(current.clock), _end(live)
    before, after = (
        np.sum([week.look(clock, start) for start in range(end - weeks * WEEK, end, WEEK)], axis=0)
        for week in (Week(occasions, current.timing), Week(occasions, timing))
    )
    level = live.level
    if before.all() and after.all():
        level = _short(level * float(after[0] / after[1] * before[1] / before[0]))
    timing = msgspec.structs.replace(timing, level=level)
    return msgspec.structs.replace(current, timing=timing, live=msgspec.structs.replace(live, level=level))


class Week:
    """The gaps that are open in one week or another."""

    def __init__(self, occasions: Occasions, prior: TimingPrior) -> None:
        self._rhythm = occasions.rhythm(prior)
        self._limit = self._rhythm.window(PART) * DAY
        self._last, self._closes = occasions.last_at, occasions.closes

    def look(self, clock: Clock, start: int) -> tuple[float, float]:
        """Orders seen in the week from `start` (epoch ms) on, and the sum of chances that the clock gave them."""
        end = start + WEEK
        rows = np.flatnonzero((self._last < end) & (self._closes >= start))
        last, closes = self._last[rows], self._closes[rows]
        began = clock.all_at(last)
        young = clock.all_at(np.maximum(last, start)) - began
        old = clock.all_at(np.minimum(closes, end)) - began
        open_ = young < self._limit[rows]
        rows, young, old, closes = rows[open_], young[open_], old[open_], closes[open_]
        limit = self._limit[rows]
        part = self._rhythm.take(rows)
        hazard = part.ln_open(young / DAY) - part.ln_open(np.minimum(old, limit) / DAY)
        return float(np.count_nonzero((closes < end) & (old < limit))), float(hazard.sum())


class _Follower:
    """Week by week: what the observers say, against what has been usual."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._observers = Observers()
        self._told = [1.0] * USUAL
        self._weeks: list[tuple[float, float]] = []
        self.came_to = 1.0
        """The pace of the week before it, now that it is over."""
        for seen, expected in zip(live.seen, live.expected, strict=True):
            self.learn(seen, expected)

    def learn(self, seen: float, expected: float) -> None:
        """What a week came to; expected at a pace of 1."""
        self._weeks.append((_short(seen), _short(expected)))
        self._observers.learn(*self._weeks[-1])
        usual = self.usual
        self._told.append(self._observers.tell())
        self.came_to = _pace(self._told[-1] / usual)

    @property
    def usual(self) -> float:
        """The mean pace of the year before, against the one that counts as usual."""
        return float(np.mean(self._told[-USUAL:])) / self._live.usual

    @property
    def foretold(self) -> float:
        """The pace of the coming week, as far as is known."""
        return _pace(self._observers.tell() / self.usual)

    def live(self) -> Live:
        """The weeks that are known now."""
        before = self._live
        dropped = max(0, len(self._weeks) - KEPT_WEEKS)
        kept = self._weeks[dropped:]
        return msgspec.structs.replace(
            before,
            since=before.since + timedelta(days=7 * dropped),
            seen=tuple(seen for seen, _ in kept),
            expected=tuple(expected for _, expected in kept),
        )


def _with(current: Parameters, follower: _Follower, paces: tuple[Pace, ...]) -> Parameters:
    """With the paces of the weeks that are over, the running week's as foretold, and the usual one after it.

    No allowance is made for paces that are not known: they will be, within a week.
    """
    live = follower.live()
    running = live.since + timedelta(days=7 * len(live.seen))
    clock = (*without_repeats(paces), (running, follower.foretold), (running + timedelta(days=7), _pace(live.usual)))
    timing = msgspec.structs.replace(current.timing, unsure=0.0)
    return msgspec.structs.replace(current, timing=timing, clock=clock, live=live)


def _end(live: Live) -> int:
    return ms_of(live.since) + len(live.seen) * WEEK


def _pace(ratio: float) -> float:
    return round(min(max(ratio, _SLOWEST), _FASTEST), 3)


def _short(value: float) -> float:
    return float(f"{value:.6g}")
