"""How well parameters foretold what came while they were in force, where they changed on the way: a live path's scores.

The figures of `agents.scoring`, each by the parameters that were in force then. A gap's window is that of the moment in
which it closed, its forecast that of the moment in which it began; the clock is the one that was published by then.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from agents.histories import Mask, Occasions, occasions_of
from agents.scoring import EVERY, HORIZON, Gaps, Silence, Trial
from agents.timing import Rhythm
from tables.clock import Clock
from tables.orders import DAY
from tables.parameters import Parameters

Past = Sequence[tuple[int, Parameters]]
"""All parameters that were in force, in order, with the instants (epoch ms) from which on they were."""
_FOREVER = 1 << 62


def gaps_in_force(trial: Trial, past: Past) -> Gaps:
    """The gaps that coverage is about; see `agents.scoring`."""
    within = (trial.end - trial.train_until) / 2
    earlier = _scored(occasions_of(trial.orders), trial, within).x + 1
    found = np.zeros((2, earlier.size))
    for since, until, parameters in _spans(past):
        clock = Clock(parameters.clock)
        gaps = _scored(occasions_of(trial.orders, clock), trial, within)
        for row, at in enumerate((gaps.closes, gaps.last_at)):
            rows: Mask = (at >= since) & (at < until)
            part = gaps.take(rows)
            began = clock.all_at(part.last_at)
            age, room = clock.all_at(part.closes) - began, clock.all_at(part.last_at + within) - began
            found[row, rows] = _rhythm(parameters, part).share(age / DAY, room / DAY)
    return Gaps(earlier, found[0], found[1])


def silence_in_force(trial: Trial, past: Past) -> Silence:
    """What was foretold on each date, and what happened within the horizon; see `agents.scoring`."""
    dates = range(trial.train_until, trial.end - HORIZON + 1, EVERY)
    found = [_foretold(trial, _at(past, date), date, number) for number, date in enumerate(dates)]
    nothing = Silence(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0, np.bool_))
    all_of_them = [nothing, *found]
    return Silence(
        np.concatenate([one.date for one in all_of_them]),
        np.concatenate([one.earlier for one in all_of_them]),
        np.concatenate([one.p for one in all_of_them]),
        np.concatenate([one.silent for one in all_of_them]),
    )


def _foretold(trial: Trial, parameters: Parameters, date: int, number: int) -> Silence:
    clock = Clock(parameters.clock)
    known = occasions_of(trial.orders.before(date), clock).newest()
    ages = (clock.at(date) - clock.all_at(known.last_at)) / DAY
    p = _rhythm(parameters, known).p_silent(ages, clock.between(date, date + HORIZON) / DAY)
    after = trial.orders.customer[(trial.orders.at >= date) & (trial.orders.at < date + HORIZON)]
    return Silence(np.full(len(known), number), known.x + 1, p, ~np.isin(known.customer, after))


def _at(past: Past, instant: int) -> Parameters:
    """Those in force at an instant."""
    return next(given for since, until, given in _spans(past) if since <= instant < until)


def _spans(past: Past) -> Iterator[tuple[int, int, Parameters]]:
    """From when until when each was in force; the first one from the beginning of time on."""
    begins = [-_FOREVER, *(since for since, _ in past[1:]), _FOREVER]
    for (since, until), (_, parameters) in zip(pairwise(begins), past, strict=True):
        yield since, until, parameters


def _scored(occasions: Occasions, trial: Trial, within: float) -> Occasions:
    began = (occasions.last_at >= trial.train_until) & (occasions.last_at <= trial.end - within)
    return occasions.take(began & (occasions.gap <= within / DAY))


def _rhythm(parameters: Parameters, of: Occasions) -> Rhythm:
    """As triggers see it."""
    prior = parameters.timing
    return Rhythm(prior, of.x, of.s1, of.s2, of.e1, of.e2, unsure=prior.unsure)
