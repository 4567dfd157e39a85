"""When a customer's next order is due, and whether it will come: a log-normal mixture of gaps with drop-out.

A gap is log-normal around the customer's own mean; how widely it scatters is one of five classes; after every
order the customer may have gone for good. In closed form, with y a gap in weeks and D the age of the open gap:

    S(D)      = sum_g pi_g Phi(-(ln D - m_g) / sqrt(v_g))      the gap is longer than D
    o         = a / (b + x)                                    odds of having gone, after x gaps
    P(alive)  = S(D) / (S(D) + o)
    R_H(D)    = (S(D + H) + o) / (S(D) + o)                    no order within the next H

after Platzer & Reutterer (2016) for the regularity and Batislam et al. (2007) for the drop-out. The newest gaps may
count for more than old ones (omega), gaps may get longer or shorter with their number (shift), and windows go by what
was seen of gaps rather than by the model's own quantiles (agents.models.bend). Regular customers may skip an occasion
(agents.models.skips). Where parameters have a clock, days and weeks
are those of the population's clock (tables.clock).

Everything is vectorised over customers, and a customer's figures are the same to the last bit alone, in any batch and
in any order: sums over the classes run in a fixed order, and an element that has converged is left alone.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from agents.models.bend import Bends, bend_of
from agents.models.mixture import TINY, Extra, Floats, Mixture, first_fall, sum_classes
from agents.models.skips import LeftOut, with_skips
from tables.orders import KEPT
from tables.parameters import KNOTS, TimingPrior

_LN_KEPT = math.log(KEPT)
_LN_KNOTS: Floats = np.log1p(np.array((0.0, *KNOTS)))
_LN_FAR = 30.0
"""Mean log gaps beyond 1e13 weeks are no gaps; cut so that nothing overflows."""


class Rhythm:
    """The posterior of n customers' rhythm. Arrays over customers have shape (n,), over classes and customers (5, n).

    Gaps and ages that go in or come out are in days; `location` and `spread` are of ln(weeks).
    """

    __slots__ = ("_bends", "_mixture", "location", "odds", "pi", "spread")

    def __init__(
        self,
        prior: TimingPrior,
        x: ArrayLike,
        s1: ArrayLike,
        s2: ArrayLike,
        e1: ArrayLike | None = None,
        e2: ArrayLike | None = None,
        unsure: float = 0.0,
    ) -> None:
        """`x`: number of gaps (0 after one order); `s1`, `s2`: sums of ln y and (ln y)^2, y in weeks; each (n,).

        `e1`, `e2`: the same sums in which each gap counts KEPT times as much as the one after it; without them every
        gap counts alike. Orders of the same day count once, so that no gap is 0. `unsure`: standard deviation that the
        log of the open gap has on top, for paces of the clock that nobody knows yet. Raises ValueError for shapes that
        differ.
        """
        count, total, squares = (np.ascontiguousarray(values, dtype=np.float64) for values in (x, s1, s2))
        if count.ndim != 1 or not count.shape == total.shape == squares.shape:
            raise ValueError(f"x, s1 and s2 must be (n,), not {count.shape}, {total.shape} and {squares.shape}")
        seen = count
        if e1 is not None and e2 is not None and prior.omega > 0:
            seen = _seen(prior, count)
            total = total + prior.omega * (np.asarray(e1, dtype=np.float64) - total)
            squares = squares + prior.omega * (np.asarray(e2, dtype=np.float64) - squares)
        variances: Floats = np.square(np.array(prior.sigmas))[:, None]
        mean = np.clip(total / np.maximum(seen, 1.0), -_LN_FAR, _LN_FAR)
        misfit = np.maximum(squares - total * mean, 0.0) / variances  # below 0 only by rounding
        if prior.skip:
            mean, misfit = _of_usual_gaps(prior, count, total, squares, mean, misfit)
        shift = seen * (mean - prior.mu0)
        # The formulas in sums of squared deviations: with 20,000 gaps the raw sums would lose digits.
        denominator = variances + seen * prior.tau2
        ln_l = seen * np.log(2 * np.pi * variances) + np.log1p(seen * (prior.tau2 / variances))
        ln_l += misfit
        ln_l += shift * (mean - prior.mu0) / denominator
        ln_l *= -0.5
        ln_l += _ln_weights(prior)
        np.exp(ln_l - ln_l.max(axis=0), out=ln_l)
        self.pi: Floats = ln_l / sum_classes(ln_l)
        self.location: Floats = prior.mu0 + shift * prior.tau2 / denominator
        if any(prior.shift):
            self.location += shift_after(prior, count)
        self.spread: Floats = np.sqrt(prior.tau2 * variances / denominator + variances + unsure * unsure)
        self.odds: Floats = prior.a / (prior.b + count)
        self._mixture = Mixture(self.pi, self.location, self.spread)
        if prior.skip:
            self._mixture = with_skips(self._mixture, prior.skip, prior.sigmas)
        self._bends = Bends(bend_of(prior.bend_first), bend_of(prior.bend), count == 0)

    def __len__(self) -> int:
        return int(self.odds.size)

    def survival(self, age_days: ArrayLike) -> Floats:
        """S: the chance that the open gap, if it closes at all, is longer than its age. (n,)."""
        return self._mixture.mass(self._ln_weeks(age_days), -1)

    def tails(self, age_days: ArrayLike) -> Floats:
        """S in each class. (5, n)."""
        return np.asarray(ndtr((self.location - self._ln_weeks(age_days)) / self.spread), dtype=np.float64)

    def ln_open(self, age_days: ArrayLike) -> Floats:
        """Log of the chance that a gap is open at this age, be it that the customer has gone. (n,)."""
        gone = self.odds / (1.0 + self.odds)
        return np.log(gone + (1.0 - gone) * self.survival(age_days))

    def take(self, kept: NDArray[np.intp]) -> "Rhythm":
        """Those of some customers."""
        part = object.__new__(Rhythm)
        part.pi, part.location, part.spread = (
            rows.take(kept, axis=1) for rows in (self.pi, self.location, self.spread)
        )
        part.odds = self.odds.take(kept)
        part._mixture, part._bends = self._mixture.take(kept), self._bends.take(kept)
        return part

    def p_alive(self, age_days: ArrayLike) -> Floats:
        """The chance that another order will come at all. (n,)."""
        survival = self.survival(age_days)
        return survival / (survival + self.odds)

    def p_silent(self, age_days: ArrayLike, horizon_days: ArrayLike) -> Floats:
        """R_H: the chance that no order comes within the next `horizon_days`. (n,)."""
        age = np.maximum(np.asarray(age_days, dtype=np.float64), 0.0)
        now, then = self.survival(age), self.survival(age + np.asarray(horizon_days, dtype=np.float64))
        return (then + self.odds) / (now + self.odds)

    def share(self, age_days: ArrayLike, within_days: ArrayLike) -> Floats:
        """The share of such gaps that have closed by an age, of those that close within so many days. (n,)."""
        now, then = (self._bends.of(self._mixture.mass(self._ln_weeks(days), 1)) for days in (age_days, within_days))
        return now / np.maximum(then, TINY)

    def window(self, p: float) -> Floats:
        """W_p, days: the age by which a share p of such gaps have closed, of those that close. (n,).

        Raises ValueError unless 0 < p < 1.
        """
        return _days(self._ln_window(p))

    def expected(self, within_days: ArrayLike) -> Floats:
        """The median gap, days, given that it closes within `within_days`; never more than that. (n,)."""
        within = np.asarray(within_days, dtype=np.float64)
        if not (within > 0).all():
            raise ValueError(f"within_days must be positive, not {within.min()}")
        latest = self._ln_weeks(within)
        soon = self._mixture.mass(latest, 1)
        target = self._bends.inverse(0.5 * self._bends.of(soon))
        # Who cannot return that soon at any probability has no median: the latest date stands for it.
        late = soon < 2 * TINY
        found = self._mixture.quantile(np.clip(target, TINY, 1 - 1e-12), 1)
        return np.where(late, within, np.minimum(_days(found), within))

    def fading(self, alive: float) -> Floats:
        """The age, days, at which P(alive) has fallen to `alive`, and half of such gaps would have closed. (n,).

        0 < alive < 1.
        """
        target = np.clip(self.odds * (alive / (1.0 - alive)), TINY, 0.5)
        return _days(self._mixture.quantile(target, -1))

    def overdue(
        self,
        window_p: float,
        horizon_days: ArrayLike,
        probability: float,
        limit_days: float = 3650,
        since_days: ArrayLike = 0.0,
    ) -> Floats:
        """The first age D >= W_p, days, with R_H(D) >= `probability`; inf where that is beyond `limit_days`. (n,).

        R_H may fall before it rises when the cycle is longer than the horizon, so the search goes upward from W_p, or
        from `since_days` where that is more. The date is right to about 1e-6 of itself, so R_H there may miss the
        probability by as little: trust the date. Raises ValueError unless 0 < window_p < 1, 0 < probability < 1 and
        horizon_days > 0.
        """
        start = np.maximum(self._ln_window(window_p), self._ln_weeks(since_days))
        return self._silent(start, horizon_days, probability, limit_days)

    def silent_since(
        self, since_days: ArrayLike, horizon_days: ArrayLike, probability: float, limit_days: float = 3650
    ) -> Floats:
        """`overdue` without a window: the first age from `since_days` on with R_H(D) >= `probability`. (n,)."""
        return self._silent(self._ln_weeks(since_days), horizon_days, probability, limit_days)

    def _silent(self, start: Floats, horizon_days: ArrayLike, probability: float, limit_days: float) -> Floats:
        if not 0 < probability < 1:
            raise ValueError(f"probability must lie between 0 and 1, not {probability}")
        horizon = np.empty(len(self))
        horizon[:] = horizon_days
        if not (horizon > 0).all():
            raise ValueError(f"horizon_days must be positive, not {horizon.min()}")
        found = _days(_silence(self._mixture, self.odds, start, horizon / 7.0, probability))
        return np.where(found <= limit_days, found, np.inf)

    def _ln_window(self, p: float) -> Floats:
        if not 0 < p < 1:
            raise ValueError(f"p must lie between 0 and 1, not {p}")
        u = self._bends.inverse(np.full(len(self), p))
        side = 1 if p <= 0.5 else -1  # the smaller side keeps the digits
        return self._mixture.quantile(u if side > 0 else 1.0 - u, side)

    def _ln_weeks(self, days: ArrayLike) -> Floats:
        """Log of an age in weeks, one element per customer; younger than 0.1 s is as good as 0."""
        age = np.empty(len(self))
        age[:] = days
        return np.log(np.maximum(age, 1e-6) / 7.0)


def shift_after(prior: TimingPrior, gaps: ArrayLike) -> Floats:
    """What the population adds to the log gap after so many gaps. (n,)."""
    count = np.asarray(gaps, dtype=np.float64)
    return np.asarray(np.interp(np.log1p(count), _LN_KNOTS, (0.0, *prior.shift)), dtype=np.float64)


def posterior_variance(prior: TimingPrior, gaps: ArrayLike) -> Floats:
    """How unsure a customer's own mean log gap still is after so many gaps: variance by class, (5, n)."""
    count = np.asarray(gaps, dtype=np.float64)
    variances = np.square(np.array(prior.sigmas))[:, None]
    seen = _seen(prior, count)
    return np.asarray(prior.tau2 * variances / (variances + seen * prior.tau2), dtype=np.float64)


