"""A population's rhythm gap by gap: how long customers' memory is, how they slow down, how finely they keep time.

Begins at the rhythm of `agents.timingfit`, with the same hold: about ten customers' worth of the built-in one.
"""

import msgspec
import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from agents.gaplikelihood import ALL, OMEGA, GapLikelihood, Sample
from agents.histories import Floats, Occasions
from agents.timingfit import BOUNDS, held
from agents.timinglikelihood import FREE, NOBODY, Snapshot, bound, free, ln_likelihood
from tables.clock import Clock
from tables.orders import WEEK
from tables.parameters import KNOTS, SIGMAS, TimingPrior

FINE = (0.03, 0.08, 0.2, 0.5, 1.2)
"""The classes' standard deviations where many keep time like clocks: a shop of subscriptions."""
MOST = 40_000
"""Gaps that a fit looks at: of every so-manieth customer, where there are more."""

_SHIFT = 0.25
"""Standard deviation of the hold on each knot of the shift, towards 0, where nothing else is said."""
_REGULAR = 0.5
"""The share of the most regular class from which FINE is tried: gaps of whole days look like clockwork, a little."""
_WORTH = 10.0
"""What FINE must gain in ln likelihood."""
_LN_TAU2 = (-9.0, BOUNDS[1][1])
"""Customers may differ by 1 % only: subscribers do."""
_LIMITS = [BOUNDS[0], _LN_TAU2, *BOUNDS[2:], (0.0, 1.0), *[(-1.0, 1.0)] * len(KNOTS)]


def sample_of(gaps: Occasions, clock: Clock, end: int) -> Sample:
    """Gaps as they were known at `end` (epoch ms). One that has just begun says nothing and is left out."""
    known = gaps.take(gaps.last_at < end)
    closed = known.closes <= end
    until = np.where(closed, known.closes, float(end))
    weeks = (clock.all_at(until) - clock.all_at(known.last_at)) / WEEK
    kept = weeks > 1e-6
    known, closed = known.take(kept), closed[kept]
    return Sample(known.x.astype(np.float64), known.s1, known.s2, known.e1, known.e2, weeks[kept], closed)


def some_of(occasions: Occasions, most: int = MOST) -> Occasions:
    """All occasions of every so-manieth customer, so that there are no more than `most` or so."""
    every = -(-len(occasions) // most)
    return occasions if every <= 1 else occasions.take(occasions.customer % every == 0)


def fit_gaps(
    sample: Sample, start: TimingPrior, hold: float = _SHIFT, before: Snapshot = NOBODY
) -> tuple[TimingPrior, float]:
    """The likeliest rhythm and its ln likelihood, from a start nearby; `hold`: of each knot of the shift towards 0.

    `before`: customers' gaps that are in no sample, of which the sums alone are known; memory and shift have no say in
    them.
    """
    found, value = _fit(sample, before, start, start.sigmas, hold)
    if start.sigmas == SIGMAS and found.weights[0] > _REGULAR:
        finer, better = _fit(sample, before, found, FINE, hold)
        if better > value + _WORTH:
            return finer, better
    return found, value


def _fit(
    sample: Sample,
    before: Snapshot,
    start: TimingPrior,
    sigmas: tuple[float, float, float, float, float],
    hold: float,
) -> tuple[TimingPrior, float]:
    likelihood = GapLikelihood(sample, sigmas)
    size = len(sample.x)

    def descent(theta: Floats) -> tuple[float, Floats]:
        value, gradient = likelihood(theta)
        more, slope = held(theta[:FREE])
        if before.x.size:
            earlier, uphill = ln_likelihood(theta[:FREE], before, sigmas)
            more, slope = more + earlier, slope + uphill
        shift = theta[OMEGA + 1 :]
        gradient[:FREE] += slope
        gradient[OMEGA + 1 :] -= shift / hold**2
        value += more - 0.5 * float(shift @ shift) / hold**2
        return -value / size, -gradient / size

    low, high = np.array(_LIMITS).T
    begin = np.concatenate([free(start), [start.omega or 0.3], start.shift])
    best = minimize(
        descent,
        np.clip(begin, low, high),
        jac=True,
        method="L-BFGS-B",
        bounds=_LIMITS,
        options={"maxiter": 150, "ftol": 2e-7, "gtol": 1e-5},  # to 0.01 of ln likelihood in all
    )
    theta: Floats = best.x
    if not np.isfinite(best.fun):
        return start, -np.inf
    theta[4:FREE] -= logsumexp(theta[4:FREE])
    s0, s1, s2, s3 = theta[OMEGA + 1 : ALL].tolist()
    prior = msgspec.structs.replace(
        bound(theta[:FREE]), omega=float(theta[OMEGA]), shift=(s0, s1, s2, s3), sigmas=sigmas
    )
    return prior, likelihood(theta)[0]
