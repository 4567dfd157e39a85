"""A population's baskets from what its customers paid: the likeliest prior, held a little by the built-in spread.

A customer is n positive amounts of one currency, the mean ybar of their natural logs, and the squared deviations SS
from it. A normal-inverse-gamma prior (m0, k0, a0, b0; `agents.models.amounts`) makes them likely by

    L = sqrt(k0/kn) b0^a0 / bn^an Gamma(an)/Gamma(a0) (2 pi)^(-n/2),   bn = b0 + SS/2 + k0 n (ybar - m0)^2 / (2 kn)
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

from agents.fit.cells import merged
from tables.parameters import BUILTIN, BasketPrior

Floats: TypeAlias = NDArray[np.float64]

BOUNDS = [(-50.0, 50.0), (-7.0, 7.0), (math.log(0.5), 7.0), (-9.0, 9.0)]
"""Of m0, ln k0, ln a0 and ln b0."""
_BUILTIN = BUILTIN.basket
_LN_2PI = math.log(2 * math.pi)


@dataclass(frozen=True, slots=True)
class Baskets:
    """One element per customer with an amount, or per `count` customers who are alike; each (n,)."""

    n: Floats
    mean: Floats
    """Of ln(amount)."""
    ss: Floats
    """Squared deviations from it."""
    count: Floats


def baskets(n: Floats, mean: Floats, ss: Floats) -> Baskets:
    """Of customers one by one, merged into cells: by number, mean and deviation."""
    deviation = np.sqrt(np.maximum(ss, 0.0) / n)
    cells, count = merged(np.array([n, mean, ss]), np.array([np.log(n), mean, deviation]))
    return Baskets(cells[0], cells[1], cells[2], count)


def ln_likelihood(theta: Floats, seen: Baskets) -> tuple[float, Floats]:
    """Log of the product of L over all customers, and its gradient by (m0, ln k0, ln a0, ln b0)."""
    m0, (k0, a0, b0) = theta[0], np.exp(theta[1:])
    n, off = seen.n, seen.mean - m0
    kn, an = k0 + n, a0 + 0.5 * n
    bn = b0 + 0.5 * seen.ss + 0.5 * k0 * n * off * off / kn
    ln_bn = np.log(bn)
    each = 0.5 * np.log(k0 / kn) + a0 * theta[3] - an * ln_bn + gammaln(an) - gammaln(a0) - 0.5 * n * _LN_2PI
    by = (
        an / bn * k0 * n * off / kn,
        0.5 - 0.5 * k0 / kn - an / bn * 0.5 * k0 * np.square(n * off / kn),
        a0 * (theta[3] - ln_bn + digamma(an) - digamma(a0)),
        a0 - b0 * an / bn,
    )
    return float(np.dot(seen.count, each)), np.array([np.dot(seen.count, one) for one in by])


def fit_basket(seen: Baskets, built_in: BasketPrior = _BUILTIN) -> BasketPrior:
    """The likeliest prior; needs at least one customer.

    The hold is on k0, a0 and b0 alone: what an amount is depends on the shop and its currency.
    """
    customers = float(seen.count.sum())
    spread: Floats = np.log([built_in.k0, built_in.a0, built_in.b0])

    def descent(theta: Floats) -> tuple[float, Floats]:
        value, gradient = ln_likelihood(theta, seen)
        off = theta[1:] - spread
        gradient[1:] -= off
        return -(value - 0.5 * float(np.dot(off, off))) / customers, -gradient / customers

    centre = float(np.average(seen.mean, weights=seen.count))
    best = minimize(
        descent,
        np.concatenate(([centre], spread)),
        jac=True,
        method="L-BFGS-B",
        bounds=BOUNDS,
        options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-7},
    )
    k0, a0, b0 = np.exp(best.x[1:]).tolist()
    return BasketPrior(float(best.x[0]), k0, a0, b0)
