"""How likely a population's rhythm makes its gaps, each told from what was known when it began, and the gradient.

With the figures of `agents.models.timing` and q = o / (1 + o), a gap that closed after y weeks counts
`(1 - q) sum_g pi_g phi_g(ln y) / y`, one that is open at age D counts `q + (1 - q) S(D)`. Without memory and shift this
is the likelihood of `agents.fit.timinglikelihood`, occasion by occasion; with them it has no shorter form.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, ndtr

from agents.fit.histories import Columns, Floats, Ints, Mask
from agents.fit.timinglikelihood import FREE
from agents.models.mixture import TINY, sum_classes
from agents.models.skips import Guess, LeftOut, components
from tables.orders import KEPT
from tables.parameters import KNOTS

OMEGA = FREE
"""The place of omega among the free numbers, after those of .timinglikelihood; then one per knot of the shift."""
SKIP = FREE + 1 + len(KNOTS)
"""The place of skip: the last one. With omega at 0 alone."""
ALL = SKIP + 1
_ROOT_2PI = float(np.sqrt(2 * np.pi))


@dataclass(frozen=True, slots=True)
class Sample(Columns):
    """Gaps with the sums from before them, as in `agents.fit.histories.Occasions`. One element each."""

    customer: Ints
    x: Floats
    s1: Floats
    s2: Floats
    e1: Floats
    e2: Floats
    weeks: Floats
    """Of the population's clock: how long the gap took, or has been open."""
    closed: Mask


@dataclass(slots=True)
class _Parts:
    """A likelihood's derivatives by what classes and gaps are made of."""

    value: float
    by_l: Floats
    """By ln l_g, m_g and v_g; (5, n)."""
    by_m: Floats
    by_v: Floats
    by_q: Floats
    by_skip: float = 0.0


