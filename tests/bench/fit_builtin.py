"""Fit the built-in population parameters to the CDNOW log: `python -m tests.bench.fit_builtin` prints them.

The log (69,659 orders of 23,570 customers, January 1997 to June 1998) is a file inside the wheel of `lifetimes`; it is
read as a file. Rows of one customer and day are one order. Gaps and ages are in weeks, amounts in dollars.
"""

import importlib.metadata
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, gammaln, log_ndtr, logsumexp

from tables.parameters import SIGMAS, BasketPrior, TimingPrior

Floats = NDArray[np.float64]
END = date(1998, 6, 30).toordinal()


@dataclass(frozen=True)
class Log:
    """Orders by customer, then day; `customer` counts from 0, `day` is a proleptic ordinal, `amount` in dollars."""

    customer: NDArray[np.int64]
    day: NDArray[np.int64]
    amount: Floats


@dataclass(frozen=True)
class Gaps:
    """One element per customer: x gaps, sums of ln y and (ln y)^2 with y in weeks, age of the open gap in weeks."""

    x: Floats
    s1: Floats
    s2: Floats
    age: Floats


@dataclass(frozen=True)
class Baskets:
    """One element per customer: n orders with an amount, mean ln amount, squared deviations from it."""

    n: Floats
    mean: Floats
    ss: Floats


def read_cdnow() -> Log:
    """The CDNOW log. Raises FileNotFoundError when the wheel that carries it is not installed."""
    try:
        files = importlib.metadata.files("lifetimes") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    found = [Path(str(file.locate())) for file in files if file.name == "CDNOW_master.txt"]
    if not found:
        raise FileNotFoundError("the CDNOW log comes with the package lifetimes; install the extra `demo`")
    totals: dict[tuple[int, int], float] = {}
    for line in found[0].read_text("ascii").splitlines()[1:]:  # the first names the columns
        identity, ymd, _, dollars = line.split()
        key = int(identity), date.fromisoformat(ymd).toordinal()
        totals[key] = totals.get(key, 0.0) + float(dollars)
    keys = np.array(sorted(totals), dtype=np.int64)
    customer = np.unique(keys[:, 0], return_inverse=True)[1].astype(np.int64)
    return Log(customer, keys[:, 1], np.array([totals[key] for key in sorted(totals)]))


def gaps_until(log: Log, end: int = END) -> Gaps:
    """The state of every customer at the end of day `end`, from the orders up to it."""
    seen = log.day <= end
    customer, day = np.unique(log.customer[seen], return_inverse=True)[1], log.day[seen]
    size = int(customer.max()) + 1
    inside = customer[1:] == customer[:-1]
    ln = np.log(np.diff(day)[inside] / 7.0)
    owner = customer[1:][inside]
    last = np.zeros(size)
    last[customer] = day  # the last one written is the latest
    return Gaps(
        np.bincount(owner, minlength=size).astype(np.float64),
        np.bincount(owner, ln, size).astype(np.float64),
        np.bincount(owner, ln * ln, size).astype(np.float64),
        (end - last) / 7.0,
    )


def baskets_of(log: Log) -> Baskets:
    """Sums of the log amounts by customer; an order of nothing has no logarithm and is left out."""
    paid = log.amount > 0
    owner = np.unique(log.customer[paid], return_inverse=True)[1]
    ln = np.log(log.amount[paid])
    n = np.bincount(owner).astype(np.float64)
    mean = np.bincount(owner, ln) / n
    return Baskets(n, mean, np.bincount(owner, (ln - mean[owner]) ** 2).astype(np.float64))


