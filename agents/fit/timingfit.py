"""A population's rhythm from what its customers did: the likeliest one, held a little by the built-in one.

The hold is a prior on the free numbers that weighs about as much as ten customers: nothing in a shop of thousands, and
what stands between a small shop and nonsense. Everything else is decided by the data, within BOUNDS.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from agents.fit.timinglikelihood import Floats, Snapshot, bound, free, ln_likelihood
from agents.models.timing import Rhythm
from tables.parameters import BUILTIN, SIGMAS, TimingPrior

BOUNDS = [(-2.5, 6.5), (math.log(0.01), math.log(10)), (-7.0, 7.0), (-7.0, 7.0)] + [(-30.0, 30.0)] * len(SIGMAS)
"""Of the free numbers. Usual gaps of half a day to thirteen years; customers differ by 10 % at least."""

SHORTEST_DAYS, LONGEST_DAYS = 0.5, 30 * 365.0
"""Half of the population's gaps must be longer than this, and nine of ten shorter than that."""

_HELD: Floats = free(BUILTIN.timing)
_FIRM = 1.0
"""Standard deviation of the hold on mu0, ln tau2, ln a and ln b."""
_SHARES = 10.0
"""How many customers the built-in shares of the classes count for."""
_DROP_OUT = slice(2, 4)


class NoFitError(ValueError):
    """No sensible rhythm comes out: keep the one that there is. The message says why, in a few words."""


def fit_timing(seen: Snapshot, hold: float = 1.0) -> TimingPrior:
    """The likeliest rhythm. Raises NoFitError when it is not one that a shop can have.

    `hold`: how much the built-in rhythm counts; 0: not at all, as it was fitted itself.
    """
    start = _HELD.copy()
    closed = seen.x > 0
    if closed.any():
        means, counts = seen.s1[closed] / seen.x[closed], seen.count[closed]
        start[0] = np.average(means, weights=counts)
        start[1] = math.log(0.1 + np.average(np.square(means - start[0]), weights=counts))
    return sensible(bound(_climb(lambda theta: _held(theta, seen, hold), start, BOUNDS)))


def fit_drop_out(seen: Snapshot) -> TimingPrior:
    """The built-in rhythm with the likeliest chance to be gone after an order: for a shop that has hardly a gap."""

    def ascent(drop_out: Floats) -> tuple[float, Floats]:
        theta = _HELD.copy()
        theta[_DROP_OUT] = drop_out
        value, gradient = _held(theta, seen, 1.0)
        return value, gradient[_DROP_OUT]

    theta = _HELD.copy()
    theta[_DROP_OUT] = _climb(ascent, _HELD[_DROP_OUT], BOUNDS[_DROP_OUT])
    return sensible(bound(theta))


def _held(theta: Floats, seen: Snapshot, hold: float) -> tuple[float, Floats]:
    """Log likelihood and hold, per customer, so that a step means the same in every shop."""
    value, gradient = ln_likelihood(theta, seen)
    more, slope = held(theta)
    return (value + hold * more) / seen.customers, (gradient + hold * slope) / seen.customers


def held(theta: Floats) -> tuple[float, Floats]:
    """What the hold adds to the log likelihood of free numbers, and to its gradient."""
    off = (theta[:4] - _HELD[:4]) / _FIRM
    shares = _SHARES * np.exp(_HELD[4:])
    ln_w = theta[4:] - logsumexp(theta[4:])
    value = float(np.dot(shares, ln_w)) - 0.5 * float(np.dot(off, off))
    return value, np.concatenate([-off / _FIRM, shares - shares.sum() * np.exp(ln_w)])


def _climb(
    ascent: Callable[[Floats], tuple[float, Floats]], start: Floats, bounds: list[tuple[float, float]]
) -> Floats:
    def descent(theta: Floats) -> tuple[float, Floats]:
        value, gradient = ascent(theta)
        return -value, -gradient

    low, high = np.array(bounds).T
    best = minimize(
        descent,
        np.clip(start, low, high),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-7},
    )
    found: Floats = best.x
    if not np.isfinite(best.fun):
        raise NoFitError("the search for the likeliest rhythm came to no end")
    return found


def sensible(prior: TimingPrior) -> TimingPrior:
    """The rhythm itself. Raises NoFitError when it is not one that a shop can have."""
    population = Rhythm(prior, [0], [0.0], [0.0])
    half = float(population.window(0.5)[0]) * math.exp(min(0.0, *prior.shift))
    most = float(population.window(0.9)[0]) * math.exp(max(0.0, *prior.shift))
    if not (half >= SHORTEST_DAYS and most <= LONGEST_DAYS):
        raise NoFitError(
            f"half of the gaps would be below {half:.2g} days, and one in ten above {most / 365:,.0f} years"
        )
    return prior
