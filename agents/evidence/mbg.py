"""MBG/NBD, the textbook model of who is still a customer: a yardstick for ours, not used by any rule.

Orders come by chance at a customer's own rate, Gamma(r, alpha) among customers; after every order the customer may have
gone for good, with a chance that is Beta(a, b) among them (Batislam et al. 2007, Hoppe & Wagner 2007). With x gaps, the
last order t and now T, both in weeks after the first:

    L = Gamma(r+x)/Gamma(r) alpha^r [B(a, b+x+1) (alpha+T)^-(r+x) + B(a+1, b+x) (alpha+t)^-(r+x)] / B(a, b)
    P(alive) = 1 / (1 + a/(b+x) ((alpha+T)/(alpha+t))^(r+x))
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, gammaln

from agents.fit.cells import Floats, merged


class Mbg(NamedTuple):
    """The parameters; alpha in weeks."""

    r: float
    alpha: float
    a: float
    b: float


def fit_mbg(x: Floats, last: Floats, now: Floats) -> Mbg:
    """The likeliest parameters; `last` and `now` in weeks after each customer's first order. All (n,), n > 0."""
    columns = np.array([x, last, now])
    cells, count = merged(columns, np.log1p(columns))

    def descent(theta: Floats) -> float:
        return -ln_likelihood(Mbg(*np.exp(theta).tolist()), cells, count) / float(count.sum())

    best = minimize(
        descent, np.array([-0.5, 1.5, 0.0, 0.5]), method="L-BFGS-B", bounds=[(-7.0, 7.0)] * 4, options={"ftol": 1e-12}
    )
    return Mbg(*np.exp(best.x).tolist())


def ln_likelihood(model: Mbg, customers: Floats, count: Floats) -> float:
    """Log of the product of L over customers, rows (x, last, now), each `count` times."""
    r, alpha, a, b = model
    x, last, now = customers
    stays = betaln(a, b + x + 1) - (r + x) * np.log(alpha + now)
    left = betaln(a + 1, b + x) - (r + x) * np.log(alpha + last)
    each = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + np.logaddexp(stays, left) - betaln(a, b)
    return float(np.dot(count, each))


def silent_until(model: Mbg, x: Floats, last: Floats, p: float) -> Floats:
    """Weeks after the last order at which P(alive) has fallen to p; 0 < p < 1. (n,)."""
    odds = (1.0 - p) / p
    ratio = np.log(odds * (model.b + x) / model.a) / (model.r + x)
    # what had been reached at once is due at once; and whom nothing brings to p, in no time that counts
    weeks: Floats = (model.alpha + last) * np.expm1(np.clip(ratio, 0.0, 50.0))
    return weeks