def timing_ln_likelihood(prior: TimingPrior, gaps: Gaps, counts: Floats | None = None) -> float:
    """Log of prod_i sum_g w_g l_g [B(a, b+x+1) S_g(D) + B(a+1, b+x)] / B(a, b), up to what the data alone fix.

    `counts`: how many customers each element stands for.
    """
    x, s1, s2 = gaps.x, gaps.s1, gaps.s2
    ln_age = np.log(np.maximum(gaps.age, 1e-9))
    stays = betaln(prior.a, prior.b + x + 1)
    left = betaln(prior.a + 1, prior.b + x)
    terms = []
    for weight, sigma in zip(prior.weights, SIGMAS, strict=True):
        var = sigma * sigma
        precision = 1 / prior.tau2 + x / var
        location = (prior.mu0 / prior.tau2 + s1 / var) / precision
        fit = (s2 - 2 * prior.mu0 * s1 + x * prior.mu0**2) / var - ((s1 - x * prior.mu0) / var) ** 2 / precision
        ln_l = -0.5 * (x * np.log(2 * np.pi * var) + np.log1p(x * prior.tau2 / var) + fit)
        ln_s = log_ndtr((location - ln_age) / np.sqrt(1 / precision + var))
        terms.append(np.log(max(weight, 1e-300)) + ln_l + np.logaddexp(stays + ln_s, left))
    each = logsumexp(np.array(terms), axis=0) - betaln(prior.a, prior.b)
    return float(np.sum(each if counts is None else each * counts))


def basket_ln_likelihood(prior: BasketPrior, baskets: Baskets) -> float:
    """Log of the normal-inverse-gamma marginal likelihood of everybody's log amounts."""
    n = baskets.n
    kn, an = prior.k0 + n, prior.a0 + n / 2
    bn = prior.b0 + baskets.ss / 2 + prior.k0 * n * (baskets.mean - prior.m0) ** 2 / (2 * kn)
    each = 0.5 * np.log(prior.k0 / kn) + prior.a0 * np.log(prior.b0) - an * np.log(bn) + gammaln(an) - gammaln(prior.a0)
    return float(np.sum(each - n / 2 * np.log(2 * np.pi)))


def _timing(theta: Floats) -> TimingPrior:
    """From the free scale: mu0, ln tau2, ln a, ln b, and the log odds of four weights against the last."""
    odds = np.exp(np.append(theta[4:], 0.0) - np.max(np.append(theta[4:], 0.0)))
    w = (odds / odds.sum()).tolist()
    tau2, a, b = np.exp(theta[1:4]).tolist()
    return TimingPrior(float(theta[0]), tau2, a, b, (w[0], w[1], w[2], w[3], w[4]))


def fit_timing(gaps: Gaps) -> TimingPrior:
    """Maximum likelihood by L-BFGS; customers with the same numbers are counted once."""
    rows, counts = np.unique(np.array([gaps.x, gaps.s1, gaps.s2, gaps.age]), axis=1, return_counts=True)
    distinct = Gaps(*rows)
    weight = counts.astype(np.float64)
    bounds = [(-5, 10), (-7, 4), (-7, 7), (-7, 7)] + [(-12, 12)] * 4
    start = np.array([2.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    best = minimize(
        lambda theta: -timing_ln_likelihood(_timing(theta), distinct, weight) / weight.sum(),
        start, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500, "ftol": 1e-13, "gtol": 1e-7},
    )  # fmt: skip
    return _timing(best.x)


def fit_basket(baskets: Baskets) -> BasketPrior:
    """Maximum marginal likelihood by L-BFGS."""

    def prior(theta: Floats) -> BasketPrior:
        return BasketPrior(float(theta[0]), *np.exp(theta[1:]).tolist())

    best = minimize(
        lambda theta: -basket_ln_likelihood(prior(theta), baskets) / baskets.n.sum(),
        np.array([3.0, 0.5, 0.5, -0.5]), method="L-BFGS-B",
        bounds=[(-20, 20)] + [(-7, 7)] * 3, options={"ftol": 1e-13, "gtol": 1e-7},
    )  # fmt: skip
    return prior(best.x)


def main() -> None:
    """Print both fits to four digits."""
    log = read_cdnow()
    gaps, baskets = gaps_until(log), baskets_of(log)
    timing, basket = fit_timing(gaps), fit_basket(baskets)
    for name in ("mu0", "tau2", "a", "b"):
        print(f"{name} {getattr(timing, name):.4g}")
    print("weights", *(f"{weight:.4g}" for weight in timing.weights))
    for name in ("m0", "k0", "a0", "b0"):
        print(f"{name} {getattr(basket, name):.4g}")
    print(f"ln likelihood: timing {timing_ln_likelihood(timing, gaps):.3f}, "
          f"basket {basket_ln_likelihood(basket, baskets):.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