def _seen(prior: TimingPrior, count: Floats) -> Floats:
    """How many gaps the sums weigh as many as, where newer gaps count for more."""
    return count + prior.omega * (-np.expm1(count * _LN_KEPT) / (1.0 - KEPT) - count)


def _ln_weights(prior: TimingPrior) -> Floats:
    """Log of the classes' shares, (5, 1); a share of 0 gives a number that no evidence outweighs."""
    return np.array([math.log(weight) if weight > 0 else -1e300 for weight in prior.weights])[:, None]


def _of_usual_gaps(
    prior: TimingPrior, x: Floats, s1: Floats, s2: Floats, mean: Floats, misfit: Floats
) -> tuple[Floats, Floats]:
    """Mean log gap and misfit of the scatter, (5, n): as they are, but without skips in the classes that may."""
    guess = LeftOut(x, s1, s2, prior.sigmas).likeliest(prior.mu0, prior.tau2, prior.skip)
    some = len(guess.s1)
    of_all = np.repeat(mean[None], len(misfit), axis=0)
    of_all[:some] = np.clip(guess.s1 / np.maximum(x, 1.0), -_LN_FAR, _LN_FAR)
    misfit[:some] = -2.0 * guess.ln_l
    return of_all, misfit


def _days(ln_weeks: Floats) -> Floats:
    return 7.0 * np.exp(ln_weeks)


def _silence(mixture: Mixture, odds: Floats, start: Floats, horizon: Floats, probability: float) -> Floats:
    """Log of the first age at or after the start, in weeks, where R_H reaches the probability."""
    ln_odds = math.log((1.0 - probability) / probability)
    # R_H is at least o / (S + o): where that alone is enough, the search may end.
    z = -ndtri(np.clip(odds * ((1.0 - probability) / probability), TINY, 1.0 - 1e-16))
    enough = (mixture.location + z * mixture.spread).max(axis=0)

    def doubt(mixture: Mixture, u: Floats, extra: Extra) -> tuple[Floats, Floats]:
        """Log odds of an order within the horizon, less those asked for: falls through 0 when R_H is reached."""
        age = np.exp(u)
        later = age + extra[1]
        now, now_density = mixture.mass_and_density(u, -1)
        then, then_density = mixture.mass_and_density(np.log(later), -1)
        then_density *= age / later
        within = np.maximum(now - then, TINY)
        never = then + extra[0]
        slope = (then_density - now_density) / within + then_density / never
        return np.log(within / never) - ln_odds, slope

    return first_fall(doubt, mixture, (odds, horizon), start=start, low=start, high=np.maximum(enough, start))
