"""How many orders a customer will still place within a horizon, by the model of timing: expected number and scatter.

The open gap closes within the horizon or not; when it does, tables of what follows an order (`agents.models.renewal`)
say what the rest of the horizon brings. When it closes decides how much is left, and tells of the customer's mean gap:
the next gap's ln and the mean's are jointly normal in each class of regularity. The next gap is gone through at a few
places of equal chance (Gauss & Legendre); the gaps after it are taken to be like the first of them: the population's
shift is held there. Bends have no say, nor has what the clock may vary by, which a horizon of months evens out.

Vectorised over customers. All of a number of gaps share a table; beyond 16 gaps the nearest number that has one stands
for them. Within 2 % of simulated customers (tests/agents/models/test_outlook.py).
"""

from dataclasses import dataclass
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from agents.models.mixture import TINY, Floats, sum_classes
from agents.models.renewal import GRID, LOW, STEP, follow, smoothed, stay, sums
from agents.models.timing import Rhythm, posterior_variance, shift_after
from tables.parameters import TimingPrior

Places = NDArray[np.intp]

GAPS: Floats = np.unique(np.r_[0:17, np.rint(np.geomspace(16, 2000, 40))])
"""Numbers of gaps that have a table."""
_HALVES: Floats = (GAPS[1:] + GAPS[:-1]) / 2
_PLACES = 6
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(_PLACES)
_LEAST = 1e-6
"""A class that carries less of the chance of an order than this is left out."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """The orders of n customers within a horizon; days with several count once. Arrays (n,).

    Who places n orders has both stayed for so long and been quick enough, and these two have nothing to do with each
    other: so the chance of n orders is `some` times `stays(n - 1)` times the chance that who stays places n.
    """

    some: Floats
    """The chance of one at least."""
    mean: Floats
    """How many are expected."""
    square: Floats
    """The expected square of their number."""
    staying: Floats
    """How many are expected of who orders once and never leaves."""
    staying_square: Floats
    leaves: float
    """a: how soon customers leave."""
    held: Floats
    """b + x after the next order: how long this one has stayed."""

    def stays(self, orders: Floats, who: Places) -> Floats:
        """The chance that some of the customers stay for so many orders after the next one; (m,), (m,)."""
        held = self.held[who] + 0.5 * (self.leaves - 1.0)  # a ratio of gamma functions, to 1 / held^2
        return np.asarray((held / (held + orders)) ** self.leaves, dtype=np.float64)


class Sight:
    """Sees ahead by a population's rhythm. Its tables take 8 MB, and 30 ms to make."""

    def __init__(self, prior: TimingPrior) -> None:
        self._prior = msgspec.structs.replace(prior, unsure=0.0)
        self._variances: Floats = np.square(np.array(prior.sigmas))
        known = posterior_variance(prior, GAPS)
        left = np.sqrt(known * (1.0 - known / (known + self._variances[:, None])))
        weights = np.array([row for gaps in GAPS for row in (*follow(prior.a, prior.b + gaps + 1), *stay())])
        tables = np.empty((4, GAPS.size, self._variances.size, GRID.size))
        for kind, sigma in enumerate(prior.sigmas):
            sharp = (weights @ sums(sigma)).reshape(GAPS.size, 4, GRID.size)
            for number in range(GAPS.size):
                tables[:, number, kind] = smoothed(sharp[number], float(left[kind, number]))
        self._tables: Floats = tables.reshape(4, -1)

    def rhythm(self, x: ArrayLike, s1: ArrayLike, s2: ArrayLike, e1: ArrayLike, e2: ArrayLike) -> Rhythm:
        """The rhythm that `of` goes by; see `Rhythm`."""
        return Rhythm(self._prior, x, s1, s2, e1, e2)

    def of(self, x: ArrayLike, rhythm: Rhythm, age_days: ArrayLike, horizon_days: ArrayLike) -> Outlook:
        """What is to be expected of customers with `x` gaps and that rhythm, whose open gap is as old as `age_days`.

        Days are those of the population's clock. Raises ValueError for a horizon that is not positive.
        """
        gaps = np.asarray(x, dtype=np.float64)
        age, horizon = np.empty(gaps.size), np.empty(gaps.size)
        age[:] = age_days
        horizon[:] = horizon_days
        if not (horizon > 0).all():
            raise ValueError(f"horizon_days must be positive, not {horizon.min()}")
        now, then = rhythm.tails(age), rhythm.tails(age + horizon)
        weight = rhythm.pi * np.maximum(now - then, 0.0)
        within = sum_classes(weight)
        possible = np.maximum(sum_classes(rhythm.pi * now) + rhythm.odds, TINY)
        kind, who = np.nonzero(weight > _LEAST * within)
        end = (age + horizon)[who] / 7.0
        after = self._after(gaps[who], rhythm, kind, who, now[kind, who], then[kind, who], end)
        after *= weight[kind, who] / np.maximum(within, TINY)[who]
        first, second, more, squares = (np.bincount(who, row, gaps.size).astype(np.float64) for row in after)
        some = within / possible
        mean, square = some * (1.0 + first), some * (1.0 + 2.0 * first + second)
        held = self._prior.b + gaps + 1.0
        return Outlook(some, mean, square, 1.0 + more, 1.0 + 2.0 * more + squares, self._prior.a, held)

    def _after(
        self, x: Floats, rhythm: Rhythm, kind: Places, who: Places, now: Floats, then: Floats, end: Floats
    ) -> Floats:
        """What the tables say of the orders after the next one, up to the age `end` in weeks. (4, m).

        Of pairs of a class and a customer, (m,) each, given that the next one comes by then.
        """
        location, spread = rhythm.location[kind, who], rhythm.spread[kind, who]
        # what is left of spread^2 without the gap's own scatter is what is not known of the mean
        gain = spread - self._variances[kind] / spread
        typical = location - shift_after(self._prior, x) + shift_after(self._prior, x + 1)
        row = (np.searchsorted(_HALVES, x) * self._variances.size + kind) * GRID.size
        found = np.zeros((4, x.size))
        for node, weight in zip((0.5 + 0.5 * _NODES).tolist(), (0.5 * _WEIGHTS).tolist(), strict=True):
            z = -ndtri(then + node * (now - then))
            rest = end - np.exp(location + z * spread)
            v = np.log(np.maximum(rest, 1e-9)) - typical - gain * z
            place = np.clip((v - LOW) / STEP, 0.0, GRID.size - 1.001)
            cell = place.astype(np.intp)
            part = place - cell
            cell += row
            part *= weight
            for kept, table in enumerate(self._tables):
                found[kept] += (weight - part) * table[cell] + part * table[cell + 1]
        return found


@lru_cache(maxsize=4)
def sight_of(prior: TimingPrior) -> Sight:
    """The one of a population."""
    return Sight(prior)
