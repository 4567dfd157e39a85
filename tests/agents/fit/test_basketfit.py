"""The basket prior's likelihood against the predictions of which it is the product, and fits of known truth."""

import math

import numpy as np
import pytest
from scipy.stats import t as student

from agents.fit.basketfit import Baskets, baskets, fit_basket, ln_likelihood
from tables.parameters import BUILTIN, BasketPrior


def free_of(prior: BasketPrior) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([prior.m0, *np.log([prior.k0, prior.a0, prior.b0])])


def of(amounts: list[float]) -> Baskets:
    ln = np.log(amounts)
    return Baskets(*(np.array([float(value)]) for value in (ln.size, ln.mean(), np.square(ln - ln.mean()).sum(), 1)))


def test_it_is_the_product_of_the_predictions_of_each_amount_from_those_before() -> None:
    prior = BasketPrior(3.0, 1.5, 4.0, 1.2)
    amounts = [20.0, 35.0, 8.0, 60.0]
    total, known = 0.0, np.array([])
    for amount in amounts:
        n = known.size
        kn, an = prior.k0 + n, prior.a0 + n / 2
        mean = (prior.k0 * prior.m0 + known.sum()) / kn
        off = known.mean() - prior.m0 if n else 0.0
        ss = float(np.square(known - known.mean()).sum()) if n else 0.0
        bn = prior.b0 + ss / 2 + prior.k0 * n * off**2 / (2 * kn)
        scale = math.sqrt(bn * (kn + 1) / (an * kn))
        total += float(student.logpdf(math.log(amount), 2 * an, mean, scale))
        known = np.append(known, math.log(amount))
    assert ln_likelihood(free_of(prior), of(amounts))[0] == pytest.approx(total, rel=1e-12)


def test_the_gradient_is_that_of_differences() -> None:
    rng = np.random.default_rng(1)
    n = rng.integers(1, 12, 80).astype(float)
    seen = Baskets(n, rng.normal(3, 1, 80), (n - 1) * rng.gamma(2, 0.2, 80), rng.integers(1, 4, 80).astype(float))
    theta = free_of(BasketPrior(2.5, 0.7, 3.0, 0.9))
    found = [
        (ln_likelihood(theta + step, seen)[0] - ln_likelihood(theta - step, seen)[0]) / 2e-5
        for step in 1e-5 * np.eye(4)
    ]
    np.testing.assert_allclose(ln_likelihood(theta, seen)[1], found, rtol=1e-6, atol=1e-5)


def test_it_finds_the_truth() -> None:
    truth = BasketPrior(8.0, 3.0, 5.0, 1.5)  # thousands of yen
    rng = np.random.default_rng(2)
    size, n = 6000, rng.integers(1, 15, 6000)
    variance = 1 / rng.gamma(truth.a0, 1 / truth.b0, size)
    own = rng.normal(truth.m0, np.sqrt(variance / truth.k0))
    ln = [rng.normal(m, s, k) for m, s, k in zip(own, np.sqrt(variance), n, strict=True)]
    seen = baskets(n.astype(float), np.array([y.mean() for y in ln]), np.array([y.var() * y.size for y in ln]))
    found = fit_basket(seen)
    assert found.m0 == pytest.approx(truth.m0, abs=0.02)
    for name in ("k0", "a0", "b0"):
        assert getattr(found, name) == pytest.approx(getattr(truth, name), rel=0.12)


@pytest.mark.parametrize("amounts", [[1e12, 1e12], [1e-9], [10.0] * 500, [0.01, 1e9] * 20])
def test_odd_amounts_give_a_prior_all_the_same(amounts: list[float]) -> None:
    found = fit_basket(of(amounts))
    assert found.m0 == pytest.approx(np.log(amounts).mean(), abs=1.0)
    assert 0.5 <= found.a0 <= 1100


def test_few_customers_keep_the_built_in_spread() -> None:
    found = fit_basket(of([50.0, 55.0, 45.0]))
    assert found.m0 == pytest.approx(math.log(50), abs=0.05)
    for name in ("k0", "a0", "b0"):
        assert abs(math.log(getattr(found, name) / getattr(BUILTIN.basket, name))) < 1.5
