"""A population's rhythm gap by gap: how long customers' memory is, how they slow down, how finely they keep time.

Begins at the rhythm of `agents.fit.timingfit`, with the same hold: about ten customers' worth of the built-in one.
"""

import msgspec
import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from agents.fit.gaplikelihood import OMEGA, SKIP, GapLikelihood, Sample
from agents.fit.histories import Floats, Occasions
from agents.fit.timingfit import BOUNDS, held
from agents.fit.timinglikelihood import FREE, NOBODY, Snapshot, bound, free, ln_likelihood
from tables.clock import Clock
from tables.orders import WEEK
from tables.parameters import KNOTS, SIGMAS, TimingPrior

FINE = (0.03, 0.08, 0.2, 0.5, 1.2)
"""The classes' standard deviations where many keep time like clocks: a shop of subscriptions."""
MOST = 40_000
"""Gaps that a fit looks at: of every so-manieth customer, where there are more."""

SHIFT = 0.25
"""Standard deviation of the hold on each knot of the shift, towards 0, where nothing else is said."""
_REGULAR = 0.5
"""The share of the most regular class from which FINE is tried: gaps of whole days look like clockwork, a little. And
of the two most regular ones, before and after, from which skips are."""
_WORTH = 10.0
"""What FINE must gain in ln likelihood, and skips in that of customers whom they were not fitted to."""
_TRIED = 10_000
"""Gaps on which skips are tried first, and as many others by which they are judged."""
_OFTEN = 0.45
"""Skips beyond which it is no skipping: gaps of one, two or three whole weeks look like this."""
_FEW = 0.05
"""Skips to begin with."""
_MANY_REGULAR = 0.3, 0.3, 0.2, 0.1, 0.1
_MEMORY = 0.3
"""The same of omega."""
_LN_TAU2 = (-9.0, BOUNDS[1][1])
"""Customers may differ by 1 % only: subscribers do."""
_LIMITS = [BOUNDS[0], _LN_TAU2, *BOUNDS[2:], (0.0, 1.0), *[(-1.0, 1.0)] * len(KNOTS), (0.0, 0.0)]
_SKIP_LIMITS = [*_LIMITS[:FREE], *[(0.0, 0.0)] * (1 + len(KNOTS)), (1e-4, 0.5)]


def sample_of(gaps: Occasions, clock: Clock, end: int) -> Sample:
    """Gaps as they were known at `end` (epoch ms). One that has just begun says nothing and is left out."""
    known = gaps.take(gaps.last_at < end)
    closed = known.closes <= end
    until = np.where(closed, known.closes, float(end))
    weeks = (clock.all_at(until) - clock.all_at(known.last_at)) / WEEK
    kept = weeks > 1e-6
    known, closed = known.take(kept), closed[kept]
    return Sample(
        known.customer, known.x.astype(np.float64), known.s1, known.s2, known.e1, known.e2, weeks[kept], closed
    )


def some_of(occasions: Occasions, most: int = MOST) -> Occasions:
    """All occasions of every so-manieth customer, so that there are no more than `most` or so."""
    every = -(-len(occasions) // most)
    return occasions if every <= 1 else occasions.take(occasions.customer % every == 0)


def fit_gaps(
    sample: Sample, start: TimingPrior, hold: float = SHIFT, before: Snapshot = NOBODY
) -> tuple[TimingPrior, float]:
    """The likeliest rhythm and its ln likelihood, from a start nearby; `hold`: of each knot of the shift towards 0.

    `before`: customers' gaps that are in no sample, of which the sums alone are known; memory and shift have no say in
    them.
    """
    found, value = _fit(sample, before, start, start.sigmas, hold)
    if start.sigmas == SIGMAS and found.weights[0] > _REGULAR:
        finer, better = _fit(sample, before, found, FINE, hold)
        if better > value + _WORTH:
            found, value = finer, better
    regular = found.sigmas == FINE or sum(found.weights[:2]) > _REGULAR
    if regular and not start.skip and _skips(sample, found, hold):
        return _fit(sample, before, _skipping(found), FINE, hold)
    return found, value


def _skips(sample: Sample, plain: TimingPrior, hold: float) -> bool:
    """Whether most customers are regular once they may skip, and some foretell others' gaps better so than without."""
    _, number = np.unique(sample.customer, return_inverse=True)
    every = 2 * -(-len(number) // (2 * _TRIED))
    some, others = (sample.take(number % every == which) for which in (0, every // 2))
    if not len(some.x) or not len(others.x):
        return False
    skipping, _ = _fit(some, NOBODY, _skipping(plain), FINE, hold)
    if sum(skipping.weights[:2]) < _REGULAR or skipping.skip > _OFTEN:
        return False
    without, _ = _fit(some, NOBODY, plain, plain.sigmas, hold)
    gain, loss = (GapLikelihood(others, found.sigmas)(numbers(found))[0] for found in (skipping, without))
    return gain > loss + _WORTH


def _skipping(plain: TimingPrior) -> TimingPrior:
    """From where a rhythm with skips is looked for: gaps count alike then, and none is longer for its number."""
    weights = plain.weights if plain.sigmas == FINE else _MANY_REGULAR
    return msgspec.structs.replace(
        plain, sigmas=FINE, weights=weights, omega=0.0, shift=(0.0, 0.0, 0.0, 0.0), skip=_FEW
    )


def numbers(prior: TimingPrior) -> Floats:
    """The free numbers of `GapLikelihood` that are a rhythm's."""
    return np.concatenate([free(prior), [prior.omega], prior.shift, [prior.skip]])


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
        shift = theta[OMEGA + 1 : SKIP]
        gradient[:FREE] += slope
        gradient[OMEGA + 1 : SKIP] -= shift / hold**2
        value += more - 0.5 * float(shift @ shift) / hold**2
        return -value / size, -gradient / size

    limits = _SKIP_LIMITS if start.skip else _LIMITS
    low, high = np.array(limits).T
    begin = numbers(start if start.omega or start.skip else msgspec.structs.replace(start, omega=_MEMORY))
    best = minimize(
        descent,
        np.clip(begin, low, high),
        jac=True,
        method="L-BFGS-B",
        bounds=limits,
        options={"maxiter": 150, "ftol": 2e-7, "gtol": 1e-5},  # to 0.01 of ln likelihood in all
    )
    theta: Floats = best.x
    if not np.isfinite(best.fun):
        return start, -np.inf
    theta[4:FREE] -= logsumexp(theta[4:FREE])
    s0, s1, s2, s3 = theta[OMEGA + 1 : SKIP].tolist()
    prior = msgspec.structs.replace(
        bound(theta[:FREE]), omega=float(theta[OMEGA]), shift=(s0, s1, s2, s3), sigmas=sigmas
    )
    if start.skip:  # a file names what differs from the default alone
        prior = msgspec.structs.replace(prior, skip=float(theta[SKIP]))
    return prior, likelihood(theta)[0]
