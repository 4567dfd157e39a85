"""How well parameters foretold what came while they were in force, where they changed on the way: a live path's scores.

The figures of `agents.evidence.scoring`, each by the parameters that were in force then. A gap's window is that of the
moment in which it closed, its forecast that of the moment in which it began; the clock is the one that was published by
then.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from agents.evidence.scoring import EVERY, HORIZON, Gaps, Silence, Trial, joined, places_in, scored_gaps, silence_of
from agents.fit.histories import Mask, Occasions, occasions_of
from agents.models.timing import Rhythm
from tables.clock import Clock
from tables.orders import DAY
from tables.parameters import Parameters

Past = Sequence[tuple[int, Parameters]]
"""All parameters that were in force, in order, with the instants (epoch ms) from which on they were."""
_FOREVER = 1 << 62


def gaps_in_force(trial: Trial, past: Past) -> Gaps:
    """The gaps that coverage is about; see `agents.evidence.scoring`."""
    earlier = scored_gaps(trial, occasions_of(trial.orders)).x + 1
    found = np.zeros((2, earlier.size))
    for since, until, parameters in _spans(past):
        clock = Clock(parameters.clock)
        gaps = scored_gaps(trial, occasions_of(trial.orders, clock))
        for row, at in enumerate((gaps.closes, gaps.last_at)):
            rows: Mask = (at >= since) & (at < until)
            part = gaps.take(rows)
            found[row, rows] = places_in(part, _rhythm(parameters, part), clock, trial.within)
    return Gaps(earlier, found[0], found[1])


def silence_in_force(trial: Trial, past: Past) -> Silence:
    """What was foretold on each date, and what happened within the horizon; see `agents.evidence.scoring`."""
    dates = range(trial.train_until, trial.end - HORIZON + 1, EVERY)
    return joined([_foretold(trial, _at(past, date), date, number) for number, date in enumerate(dates)])


def _foretold(trial: Trial, parameters: Parameters, date: int, number: int) -> Silence:
    clock = Clock(parameters.clock)
    known = occasions_of(trial.orders.before(date), clock).newest()
    ages = (clock.at(date) - clock.all_at(known.last_at)) / DAY
    p = _rhythm(parameters, known).p_silent(ages, clock.between(date, date + HORIZON) / DAY)
    return silence_of(trial.orders, known, p, date, number)


def _at(past: Past, instant: int) -> Parameters:
    """Those in force at an instant."""
    return next(given for since, until, given in _spans(past) if since <= instant < until)


def _spans(past: Past) -> Iterator[tuple[int, int, Parameters]]:
    """From when until when each was in force; the first one from the beginning of time on."""
    begins = [-_FOREVER, *(since for since, _ in past[1:]), _FOREVER]
    for (since, until), (_, parameters) in zip(pairwise(begins), past, strict=True):
        yield since, until, parameters


def _rhythm(parameters: Parameters, of: Occasions) -> Rhythm:
    """As triggers see it."""
    prior = parameters.timing
    return Rhythm(prior, of.x, of.s1, of.s2, of.e1, of.e2, unsure=prior.unsure)
