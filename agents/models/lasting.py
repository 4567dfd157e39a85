"""How long a product lasts a customer: the interval to the next purchase, given the quantity of the last.

With x = ln(quantity) and y = ln(days to the next purchase) the intervals follow y = m + s x + e, e normal with a
variance of the customer's own for this product. Under a normal-inverse-gamma prior (Bayesian regression as in Gelman et
al. 2013, chapter 14), with W the weight of all intervals and the sums of `tables.products`:

    P  = [[k + W, Sx], [Sx, h + Sxx]]        r = (k mu + Sy, h slope + Sxy)       h = slope_k
    (m, s) = P^-1 r        an = a + W/2       bn = b + (Syy + k mu^2 + h slope^2 - (m, s) . r) / 2
    y next: Student t with 2 an degrees of freedom around m + s x, scale^2 = bn/an (1 + (1, x) P^-1 (1, x)')

In plain floats, one product at a time: this runs when a regular is bought.
"""

from math import exp, inf, sqrt
from typing import NamedTuple

from scipy.special.cython_special import stdtrit

from tables.productprior import ProductPrior
from tables.products import Regular

_FAR = 50.0
"""Beyond e to this power days nothing is told apart."""


class Lasts(NamedTuple):
    """Days from a purchase to the next one: the median, and what one in ten are below and above."""

    days: float
    low: float
    high: float

    @property
    def spread(self) -> float:
        """How many times the short interval the long one is."""
        return self.high / self.low if self.low > 0.0 else inf


def lasts(prior: ProductPrior, regular: Regular) -> Lasts:
    """How long the last purchase lasts."""
    rhythm, h, w = prior.of(regular.category), prior.slope_k, regular.weight
    k, x = rhythm.k, regular.ln_quantity
    p11, p12, p22 = k + w, regular.sx, h + regular.sxx
    r1, r2 = k * rhythm.mu + regular.sy, h * prior.slope + regular.sxy
    det = p11 * p22 - p12 * p12  # positive: k and h are
    m, s = (p22 * r1 - p12 * r2) / det, (p11 * r2 - p12 * r1) / det
    an = rhythm.a + 0.5 * w
    left = regular.syy + k * rhythm.mu * rhythm.mu + h * prior.slope * prior.slope - m * r1 - s * r2
    bn = rhythm.b + 0.5 * max(left, 0.0)  # by rounding it may fall below 0
    scale = sqrt(bn / an * (1.0 + (p22 - 2.0 * x * p12 + x * x * p11) / det))
    y, far = m + s * x, min(scale * stdtrit(2.0 * an, 0.9), _FAR)
    y = min(max(y, -_FAR), _FAR)
    return Lasts(exp(y), exp(y - far), exp(y + far))
