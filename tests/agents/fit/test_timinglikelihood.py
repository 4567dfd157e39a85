"""The likelihood of a population against the formula customer by customer, and its gradient against differences."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import betaln

from agents.fit import cells
from agents.fit.timinglikelihood import FREE, Snapshot, bound, free, ln_likelihood, snapshot
from tables.parameters import BUILTIN, SIGMAS, TimingPrior

PRIORS = [
    BUILTIN.timing,
    TimingPrior(1.5, 0.8, 0.5, 1.5, (0.2, 0.2, 0.2, 0.2, 0.2)),
    TimingPrior(-0.5, 3.0, 0.02, 4.0, (0.5, 0.3, 0.1, 0.05, 0.05)),
]


def customers(seed: int, size: int) -> Snapshot:
    """Made-up ones, each counted one to three times."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 9, size).astype(float)
    mean, spread = rng.normal(1, 1, size), rng.uniform(0, 2, size)
    count = rng.integers(1, 4, size).astype(float)
    return Snapshot(x, x * mean, x * (np.square(mean) + spread), rng.uniform(0.01, 200, size), count)


def plain(prior: TimingPrior, x: float, s1: float, s2: float, age: float) -> float:
    """Ln L of one customer: the sum over the classes as it stands in the docstring."""
    total = 0.0
    for weight, sigma in zip(prior.weights, SIGMAS, strict=True):
        var = sigma**2
        precision = 1 / prior.tau2 + x / var
        mean = (prior.mu0 / prior.tau2 + s1 / var) / precision
        fit = (s2 - 2 * prior.mu0 * s1 + x * prior.mu0**2) / var - ((s1 - x * prior.mu0) / var) ** 2 / precision
        density = math.exp(-0.5 * (x * math.log(2 * math.pi * var) + math.log(1 + x * prior.tau2 / var) + fit))
        survival = 0.5 * math.erfc((math.log(age) - mean) / math.sqrt(2 * (1 / precision + var)))
        stays = math.exp(betaln(prior.a, prior.b + x + 1)) * survival
        total += weight * density * (stays + math.exp(betaln(prior.a + 1, prior.b + x)))
    return math.log(total) - float(betaln(prior.a, prior.b))


@pytest.mark.parametrize("prior", PRIORS)
def test_the_sum_over_customers_is_that_of_the_formula(prior: TimingPrior) -> None:
    seen = customers(1, 60)
    each = [
        plain(prior, *map(float, row)) * count
        for *row, count in zip(seen.x, seen.s1, seen.s2, seen.age, seen.count, strict=True)
    ]
    assert ln_likelihood(free(prior), seen)[0] == pytest.approx(math.fsum(each), rel=1e-10)


def test_two_gaps_and_an_open_one_are_the_integral_over_rhythm_and_drop_out() -> None:
    """From the story itself: a mean, a chance to leave after each of three orders, two gaps, and silence."""
    prior = TimingPrior(1.0, 0.5, 0.7, 1.9, (0.0, 0.0, 1.0, 0.0, 0.0))
    sigma, (first, second), age = SIGMAS[2], (2.0, 5.0), 9.0

    def normal(value: float, mean: float, deviation: float) -> float:
        return math.exp(-0.5 * ((value - mean) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))

    def with_mean(mean: float, leaves: float) -> float:
        own = normal(math.log(first), mean, sigma) * normal(math.log(second), mean, sigma)
        silent = leaves + (1 - leaves) * 0.5 * math.erfc((math.log(age) - mean) / sigma / math.sqrt(2))
        return own * (1 - leaves) ** 2 * silent * normal(mean, prior.mu0, math.sqrt(prior.tau2))

    def with_leaves(leaves: float) -> float:
        beta = math.exp(
            (prior.a - 1) * math.log(leaves) + (prior.b - 1) * math.log1p(-leaves) - betaln(prior.a, prior.b)
        )
        return beta * float(quad(with_mean, -4, 6, args=(leaves,))[0])

    wanted = math.log(quad(with_leaves, 0, 1, limit=200)[0])
    s1, s2 = math.log(first) + math.log(second), math.log(first) ** 2 + math.log(second) ** 2
    one = Snapshot(*(np.array([value]) for value in (2.0, s1, s2, age, 1.0)))
    assert ln_likelihood(free(prior), one)[0] == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("prior", PRIORS)
def test_the_gradient_is_that_of_differences(prior: TimingPrior) -> None:
    seen, theta = customers(2, 200), free(prior)
    seen.x[0], seen.s1[0], seen.s2[0] = 3000.0, 3000.0, 4500.0
    _, gradient = ln_likelihood(theta, seen)
    steps = 1e-5 * np.eye(FREE)
    found = [(ln_likelihood(theta + step, seen)[0] - ln_likelihood(theta - step, seen)[0]) / 2e-5 for step in steps]
    np.testing.assert_allclose(gradient, found, rtol=1e-5, atol=1e-4)


def test_free_numbers_and_population_are_two_ways_to_write_one_thing() -> None:
    for prior in PRIORS:
        again = bound(free(prior))
        assert again.mu0 == prior.mu0
        np.testing.assert_allclose(again.weights, prior.weights, rtol=1e-12)
        np.testing.assert_allclose([again.tau2, again.a, again.b], [prior.tau2, prior.a, prior.b], rtol=1e-12)


@pytest.mark.parametrize(
    ("x", "mean", "age"), [(0, 0, 0.0), (1, -2, 1e-12), (20_000, 6, 1e4), (2, 7, 1e-3), (3, -2, 1e4)]
)
def test_it_stays_finite_where_customers_are_extreme(x: int, mean: float, age: float) -> None:
    one = Snapshot(*(np.array([float(value)]) for value in (x, x * mean, x * mean**2, age, 1)))
    with np.errstate(divide="raise", over="raise", invalid="raise", under="ignore"):
        for prior in PRIORS:
            value, gradient = ln_likelihood(free(prior), one)
            assert math.isfinite(value)
            assert np.isfinite(gradient).all()


def alike(seed: int, size: int) -> tuple[NDArray[np.float64], ...]:
    seen = customers(seed, size)
    return seen.x, seen.s1, seen.s2, seen.age


def test_customers_who_are_alike_are_counted_once() -> None:
    x, s1, s2, age = (np.tile(column, 3) for column in alike(3, 50))
    seen = snapshot(x, s1, s2, age)
    assert seen.x.size == 50
    assert (seen.customers, seen.gaps) == (150, x.sum())
    one_by_one = Snapshot(x, s1, s2, age, np.ones(150))
    assert ln_likelihood(free(PRIORS[0]), seen)[0] == pytest.approx(ln_likelihood(free(PRIORS[0]), one_by_one)[0])


def test_cells_are_as_good_as_customers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is lost is small beside what a fit can tell apart (about 1 in ln likelihood), and sums are kept."""
    columns = alike(4, 20_000)
    whole = snapshot(*columns)
    monkeypatch.setattr(cells, "CELLS", 4000)
    fewer = snapshot(*columns)
    assert fewer.x.size <= 4000 < whole.x.size
    assert fewer.customers == whole.customers
    assert fewer.gaps == pytest.approx(whole.gaps)
    here, there = ((ln_likelihood(free(prior), seen)[0] for prior in PRIORS[:2]) for seen in (whole, fewer))
    for exact, near in zip(here, there, strict=True):
        assert near == pytest.approx(exact, rel=3e-4)
