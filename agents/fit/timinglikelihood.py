"""How likely a population's rhythm makes what its customers did, open gaps included, and how that changes with it.

A customer is x gaps, the sums of ln y and (ln y)^2 over them, and the age D of the gap that is open. With the classes'
densities l_g and survivals S_g of `agents.models.timing`, a population (mu0, tau2, a, b, w) makes it likely by

    L = sum_g w_g l_g [B(a, b+x+1) S_g(D) + B(a+1, b+x)] / B(a, b)
      = sum_g w_g l_g [(b+x) S_g(D) + a] / (a+b+x) * B(a, b+x) / B(a, b)

the first term for those who stay and have not come back yet, the second for those who have gone.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, digamma, log_ndtr, logsumexp

from agents.fit.cells import merged
from tables.parameters import SIGMAS, TimingPrior

Floats: TypeAlias = NDArray[np.float64]

FREE = 4 + len(SIGMAS)
"""Free numbers of a population: mu0, ln tau2, ln a, ln b, and the classes' ln shares up to a constant."""

_LN_ROOT_2PI = 0.5 * math.log(2 * math.pi)
_YOUNGEST = 1e-9
"""Weeks: a gap that has just begun."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A population at an instant. One element per customer, or per `count` customers who are alike; each (n,)."""

    x: Floats
    """Gaps."""
    s1: Floats
    s2: Floats
    """Sums of ln y and (ln y)^2 over them, y in weeks."""
    age: Floats
    """Of the open gap, weeks."""
    count: Floats

    @property
    def customers(self) -> float:
        return float(self.count.sum())

    @property
    def gaps(self) -> float:
        return float(np.dot(self.count, self.x))


NOBODY = Snapshot(*(np.empty(0) for _ in range(5)))


def snapshot(x: Floats, s1: Floats, s2: Floats, age: Floats) -> Snapshot:
    """Of customers one by one, merged into cells: by number of gaps, mean and deviation of ln y, and ln age."""
    many = np.maximum(x, 1.0)
    deviation = np.sqrt(np.maximum(s2 / many - np.square(s1 / many), 0.0))
    # 1, 2, 3 and so on stay apart for long; the effect of one more falls with the number
    gaps, ln_age = np.log1p(x), np.log(np.maximum(age, 1 / 7))
    scale = np.array([gaps, s1 / many, deviation, 0.4 * ln_age])  # an age tells less than a gap: wider steps will do
    cells, count = merged(np.array([x, s1, s2, age]), scale)
    return Snapshot(cells[0], cells[1], cells[2], cells[3], count)


def free(prior: TimingPrior) -> Floats:
    """The free numbers of a population. Shares of 0 become 1e-12."""
    shares = np.maximum(np.array(prior.weights), 1e-12)
    return np.concatenate(([prior.mu0], np.log([prior.tau2, prior.a, prior.b]), np.log(shares)))


def bound(theta: Floats) -> TimingPrior:
    """The population of some free numbers."""
    shares = np.exp(theta[4:] - logsumexp(theta[4:])).tolist()
    tau2, a, b = np.exp(theta[1:4]).tolist()
    return TimingPrior(float(theta[0]), tau2, a, b, (shares[0], shares[1], shares[2], shares[3], shares[4]))


def ln_likelihood(theta: Floats, seen: Snapshot, sigmas: tuple[float, ...] = SIGMAS) -> tuple[float, Floats]:
    """Log of the product of L over all customers, and its gradient by the free numbers, (FREE,)."""
    variances: Floats = np.square(np.array(sigmas))[:, None]
    ln_norm = np.log(2 * np.pi * variances)
    mu0, (tau2, a, b), ln_w = theta[0], np.exp(theta[1:4]), theta[4:] - logsumexp(theta[4:])
    x, mean = seen.x, seen.s1 / np.maximum(seen.x, 1.0)
    off = mean - mu0
    scatter = np.maximum(seen.s2 - seen.s1 * mean, 0.0)
    whole = variances + x * tau2
    ln_l = -0.5 * (x * ln_norm + np.log1p(x * (tau2 / variances)) + scatter / variances + x * off * off / whole)

    # the open gap: its survival, and how that moves with the mean m and the variance v of its logarithm
    variance = tau2 * variances / whole + variances
    deviation = np.sqrt(variance)
    z = (mu0 + x * off * tau2 / whole - np.log(np.maximum(seen.age, _YOUNGEST))) / deviation
    ln_s = log_ndtr(z)
    survival = np.exp(ln_s)
    stays = (b + x) * survival
    open_or_gone = stays + a
    by_m = stays / open_or_gone * np.exp(-0.5 * z * z - _LN_ROOT_2PI - ln_s) / deviation
    by_v = by_m * z / (-2.0 * deviation)

    terms = ln_w[:, None] + ln_l + np.log(open_or_gone)
    top = logsumexp(terms, axis=0)
    each = top + betaln(a, b + x) - betaln(a, b) - np.log(a + b + x)

    blame = np.exp(terms - top) * seen.count  # of each class for each cell
    gradient = np.empty(FREE)
    gradient[0] = np.sum(blame * (x * off / whole + by_m * (variances / whole)))
    by_tau2 = -0.5 * (x / whole - np.square(x * off / whole))
    by_tau2 += by_m * (x * off * variances / np.square(whole)) + by_v * np.square(variances / whole)
    gradient[1] = tau2 * np.sum(blame * by_tau2)
    both = digamma(a + b) - digamma(a + b + x) - 1.0 / (a + b + x)
    gradient[2] = a * (np.dot(seen.count, both) + np.sum(blame / open_or_gone))
    stayed = both + digamma(b + x) - digamma(b)
    gradient[3] = b * (np.dot(seen.count, stayed) + np.sum(blame * (survival / open_or_gone)))
    gradient[4:] = blame.sum(axis=1) - seen.customers * np.exp(ln_w)
    return float(np.dot(seen.count, each)), gradient
