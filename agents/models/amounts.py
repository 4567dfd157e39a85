"""Is an order's amount out of the ordinary for this customer, and do amounts drift?

The log of an amount is normal with the customer's own mean and variance, under a normal-inverse-gamma prior
(m0, k0, a0, b0) fitted to the population. With n earlier orders, their mean log amount ybar and squared deviations SS:

    kn = k0 + n;  mn = (k0 m0 + n ybar) / kn;  an = a0 + n/2;  bn = b0 + SS/2 + k0 n (ybar - m0)^2 / (2 kn)
    t = (y - mn) / sqrt(bn (kn + 1) / (an kn));  p = T_{2 an}(t);  z = Phi^-1(p)

Three things keep what is out of the ordinary from ruling what follows it:

- Who spends nothing like the others (another currency, a shop that is not the one of the prior) is compared with
  themselves alone: k0 shrinks as d, the distance of ybar from m0 in standard deviations of the prior, grows beyond 1,
  as a t-distributed mean would have it: k0 (v + 1) / (v + d^2), v = 4.
- A surprise counts no more than 2.5 for a trend, and beyond 3.5 less, not more (Hampel 1974): see `weighed`.
- So does an amount that joins the history: not at t, but at what t counts. One giant order moves the mean by little,
  and a lasting change is caught up with step by step.

One order at a time, in plain floats: this runs for every order.
"""

import math
from typing import Final

from scipy.special.cython_special import ndtri, stdtr

from tables.parameters import BasketPrior

LEAST_P: Final = 1e-300
MEMORY: Final = 0.7
SLACK: Final = 0.5
HEAVY: Final = 4.0
"""Degrees of freedom of the population's means."""
FULL: Final = 2.5
DOUBTED: Final = 3.5
ODD: Final = 5.0
REST: Final = 1.2
"""What a surprise counts: up to FULL itself, from there to DOUBTED as FULL, from ODD on REST."""


class Score:
    """An order's amount against the customer's own history, before the order is added to it."""

    __slots__ = ("joins", "mn", "p", "t", "z")

    def __init__(self, t: float, p: float, z: float, mn: float, joins: float) -> None:
        self.t = t
        """Deviations from what was expected, in units of the predictive scale."""
        self.p = p
        """Chance of an amount at most this one; may be 0 or 1 by rounding."""
        self.z = z
        """The same as a normal deviate; always finite, within 38 of 0."""
        self.mn = mn
        """The log of the median amount expected."""
        self.joins = joins
        """The log of the amount, as it is to join the history."""

    @property
    def typical(self) -> float:
        """The median amount expected."""
        return math.exp(self.mn)


def score(prior: BasketPrior, n: int, total_ln: float, ss: float, amount: float) -> Score:
    """Score an order of `amount` (> 0) after n orders with amounts.

    `total_ln`: sum of their natural logs; `ss`: sum of squared deviations from their mean. Raises ValueError for an
    amount that is not positive: it has no logarithm, leave it out.
    """
    y = math.log(amount)
    mn, scale, an = _expected(prior, n, total_ln, ss)
    t = (y - mn) / scale
    tail: float = stdtr(2.0 * an, -abs(t))  # the smaller side keeps its digits
    z: float = ndtri(tail if tail > LEAST_P else LEAST_P)  # noqa: FURB136 - max() takes four times as long
    joins = _joins(n, y, mn, scale, t)
    return Score(t, 1.0 - tail, -z, mn, joins) if t > 0.0 else Score(t, tail, z, mn, joins)


def joining(prior: BasketPrior, n: int, total_ln: float, ss: float, amount: float) -> float:
    """`score(...).joins` alone, at a third of the price: all that is asked of a customer's first orders."""
    y = math.log(amount)
    mn, scale, _ = _expected(prior, n, total_ln, ss)
    return _joins(n, y, mn, scale, (y - mn) / scale)


def _expected(prior: BasketPrior, n: int, total_ln: float, ss: float) -> tuple[float, float, float]:
    """Of the next log amount: mn, the predictive scale, and an."""
    m0, k0, a0, b0 = prior.m0, prior.k0, prior.a0, prior.b0
    an, bn = a0 + 0.5 * n, b0
    if ss > 0.0:
        bn += 0.5 * ss
    if n > 0:
        off = total_ln / n - m0
        d2 = off * off * a0 / (b0 * (1.0 / k0 + 1.0 / n))
        if d2 > 1.0:
            k0 *= (HEAVY + 1.0) / (HEAVY + d2)
        bn += 0.5 * k0 * n * off * off / (k0 + n)
    kn = k0 + n
    return (k0 * m0 + total_ln) / kn, math.sqrt(bn * (kn + 1.0) / (an * kn)), an


def _joins(n: int, y: float, mn: float, scale: float, t: float) -> float:
    return y if abs(t) <= FULL or n == 0 else mn + weighed(t) * scale


def is_shrunk(scored: Score, amount: float, p: float, ratio: float) -> bool:
    """One order that is abnormally small: rarer than p, and at most `ratio` of the typical amount."""
    return scored.p < p and amount <= ratio * scored.typical


def weighed(z: float) -> float:
    """What a surprise counts, of the same sign.

    A single order that nobody would believe (a hundred times the usual, a slip of the pen) makes no trend, nor nearly
    one; a change for good is told of all the same, since what follows it is less and less of a surprise.
    """
    size = abs(z)
    if size > DOUBTED:
        size = max(REST, FULL * (ODD - size) / (ODD - DOUBTED))
    return math.copysign(min(size, FULL), z)


def smooth(smoothed: float, weight: float) -> float:
    """The next exponentially weighted mean of weighed surprises; starts at 0."""
    return (1.0 - MEMORY) * weight + MEMORY * smoothed


def drift_down(drift: float, weight: float) -> float:
    """The next cumulated sum of weighed surprises below -0.5; starts at 0 and never goes under it."""
    left = drift - weight - SLACK
    return left if left > 0.0 else 0.0  # noqa: FURB136 - max() takes four times as long


def drift_up(drift: float, weight: float) -> float:
    """As `drift_down`, for surprises above 0.5."""
    left = drift + weight - SLACK
    return left if left > 0.0 else 0.0  # noqa: FURB136 - as above
