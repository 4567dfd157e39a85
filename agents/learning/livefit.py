"""A population's rhythm and baskets from a sample of its customers, as far as they are remembered."""

from dataclasses import dataclass

import numpy as np

from agents.fit.basketfit import Baskets, baskets
from agents.fit.bendfit import fit_bends
from agents.fit.clockfit import MIN_GAPS
from agents.fit.fitting import MIN_BASKETS, basket_of, rounded, timing_of
from agents.fit.gapfit import fit_gaps, sample_of, some_of
from agents.fit.histories import Occasions
from agents.fit.timingfit import NoFitError, sensible
from agents.fit.timinglikelihood import snapshot
from agents.learning.remembered import before
from agents.learning.sample import Sample
from tables.clock import Clock
from tables.orders import WEEK
from tables.parameters import BasketPrior, TimingPrior

SHIFT = 0.03
"""How closely the shift is held to 0, a standard deviation: by a clock that is followed, customers who slow down and a
season that ends look alike."""


@dataclass(frozen=True, slots=True)
class Rhythmic:
    """A rhythm that was fitted, or what stands in for it."""

    prior: TimingPrior
    notes: list[str]
    """What is not from this shop, and why; empty: all is."""


def fit_rhythm(occasions: Occasions, clock: Clock, now: int) -> Rhythmic:
    """The likeliest rhythm of these customers at `now` (epoch ms), in the time of a clock that is known already."""
    newest = occasions.newest()
    ages = (clock.at(now) - clock.all_at(newest.last_at)) / WEEK
    start, notes = timing_of(snapshot(newest.x.astype(np.float64), newest.s1, newest.s2, ages))
    if notes or np.count_nonzero(np.isfinite(occasions.gap)) < MIN_GAPS:
        return Rhythmic(rounded(start), notes)
    some = some_of(occasions)
    found, _ = fit_gaps(sample_of(some, clock, now), start, SHIFT, before(some))
    bent = fit_bends(some, found, clock, (int(occasions.last_at.min()) + now) // 2, now)
    try:
        return Rhythmic(rounded(sensible(bent)), notes)
    except NoFitError:
        return Rhythmic(rounded(start), notes)


def baskets_in(sample: Sample) -> Baskets | None:
    """The baskets in the currency of most customers; None: too few."""
    paid = sample.of.take(sample.of.baskets > 0)
    if not len(paid):
        return None
    currencies, which = np.unique(paid.currency, return_inverse=True)
    most = paid.take(which == np.bincount(which, minlength=currencies.size).argmax())
    if len(most) < MIN_BASKETS:
        return None
    return baskets(most.baskets.astype(np.float64), most.mean_ln, most.ss)


def fit_baskets(seen: Baskets) -> BasketPrior:
    """The likeliest prior of baskets."""
    return basket_of(seen)
