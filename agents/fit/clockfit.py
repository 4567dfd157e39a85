"""A population's rhythm and its clock together: each is found by the other, turn by turn."""

from dataclasses import dataclass
from datetime import timedelta

import msgspec
import numpy as np

from agents.fit.bendfit import fit_bends
from agents.fit.gapfit import fit_gaps, sample_of, some_of
from agents.fit.histories import Occasions, Orders, occasions_of
from agents.fit.pacing import paces
from tables.clock import CALENDAR, Clock, Pace, without_repeats
from tables.orders import DAY
from tables.parameters import TimingPrior

TURNS = 3
MIN_GAPS = 200
"""Below it the rhythm stays as it is, without memory, shift, bend and clock."""
MIN_DAYS = 60
"""A clock needs as much history."""
_BLIND = 8
"""Weeks at the beginning in which the clock cannot tell anything yet."""
_ALLOWS = 2.5
"""Of the spread of the past paces' logs, for the paces to come: the windows and the horizons of triggers lie in them.

Chosen on invented shops, seasonal ones: with less, triggers are wrong more often than simple rules that find as many.
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
        paced, value = _with_clock(known, calm[0], end)
        if value > calm[1] - _HARM:
            found = paced
    return _bent(known, found, end)


def clock_until(orders: Orders, prior: TimingPrior, end: int, turns: int = 2) -> tuple[Pace, ...]:
    """The clock up to `end`, for a rhythm whose `level` is known; each week's pace from the weeks before it alone."""
    if prior.level == 0:
        return ()
    told: tuple[Pace, ...] = ()
    for _ in range(turns):
        told, _ = paces(occasions_of(orders, Clock(told)), prior, end, prior.level)
    return told


def _with_clock(orders: Orders, prior: TimingPrior, end: int) -> tuple[Timing, float]:
    _, level = paces(occasions_of(orders), prior, end, 1.0)
    told: tuple[Pace, ...] = ()
    value = -np.inf
    for _ in range(TURNS):
        told, _ = paces(occasions_of(orders, Clock(told)), prior, end, level)
        clock = Clock(told)
        prior, value = _fitted(occasions_of(orders, clock), prior, clock, end)
    prior = msgspec.structs.replace(prior, level=level, unsure=_unsure(told))
    return Timing(prior, (*told, (told[-1][0] + timedelta(days=7), 1.0))), value


def _unsure(told: tuple[Pace, ...]) -> float:
    """What is to be added to the scatter of gaps whose clock is not known yet."""
    logs = np.log([rate for _, rate in told[_BLIND:]])
    return _ALLOWS * float(np.std(logs)) if logs.size else 0.0


def _fitted(gaps: Occasions, start: TimingPrior, clock: Clock, end: int) -> tuple[TimingPrior, float]:
    """The likeliest rhythm, and its ln likelihood of gaps in calendar time."""
    prior, value = fit_gaps(sample_of(gaps, clock, end), start)
    closed = gaps.take(gaps.closes <= end)
    return prior, value + float(np.sum(np.log(clock.all_pace(closed.closes))))


def _bent(orders: Orders, found: Timing, end: int) -> Timing:
    """With the bends of the last half of the history, where they hold."""
    clock = Clock(found.clock)
    begin = int(orders.at.min())
    prior = fit_bends(occasions_of(orders, clock), found.prior, clock, (begin + end) // 2, end)
    return Timing(prior, _known(found.clock))


def _known(clock: tuple[Pace, ...]) -> tuple[Pace, ...]:
    """The clock in few words; its last pace stays, as it says up to when the others are known."""
    return (*without_repeats(clock[:-1]), *clock[-1:])
