"""A population's rhythm and its clock together: each is found by the other, turn by turn.

From orders seen and expected in each week (`watching`) follows how fast the clock ran in it (`smoothing`), from gaps in
the time of that clock the rhythm, and from the rhythm what was to be expected.
"""

from dataclasses import dataclass
from datetime import timedelta
from math import inf

import msgspec
import numpy as np

from agents.fit.bendfit import fit_bends
from agents.fit.course import Course, course_of
from agents.fit.gapfit import SHIFT, fit_gaps, sample_of, some_of
from agents.fit.histories import Occasions, Orders, occasions_of
from agents.fit.smoothing import smoothed
from agents.fit.watching import counted
from tables.clock import CALENDAR, Clock, Pace, day_of, without_repeats
from tables.orders import DAY, WEEK
from tables.parameters import TimingPrior

TURNS = 5
_STIFF = 0.03
"""How closely the shift is held to 0 meanwhile, a standard deviation."""
MIN_GAPS = 200
"""Below it the rhythm stays as it is, without memory, shift, bend and clock."""
MIN_DAYS = 60
"""A clock needs as much history."""
_BLIND = 8
"""Weeks at the beginning in which the clock cannot tell anything yet."""
_ALLOWS = 1.5
"""Of the spread of the past paces' logs, for the paces to come: the windows and the horizons of triggers lie in them.

Chosen on invented shops, seasonal ones: with less, triggers are right less often than they are sure.
"""
_HARM = 10.0
"""What the clock may cost in ln likelihood before it is stopped."""


@dataclass(frozen=True, slots=True)
class Timing:
    """A rhythm in the time of a clock; no paces: the calendar's. From `end` on the clock runs as calendars do."""

    prior: TimingPrior
    clock: tuple[Pace, ...]


def refine(orders: Orders, start: TimingPrior, end: int) -> Timing:
    """From the rhythm that a snapshot gives (`agents.fit.timingfit`); orders before `end` (epoch ms) alone."""
    gaps = some_of(occasions_of(orders))
    if np.count_nonzero(np.isfinite(gaps.gap)) < MIN_GAPS:
        return Timing(start, ())
    known = orders.take(np.isin(orders.customer, gaps.customer)) if len(gaps) < len(orders) else orders
    calm = _fitted(gaps, start, CALENDAR, end)
    found = Timing(calm[0], ())
    if end - int(gaps.last_at.min()) >= MIN_DAYS * DAY:
        paced, value = _with_clock(known, start, end)
        if value > calm[1] - _HARM:
            found = paced
    return _bent(known, found, end)


def _with_clock(orders: Orders, start: TimingPrior, end: int) -> tuple[Timing, float]:
    """The shift is held close to 0 until the clock is known: else it takes a season for customers who change."""
    occasions = occasions_of(orders)
    prior, value = _fitted(occasions, start, CALENDAR, end, _STIFF)
    told: tuple[Pace, ...] = ()
    for turn in range(TURNS):
        weeks = counted(occasions, prior, Clock(told), end)
        paces = smoothed(weeks.seen, weeks.expected).paces
        told = tuple((day_of(weeks.begin + week * WEEK), round(pace, 3)) for week, pace in enumerate(paces.tolist()))
        clock = Clock(told)
        occasions = occasions_of(orders, clock)
        prior, value = _fitted(occasions, prior, clock, end, _STIFF if turn < TURNS - 1 else SHIFT)
    weeks = counted(occasions, prior, clock, end)
    expected = float(weeks.expected @ np.array([pace for _, pace in told]))
    prior = msgspec.structs.replace(prior, level=float(weeks.seen.sum()) / expected if expected > 0 else 1.0)
    paced = (*told, (told[-1][0] + timedelta(days=7), 1.0))
    return Timing(msgspec.structs.replace(prior, unsure=_unsure(course_of(orders, prior, paced, end))), paced), value


def _unsure(past: Course) -> float:
    """What is to be added to the scatter of gaps whose clock is not known yet."""
    logs = np.log(past.foretold[_BLIND:])
    return _ALLOWS * float(np.std(logs)) if logs.size else 0.0


def _fitted(
    gaps: Occasions, start: TimingPrior, clock: Clock, end: int, hold: float = SHIFT
) -> tuple[TimingPrior, float]:
    """The likeliest rhythm, and its ln likelihood of gaps in calendar time."""
    prior, value = fit_gaps(sample_of(gaps, clock, end), start, hold)
    closed = gaps.take(gaps.closes <= end)
    return prior, value + float(np.sum(np.log(clock.all_pace(closed.closes))))


def _bent(orders: Orders, found: Timing, end: int) -> Timing:
    """With the bends of the last half of the history, where they hold."""
    clock = Clock(found.clock)
    begin = int(orders.at.min())
    prior = fit_bends(occasions_of(orders, clock), found.prior, clock, (begin + end) // 2, end, restless=inf)
    return Timing(prior, _known(found.clock))


def _known(clock: tuple[Pace, ...]) -> tuple[Pace, ...]:
    """The clock in few words; its last pace stays, as it says up to when the others are known."""
    return (*without_repeats(clock[:-1]), *clock[-1:])
