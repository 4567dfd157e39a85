"""Is an order's amount out of the ordinary for this customer, and do amounts drift?

The log of an amount is normal with the customer's own mean and variance, under a normal-inverse-gamma prior
(m0, k0, a0, b0) fitted to the population. With n earlier orders, their mean log amount ybar and squared deviations SS:

    kn = k0 + n;  mn = (k0 m0 + n ybar) / kn;  an = a0 + n/2;  bn = b0 + SS/2 + k0 n (ybar - m0)^2 / (2 kn)
    t = (y - mn) / sqrt(bn (kn + 1) / (an kn));  p = T_{2 an}(t);  z = Phi^-1(p)

One order at a time, in plain floats: this runs for every order.
"""

import math
from typing import NamedTuple

from scipy.special.cython_special import ndtri, stdtr

from tables.parameters import BasketPrior

_LEAST_P = 1e-300
_CLIP = 3.0
_MEMORY = 0.7
_SLACK = 0.5


class Score(NamedTuple):
    """An order's amount against the customer's own history, before the order is added to it."""

    t: float
    """Deviations from what was expected, in units of the predictive scale."""
    p: float
    """Chance of an amount at most this one; may be 0 or 1 by rounding."""
    z: float
    """The same as a normal deviate; always finite, within 38 of 0."""
    typical: float
    """The median amount expected, exp(mn)."""


def score(prior: BasketPrior, n: int, total_ln: float, ss: float, amount: float) -> Score:
    """Score an order of `amount` (> 0) after n orders with amounts.

    `total_ln`: sum of their natural logs; `ss`: sum of squared deviations from their mean. Raises ValueError for an
    amount that is not positive: it has no logarithm, leave it out.
    """
    k0 = prior.k0
    kn = k0 + n
    an = prior.a0 + 0.5 * n
    mn = (k0 * prior.m0 + total_ln) / kn
    bn = prior.b0 + 0.5 * max(ss, 0.0)
    if n > 0:
        off = total_ln / n - prior.m0
        bn += 0.5 * k0 * n * off * off / kn
    t = (math.log(amount) - mn) / math.sqrt(bn * (kn + 1.0) / (an * kn))
    tail: float = stdtr(2.0 * an, -abs(t))  # the smaller side keeps its digits
    z: float = ndtri(max(tail, _LEAST_P))
    if t > 0:
        return Score(t, 1.0 - tail, -z, math.exp(mn))
    return Score(t, tail, z, math.exp(mn))


def is_shrunk(scored: Score, amount: float, p: float, ratio: float) -> bool:
    """One order that is abnormally small: rarer than p, and at most `ratio` of the typical amount."""
    return scored.p < p and amount <= ratio * scored.typical


def smooth(smoothed: float, z: float) -> float:
    """The next exponentially weighted mean of scores; starts at 0."""
    return (1.0 - _MEMORY) * _clip(z) + _MEMORY * smoothed


def drift_down(drift: float, z: float) -> float:
    """The next cumulated sum of scores below -0.5; starts at 0 and never goes under it.

    z counts up to 3 only, so that no single order makes a trend; that costs no recall.
    """
    return max(0.0, drift - _clip(z) - _SLACK)


def drift_up(drift: float, z: float) -> float:
    """As `drift_down`, for scores above 0.5."""
    return max(0.0, drift + _clip(z) - _SLACK)


def _clip(z: float) -> float:
    return max(-_CLIP, min(_CLIP, z))
