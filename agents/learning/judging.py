"""How well parameters foretell customers who had no part in them: what a refit is judged by."""

from dataclasses import dataclass

import numpy as np

from agents.evidence.scoring import places_in
from agents.fit.basketfit import Baskets
from agents.fit.basketfit import ln_likelihood as ln_likelihood_of_baskets
from agents.fit.gapfit import numbers, sample_of
from agents.fit.gaplikelihood import GapLikelihood
from agents.fit.histories import Floats, Occasions
from agents.models.levels import LEVELS
from tables.clock import Clock
from tables.orders import DAY
from tables.parameters import BasketPrior, TimingPrior

FEWEST = 50
"""Gaps that have closed, below which nothing is told of windows."""
LONGEST = 180 * DAY
"""Of the time in which gaps must have closed to be looked at; or a quarter of the history, where that is less."""


@dataclass(frozen=True, slots=True)
class Scores:
    """How well parameters foretell the gaps of customers who are held back."""

    gaps: int
    """Closed and open ones."""
    ln_likelihood: float
    """Per gap, in weeks of the clock; higher is better."""
    closed: int
    """Gaps that `coverage` is about: begun of late, and closed within the time that all of them have had."""
    coverage: tuple[float, float, float] | None
    """Shares of them inside their windows of 50, 80 and 90 %; None: too few to tell."""

    @property
    def off(self) -> float | None:
        """How far the worst of the three lies from what it should be."""
        if self.coverage is None:
            return None
        return max(abs(share - level) for share, level in zip(self.coverage, LEVELS, strict=True))


def judge(occasions: Occasions, prior: TimingPrior, clock: Clock, now: int) -> Scores:
    """The scores of a rhythm; all gaps as they stand at `now` (epoch ms), by the clock."""
    sample = sample_of(occasions, clock, now)
    count = len(sample.x)
    value = GapLikelihood(sample, prior.sigmas)(numbers(prior))[0] / count if count else 0.0
    places = _places(occasions, prior, clock, now)
    covered = None
    if places.size >= FEWEST:
        half, most, nearly_all = (float(np.mean(places <= level)) for level in LEVELS)
        covered = (half, most, nearly_all)
    return Scores(count, value, int(places.size), covered)


def judge_baskets(seen: Baskets, prior: BasketPrior) -> float:
    """Ln likelihood of the baskets per customer."""
    theta = np.array([prior.m0, *np.log([prior.k0, prior.a0, prior.b0])])
    return ln_likelihood_of_baskets(theta, seen)[0] / float(seen.count.sum())


def _places(occasions: Occasions, prior: TimingPrior, clock: Clock, now: int) -> Floats:
    """Where in their windows those gaps lie, 0 to 1."""
    if not len(occasions):
        return np.empty(0)
    within = min(LONGEST, (now - int(occasions.last_at.min())) // 4)
    last = occasions.last_at
    gaps = occasions.take((last >= now - 2 * within) & (last <= now - within) & (occasions.gap * DAY <= within))
    return places_in(gaps, gaps.rhythm(prior), clock, within)
