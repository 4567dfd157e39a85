"""What customers of a population do next, drawn from the model of timing, one order after the other."""

import numpy as np
from numpy.typing import NDArray

from agents.models.timing import Rhythm, posterior_variance, shift_after
from tables.parameters import BasketPrior, TimingPrior

Floats = NDArray[np.float64]


def futures(prior: TimingPrior, gaps: Floats, age: float, horizon: float, draws: int, seed: int = 1) -> Floats:
    """Orders within a horizon of a customer with these gaps so far, drawn; all times in weeks.

    Class, mean gap and chance to leave are drawn as they are known after the gaps; a draw counts only if it leaves the
    open gap open up to `age`, so fewer than `draws` come back.
    """
    rng = np.random.default_rng(seed)
    x, ln = gaps.size, np.log(gaps)
    rhythm = Rhythm(prior, [x], [ln.sum()], [np.square(ln).sum()])
    kind = rng.choice(5, draws, p=rhythm.pi[:, 0])
    sigma = np.array(prior.sigmas)[kind]
    shift, coming = shift_after(prior, [x])[0], shift_after(prior, [x + 1])[0]
    unknown = np.sqrt(posterior_variance(prior, [x])[kind, 0])
    mean = rhythm.location[kind, 0] - shift + unknown * rng.standard_normal(draws)
    leaves = rng.beta(prior.a, prior.b + x, draws)
    gap = np.exp(mean + shift + sigma * rng.standard_normal(draws))
    gap[rng.random(draws) < leaves] = np.inf
    mean, sigma, leaves, gap = (values[gap > age] for values in (mean, sigma, leaves, gap))
    at, orders = gap - age, np.zeros(gap.size)
    while (here := np.flatnonzero(at <= horizon)).size:
        orders[here] += 1
        at[here] += np.exp(mean[here] + coming + sigma[here] * rng.standard_normal(here.size))
        at[here[rng.random(here.size) < leaves[here]]] = np.inf
    return orders


def spent(prior: BasketPrior, amounts: Floats, orders: Floats, seed: int = 1) -> Floats:
    """What such numbers of orders cost in all, of a customer with these amounts so far; drawn."""
    rng = np.random.default_rng(seed)
    n, ln = amounts.size, np.log(amounts)
    kn, an = prior.k0 + n, prior.a0 + n / 2
    bn = prior.b0 + np.square(ln - ln.mean()).sum() / 2 + prior.k0 * n * (ln.mean() - prior.m0) ** 2 / (2 * kn)
    variance = 1.0 / rng.gamma(an, 1.0 / bn, orders.size)
    mean = (prior.k0 * prior.m0 + ln.sum()) / kn + np.sqrt(variance / kn) * rng.standard_normal(orders.size)
    who = np.repeat(np.arange(orders.size), orders.astype(np.int64))
    each = np.exp(mean[who] + np.sqrt(variance[who]) * rng.standard_normal(who.size))
    return np.bincount(who, each, orders.size).astype(np.float64)
