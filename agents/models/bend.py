"""From the model's chance that a gap is over to the share of gaps that really are: windows go by the latter.

    G(u) = expit(c + e^alpha ln u - e^beta ln(1 - u))

With c = alpha = beta = 0 it is u itself. Three numbers mend a model whose gaps lie a little early or late, or a little
wide or narrow; it has no say in who is silent or gone (measured: it would tell them apart less well).
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from agents.models.mixture import Floats

_REACH, _STEPS = 60.0, 6001
_LEAST = 1e-26


class Bend:
    """G and its inverse, on chances of any shape; both keep to 0 < u < 1."""

    def __init__(self, constant: float, below: float, above: float) -> None:
        self.straight = constant == below == above == 0
        if self.straight:
            return
        self._constant, self._below, self._above = constant, float(np.exp(below)), float(np.exp(above))
        self._ln_odds: Floats = np.linspace(-_REACH, _REACH, _STEPS)
        self._bent = self._of(-np.log1p(np.exp(-self._ln_odds)), -np.log1p(np.exp(self._ln_odds)))

    def _of(self, ln_u: Floats, ln_rest: Floats) -> Floats:
        """The log odds of G."""
        return self._constant + self._below * ln_u - self._above * ln_rest

    def of(self, u: Floats) -> Floats:
        """G(u)."""
        if self.straight:
            return u
        bent: Floats = expit(self._of(np.log(np.maximum(u, _LEAST)), np.log1p(-np.minimum(u, 1 - 1e-16))))
        return bent

    def inverse(self, share: Floats) -> Floats:
        """The u with G(u) = share, to about 1e-4 of its odds."""
        if self.straight:
            return share
        odds = np.interp(logit(np.clip(share, _LEAST, 1 - 1e-16)), self._bent, self._ln_odds)
        return np.asarray(expit(odds), dtype=np.float64)


class Bends:
    """Two of them: of the gap after a customer's first order, and of all others. Arrays are (n,)."""

    def __init__(self, first: Bend, later: Bend, new: NDArray[np.bool_]) -> None:
        """`new`: which customers have one order."""
        self._first, self._later, self._new = first, later, new
        self.straight = first.straight and later.straight

    def of(self, u: Floats) -> Floats:
        """G(u)."""
        return u if self.straight else np.where(self._new, self._first.of(u), self._later.of(u))

    def inverse(self, share: Floats) -> Floats:
        """The u with G(u) = share."""
        return share if self.straight else np.where(self._new, self._first.inverse(share), self._later.inverse(share))

    def take(self, kept: NDArray[np.intp]) -> "Bends":
        """Those of some customers."""
        return Bends(self._first, self._later, self._new.take(kept))


@cache
def bend_of(numbers: tuple[float, float, float]) -> Bend:
    """The one of `TimingPrior.bend` or `TimingPrior.bend_first`."""
    return Bend(*numbers)
