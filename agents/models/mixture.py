"""Mixtures of normals, many at once: their mass, their density, and a search for roots in them.

Vectorised over n mixtures; arrays over classes are (c, n), c at least 5. An element's result is the same to the last
bit alone, in any batch and in any order: sums over the classes run in a fixed order, and who has converged is left
alone.
"""

import math
from collections.abc import Callable
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Floats: TypeAlias = NDArray[np.float64]
Extra: TypeAlias = tuple[Floats, ...]

TINY = 1e-290
"""Stands for a probability or a density that underflows."""

_NEARLY_ONE = 1.0 - 1e-16
_ROOT_2PI = math.sqrt(2 * math.pi)
_CLOSE = 3e-4
"""A Newton step of this size is the last one: what it leaves is of the order of its square."""
_NARROW = 1e-7
_ROUNDS = 100
"""Bisection alone needs about 35 from a bracket of 1e3; the bound only says that the search ends."""


def sum_classes(terms: Floats) -> Floats:
    """Sum of (c, n) over the classes, always in the same order (np.sum's order depends on the layout)."""
    total: Floats = terms[0] + terms[1]
    total += terms[2]
    total += terms[3]
    total += terms[4]
    for more in terms[5:]:
        total += more
    return total


class Mixture:
    """n mixtures of c normals."""

    __slots__ = ("_per_spread", "_slope", "location", "spread", "weight")

    def __init__(self, weight: Floats, location: Floats, spread: Floats) -> None:
        """Weights (their sum is 1), means and standard deviations, each (c, n)."""
        self.weight = weight
        self.location = location
        self.spread = spread
        self._per_spread: Floats = 1.0 / spread
        self._slope: Floats = weight * self._per_spread / _ROOT_2PI

    def take(self, kept: NDArray[np.intp]) -> Self:
        """The mixtures at some places."""
        return type(self)(*(array.take(kept, axis=1) for array in (self.weight, self.location, self.spread)))

    def mass(self, u: Floats, side: int) -> Floats:
        """Probability below u (side 1) or above it (side -1); each keeps its digits where it is small. (n,)."""
        z = u - self.location
        z *= self._per_spread
        if side < 0:
            np.negative(z, out=z)
        ndtr(z, out=z)
        z *= self.weight
        return sum_classes(z)

    def mass_and_density(self, u: Floats, side: int) -> tuple[Floats, Floats]:
        """`mass`, and the density at u."""
        z = u - self.location
        z *= self._per_spread
        density = np.square(z)
        density *= -0.5
        np.exp(density, out=density)
        density *= self._slope
        if side < 0:
            np.negative(z, out=z)
        ndtr(z, out=z)
        z *= self.weight
        return sum_classes(z), sum_classes(density)

    def quantile(self, target: Floats, side: int) -> Floats:
        """The u with `mass(u, side)` = target, to about 1e-7; target (n,), TINY <= target <= 0.5."""
        z = ndtri(target)
        z *= side
        ends = self.location + z * self.spread  # the classes' own quantiles: the root lies between them
        mean = sum_classes(self.weight * self.location)
        apart = self.location - mean
        spread = np.sqrt(sum_classes(self.weight * (np.square(self.spread) + np.square(apart))))
        low, high = ends.min(axis=0), ends.max(axis=0)
        start = np.clip(mean + z * spread, low, high)

        def probit(mixture: Mixture, u: Floats, extra: Extra) -> tuple[Floats, Floats]:
            """Nearly straight in u, and exactly so with one class: Newton is there in two or three steps."""
            mass, density = mixture.mass_and_density(u, side)
            at = ndtri(np.clip(mass, TINY, _NEARLY_ONE))
            np.maximum(density, TINY, out=density)
            return extra[0] - side * at, -_ROOT_2PI * density / np.exp(-0.5 * np.square(at))

        return first_fall(probit, self, (z,), start=start, low=low, high=high)


def first_fall(
    function: Callable[[Mixture, Floats, Extra], tuple[Floats, Floats]],
    mixture: Mixture,
    extra: Extra,
    *,
    start: Floats,
    low: Floats,
    high: Floats,
) -> Floats:
    """Where a function of n mixtures falls through 0 between `low` and `high`, to about 1e-7: bracketed Newton. (n,).

    `function(mixture, u, extra)` gives values and slopes; `extra` are arrays (n,) that go along with the mixtures.
    A start at `low` with a value that is not above 0 is the answer itself.
    """
    u = start
    found = u.copy()
    place = np.arange(u.size)
    left = np.ones(u.size, dtype=np.bool_)
    for _ in range(_ROUNDS):
        value, slope = function(mixture, u, extra)
        step = -value / np.minimum(slope, -TINY)
        above = value > 0
        done = (np.abs(step) < _CLOSE) | (high - low < _NARROW)
        at_once = ~above & (u <= low)
        low, high = np.where(above, u, low), np.where(above, high, u)
        middle = 0.5 * (low + high)
        new = u + step
        new = np.where((new > low) & (new < high), new, np.where(done, u, middle))
        new = np.where(at_once, low, new)
        done |= at_once
        found[place[left]] = new[left]
        left &= ~done
        remaining = int(np.count_nonzero(left))
        if remaining == 0:
            break
        u = new
        if 2 * remaining <= left.size:
            kept = np.flatnonzero(left)
            mixture, extra = mixture.take(kept), tuple(values[kept] for values in extra)
            u, low, high, place = new[kept], low[kept], high[kept], place[kept]
            left = np.ones(remaining, dtype=np.bool_)
    return found
