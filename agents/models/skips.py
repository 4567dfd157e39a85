"""Occasions left out: a subscriber who skips a month has a gap of two, with hardly any scatter around it.

Of a regular customer a gap is k usual ones with a chance that goes with skip^(k - 1), k up to MOST. What is remembered
are sums over gaps; how many of them were long shows in the sums' scatter. With d gaps of two and t of three among x,

    excess e = d (ln 2)^2 + t (ln 3)^2 - (d ln 2 + t ln 3)^2 / x
    scatter SS = S2 - S1^2 / x: sigma^2 times non-central chi-square, x - 1 degrees of freedom, e / sigma^2 from 0

whose density is exp(-e / 2 sigma^2) 0F1(; (x - 1) / 2; e SS / 4 sigma^4) times what it is without them. The likeliest
d and t of each customer and class are taken for true.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ive

from agents.models.mixture import Floats, Mixture

Ints = NDArray[np.int64]

MOST = 4
"""Usual gaps in one, at the most."""
REGULAR = 0.25
"""Standard deviation of the log gap up to which a class may skip: in wider ones two usual gaps are a long one."""

_LN_2, _LN_3 = math.log(2), math.log(3)
_LN_K: Floats = np.log(np.arange(1.0, MOST + 1))
_HIGH_ORDER = 20.0
"""From this order on Bessel functions by their uniform expansion: the functions themselves would underflow."""


def regular(sigmas: tuple[float, ...]) -> int:
    """How many classes may skip; they come first."""
    return sum(sigma <= REGULAR for sigma in sigmas)


@dataclass(frozen=True, slots=True)
class Components:
    """What the next gap can be: of which class, and how many usual ones. One element each, the classes first."""

    of: Ints
    """The class."""
    ln_k: Floats
    """(c, 1), as are the others."""
    share: Floats
    """Of it in its class."""
    slope: Floats
    """Of the log of its share, by skip."""


def components(skip: float, sigmas: tuple[float, ...]) -> Components:
    """For a chance to skip above 0."""
    all_of_them, some = np.arange(len(sigmas)), regular(sigmas)
    of = np.concatenate([all_of_them, *[all_of_them[:some]] * (MOST - 1)])
    k = np.repeat(np.arange(MOST), [len(sigmas), *[some] * (MOST - 1)])
    total, slope = _total(skip)
    share = np.where(of < some, skip**k / total, 1.0)
    slopes = np.where(of < some, k / skip - slope / total, 0.0)
    return Components(of, _LN_K[k][:, None], share[:, None], slopes[:, None])


def with_skips(classes: Mixture, skip: float, sigmas: tuple[float, ...]) -> Mixture:
    """The next gap of customers whose usual one is a mixture of classes."""
    each = components(skip, sigmas)
    weight, location, spread = (rows[each.of] for rows in (classes.weight, classes.location, classes.spread))
    return Mixture(weight * each.share, location + each.ln_k, spread)


def _total(skip: float) -> tuple[float, float]:
    """Of the powers of skip, and its slope."""
    powers = range(MOST)
    return sum(skip**k for k in powers), sum(k * skip ** (k - 1) for k in powers[1:])


@dataclass(frozen=True, slots=True)
class Guess:
    """What the sums say of skips, per class that may skip and customer; (some, n)."""

    s1: Floats
    """The sum of ln y, y in usual gaps."""
    ln_l: Floats
    """What takes the place of -SS / 2 sigma^2 in the ln likelihood of the sums."""
    slope: Floats
    """Of it by skip."""


class LeftOut:
    """Guesses, a few for each class and customer, that do not depend on the population."""

    def __init__(self, x: Floats, s1: Floats, s2: Floats, sigmas: tuple[float, ...]) -> None:
        """Number of gaps and sums of ln y and (ln y)^2, each (n,)."""
        self._x, self._s1 = x, s1
        self._variances: Floats = np.square(np.array(sigmas[: regular(sigmas)]))[:, None]
        many = np.maximum(x, 1.0)
        self._scatter: Floats = np.maximum(s2 - s1 * (s1 / many), 0.0)
        self._twos, self._threes = self._guesses(many)
        shift = self._twos * _LN_2 + self._threes * _LN_3
        excess = self._twos * _LN_2**2 + self._threes * _LN_3**2 - np.square(shift) / many
        self._sums: Floats = s1 - shift
        self._ln_l: Floats = self._fit(np.maximum(excess, 0.0)) + self._ways()
        self._left: Floats = self._twos + 2 * self._threes

    def likeliest(self, mu0: float, tau2: float, skip: float) -> Guess:
        """For a population's mean log gap, its variance between customers, and chance to skip."""
        whole = self._variances + self._x * tau2
        total, slope = _total(skip)
        ln_l = self._ln_l + self._left * math.log(skip) - self._x * math.log(total)
        many = np.maximum(self._x, 1.0)
        best = np.argmax(ln_l - 0.5 * np.square(self._sums - self._x * mu0) / (many * whole), axis=0)[None]
        s1, likely, left = (np.take_along_axis(rows, best, axis=0)[0] for rows in (self._sums, ln_l, self._left))
        return Guess(s1, likely, left / skip - self._x * (slope / total))

    def _guesses(self, many: Floats) -> tuple[Floats, Floats]:
        """Gaps of two and of three usual ones; (guesses, some, n).

        For none, one and two of three: as many of two as bring the excess nearest to the scatter, fewer or more than
        half of all; and none of either.
        """
        missing = self._scatter - np.maximum(self._x - 1.0, 0.0) * self._variances
        twos, threes = [np.zeros_like(missing)], [np.zeros_like(missing)]
        for three in (0.0, 1.0, 2.0):
            there = np.minimum(three, self._x)
            square = _LN_2**2 / many
            linear = _LN_2**2 - 2.0 * there * _LN_2 * _LN_3 / many
            root = np.sqrt(np.maximum(linear**2 - 4 * square * (missing - there * _LN_3**2 * (1 - there / many)), 0.0))
            for two in ((linear - root) / (2 * square), (linear + root) / (2 * square)):
                twos.append(np.clip(np.rint(two), 0.0, self._x - there))
                threes.append(np.broadcast_to(there, missing.shape))
        return np.array(twos), np.array(threes)

    def _fit(self, excess: Floats) -> Floats:
        """Of the scatter, by the excess that is foreseen."""
        argument = np.sqrt(excess * self._scatter) / self._variances
        order = np.maximum(self._x - 1.0, 1.0) / 2 - 1
        found = -0.5 * (self._scatter + excess) / self._variances
        return found + np.where(argument > 0, _ln_0f1(order, np.maximum(argument, 1e-9)), 0.0)

    def _ways(self) -> Floats:
        """Log of in how many ways some of the gaps can be of two and of three."""
        usual = self._x - self._twos - self._threes
        ways: Floats = gammaln(self._x + 1) - gammaln(usual + 1) - gammaln(self._twos + 1) - gammaln(self._threes + 1)
        return ways


def _ln_0f1(order: Floats, z: Floats) -> Floats:
    """Ln 0F1(; order + 1; z^2 / 4), which is ln of Gamma(order + 1) (z / 2)^-order I_order(z); z > 0."""
    order = np.broadcast_to(order, z.shape)
    low = np.minimum(order, _HIGH_ORDER)
    small = np.log(np.maximum(ive(low, z), 1e-300)) + z
    high = np.maximum(order, _HIGH_ORDER)
    root = np.hypot(high, z)
    # Abramowitz and Stegun 9.7.7
    large = root + high * np.log(z / (high + root)) - 0.5 * np.log(2 * np.pi * root)
    bessel = np.where(order < _HIGH_ORDER, small, large)
    found: Floats = gammaln(order + 1) - order * np.log(z / 2) + bessel
    return found