class GapLikelihood:
    """Of one sample, for classes of some standard deviations."""

    def __init__(self, sample: Sample, sigmas: tuple[float, ...]) -> None:
        order = np.argsort(~sample.closed, kind="stable")  # the closed ones first
        columns = (sample.x, sample.s1, sample.s2, sample.e1, sample.e2, np.log(sample.weeks))
        self._x, self._s1, self._s2, e1, e2, self._ln = (column[order] for column in columns)
        self._closed = int(np.count_nonzero(sample.closed))
        self._by_omega = (1 - KEPT**self._x) / (1 - KEPT) - self._x, e1 - self._s1, e2 - self._s2
        self._hats = hats(self._x)
        self._variances: Floats = np.square(np.array(sigmas))[:, None]
        self._sigmas = sigmas
        self._left: LeftOut | None = None

    def __len__(self) -> int:
        return int(self._x.size)

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        """Log likelihood of the sample and its gradient by the free numbers, (ALL,)."""
        mu0, (tau2, a, b), omega = theta[0], np.exp(theta[1:4]), theta[OMEGA]
        ln_share = theta[4:FREE] - logsumexp(theta[4:FREE])
        variances, (dw, da1, da2), x = self._variances, self._by_omega, self._x
        w, a1, a2 = x + omega * dw, self._s1 + omega * da1, self._s2 + omega * da2
        guess = self._guess(mu0, tau2, theta[SKIP]) if theta[SKIP] else None
        if guess:
            a1, a2 = _of_usual_gaps(guess, x, a1, a2, variances)
        whole = variances + w * tau2
        off = a1 - w * mu0
        ln_norm = np.log(2 * np.pi * variances)
        ln_l = w * ln_norm + np.log(whole / variances)
        ln_l += (a2 - 2 * mu0 * a1 + w * mu0 * mu0) / variances - off * off * (tau2 / variances) / whole
        ln_l = ln_share[:, None] - 0.5 * ln_l
        np.exp(ln_l - ln_l.max(axis=0), out=ln_l)
        pi = ln_l / sum_classes(ln_l)
        m = (mu0 * variances + a1 * tau2) / whole
        q = a / (a + b + x)
        parts = self._foretold(pi, m + theta[OMEGA + 1 : SKIP] @ self._hats, variances * (tau2 / whole + 1), q, theta)
        by_l, by_m, by_v = parts.by_l, parts.by_m, parts.by_v

        gradient = np.empty(ALL)
        square = np.square(whole)
        gradient[0] = np.sum(by_m * (variances / whole) + by_l * (off / whole))
        by_tau2 = by_m * (variances * off / square) + by_v * np.square(variances / whole)
        by_tau2 += by_l * (0.5 * (off * off / square - w / whole))
        gradient[1] = tau2 * np.sum(by_tau2)
        total = np.square(a + b + x)
        gradient[2] = a * float(parts.by_q @ ((b + x) / total))
        gradient[3] = b * float(parts.by_q @ (-a / total))
        gradient[4:FREE] = by_l.sum(axis=1)  # sums to 0 over the classes, so the shares' own sum plays no part
        d_off = da1 - mu0 * dw
        l_omega = dw * ln_norm + tau2 * dw / whole + (da2 - 2 * mu0 * da1 + mu0 * mu0 * dw) / variances
        l_omega -= (2 * off * d_off - off * off * tau2 * dw / whole) * (tau2 / variances) / whole
        by_omega = -0.5 * by_l * l_omega + by_m * (tau2 * (da1 - m * dw) / whole)
        by_omega -= by_v * (variances * tau2 * tau2 * dw / square)
        gradient[OMEGA] = np.sum(by_omega)
        gradient[OMEGA + 1 : SKIP] = self._hats @ by_m.sum(axis=0)
        gradient[SKIP] = parts.by_skip
        if guess:
            gradient[OMEGA] = 0.0
            gradient[SKIP] += np.sum(by_l[: len(guess.slope)] * guess.slope)
        return parts.value, gradient

    def _guess(self, mu0: float, tau2: float, skip: float) -> Guess:
        if self._left is None:
            self._left = LeftOut(self._x, self._s1, self._s2, self._sigmas)
        return self._left.likeliest(mu0, tau2, skip)

    def _foretold(self, pi: Floats, m: Floats, v: Floats, q: Floats, theta: Floats) -> _Parts:
        """By classes, whatever the next gap can be."""
        if not theta[SKIP]:
            return self._parts(pi, m, v, q)
        each = components(theta[SKIP], self._sigmas)
        parts = self._parts(pi[each.of] * each.share, m[each.of] + each.ln_k, v[each.of], q)
        parts.by_skip = float(np.sum(parts.by_l * each.slope))
        for name in ("by_l", "by_m", "by_v"):
            rows = getattr(parts, name)
            folded = rows[: len(pi)].copy()
            for row, of in zip(rows[len(pi) :], each.of[len(pi) :], strict=True):
                folded[of] += row
            setattr(parts, name, folded)
        return parts

    def _parts(self, pi: Floats, m: Floats, v: Floats, q: Floats) -> _Parts:
        n = self._closed
        root = np.sqrt(v)
        z = (self._ln - m) / root
        density = np.exp(-0.5 * z * z) / (root * _ROOT_2PI)
        by_l, by_m, by_v = (np.empty_like(pi) for _ in range(3))
        blame = pi[:, :n] * density[:, :n] + TINY
        inside = sum_classes(blame)
        blame /= inside
        by_l[:, :n] = blame - pi[:, :n]
        by_m[:, :n] = blame * z[:, :n] / root[:, :n]
        by_v[:, :n] = blame * (np.square(z[:, :n]) - 1) / (2 * v[:, :n])
        longer = pi[:, n:] * ndtr(-z[:, n:])
        survival = sum_classes(longer)
        silent = q[n:] + (1 - q[n:]) * survival
        stays = (1 - q[n:]) / silent
        by_l[:, n:] = stays * (longer - pi[:, n:] * survival)
        by_m[:, n:] = stays * pi[:, n:] * density[:, n:]
        by_v[:, n:] = by_m[:, n:] * z[:, n:] / (2 * root[:, n:])
        by_q = np.concatenate([-1 / (1 - q[:n]), (1 - survival) / silent])
        value = float(np.sum(np.log1p(-q[:n]) + np.log(inside) - self._ln[:n]) + np.sum(np.log(silent)))
        return _Parts(value, by_l, by_m, by_v, by_q)


def _of_usual_gaps(guess: Guess, x: Floats, s1: Floats, s2: Floats, variances: Floats) -> tuple[Floats, Floats]:
    """Sums per class, (5, n): as they are, but without skips in the classes that may."""
    some, many = len(guess.s1), np.maximum(x, 1.0)
    a1, a2 = (np.repeat(total[None], len(variances), axis=0) for total in (s1, s2))
    a1[:some] = guess.s1
    a2[:some] = np.square(guess.s1) / many - 2.0 * variances[:some] * guess.ln_l
    return a1, a2


def hats(x: Floats) -> Floats:
    """What each knot adds to the shift after x gaps: linear in ln(1 + x) between knots, 0 at x = 0. (knots, n)."""
    at = np.log1p(np.array((0.0, *KNOTS)))
    return np.array([np.interp(np.log1p(x), at, row) for row in np.eye(at.size)[1:]])
