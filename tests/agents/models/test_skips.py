"""Skipped occasions: what sums tell of them, and the next gap that may be two usual ones."""

import math
from collections.abc import Iterator
from itertools import product

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2, ncx2

from agents.fit.gapfit import FINE
from agents.models.skips import MOST, LeftOut, components
from agents.models.timing import Rhythm
from tables.parameters import TimingPrior

Floats = NDArray[np.float64]

SHOP = TimingPrior(math.log(30 / 7), 0.001, 1.0, 15.0, (0.4, 0.55, 0.03, 0.01, 0.01), sigmas=FINE, skip=0.09)
NEVER = msgspec.structs.replace(SHOP, skip=0.0)
ONE_CLASS = TimingPrior(math.log(30 / 7), 0.005, 1.0, 15.0, (1.0, 0.0, 0.0, 0.0, 0.0), sigmas=FINE, skip=0.2)


@pytest.fixture(autouse=True)
def _strict_numpy() -> Iterator[None]:
    with np.errstate(divide="raise", over="raise", invalid="raise", under="ignore"):
        yield


def sums(customers: list[list[float]]) -> tuple[Floats, Floats, Floats]:
    """Of gaps in days."""
    logs = [np.log(np.array(own) / 7) for own in customers]
    return (
        np.array([float(own.size) for own in logs]),
        np.array([own.sum() for own in logs]),
        np.array([float(own @ own) for own in logs]),
    )


def rhythm(prior: TimingPrior, *customers: list[float]) -> Rhythm:
    return Rhythm(prior, *sums(list(customers)))


def by_every_pattern(prior: TimingPrior, gaps: list[float]) -> float:
    """The mean log of the usual gap of a customer of the first class, over all ways in which gaps may be long."""
    ln, variance = np.log(np.array(gaps) / 7), prior.sigmas[0] ** 2
    many = len(gaps)
    levels, means = [], []
    for pattern in product(range(1, MOST + 1), repeat=many):
        usual = ln - np.log(pattern)
        whole = variance + many * prior.tau2
        off = float(np.sum(usual - prior.mu0))
        fit = float(np.sum(np.square(usual - prior.mu0))) / variance - off * off * prior.tau2 / (variance * whole)
        levels.append(prior.skip ** float(np.sum(np.array(pattern) - 1)) * math.exp(-0.5 * fit))
        means.append(prior.mu0 + off * prior.tau2 / whole)
    return float(np.average(means, weights=levels))


@pytest.mark.parametrize(
    "gaps",
    [
        [30],
        [60],
        [91],
        [31, 30, 59],
        [62, 29, 61, 30],
        [30, 90, 31],
        [33, 34, 33, 66],
        [60, 60],
        [27, 54, 26, 28, 27, 55],
    ],
)
def test_the_sums_tell_of_skips_what_the_gaps_themselves_tell(gaps: list[float]) -> None:
    found = rhythm(ONE_CLASS, gaps)
    assert found.location[0, 0] == pytest.approx(by_every_pattern(ONE_CLASS, gaps), abs=0.005)


@pytest.mark.parametrize("many", [2, 3, 10, 41, 42, 43, 60, 300])
@pytest.mark.parametrize("sigma", [0.03, 0.1])
def test_the_scatter_is_non_central_chi_square(many: int, sigma: float) -> None:
    """Three skipped occasions, against SciPy's densities; of x = 42 on by the expansion for high orders."""
    skipped = min(3, many - 1)
    ln_2 = math.log(2)
    excess = skipped * ln_2**2 - (skipped * ln_2) ** 2 / many
    scatter = excess + (many - 1) * sigma**2
    x, s1, s2 = (np.array([value]) for value in (float(many), skipped * ln_2, scatter + (skipped * ln_2) ** 2 / many))
    (guess,) = LeftOut(x, s1, s2, (sigma,)).likeliest(0.0, 1e-6, 0.1).ln_l
    ways = math.log(math.comb(many, skipped)) + skipped * math.log(0.1) - many * math.log(1.111)
    ratio = ncx2.logpdf(scatter / sigma**2, many - 1, excess / sigma**2) - chi2.logpdf(scatter / sigma**2, many - 1)
    assert guess[0] == pytest.approx(ways - scatter / (2 * sigma**2) + ratio, rel=1e-6, abs=2e-3)


def test_a_skipped_month_neither_moves_nor_blurs_the_rhythm() -> None:
    gaps, skipped = [30.0, 31, 30, 31, 30, 31], [30.0, 31, 60, 31, 30, 31]
    for level in (0.5, 0.8):
        assert rhythm(SHOP, skipped).window(level)[0] == pytest.approx(rhythm(SHOP, gaps).window(level)[0], rel=0.02)
    assert rhythm(SHOP, skipped).expected(365)[0] == pytest.approx(30.5, abs=0.8)
    assert rhythm(NEVER, skipped).window(0.8)[0] > 1.15 * rhythm(NEVER, gaps).window(0.8)[0]


def test_after_one_month_nobody_can_tell_after_two_everybody_can() -> None:
    regular = rhythm(SHOP, [30, 31, 30, 31])
    one, two, three = (float(regular.p_alive(days)[0]) for days in (45, 75, 105))
    assert 0.4 < one < 0.8
    assert two < 0.2 > three
    assert 60 < regular.overdue(0.8, 90, 0.8)[0] < 75
    assert rhythm(NEVER, [30, 31, 30, 31]).overdue(0.8, 90, 0.8)[0] < 45


def test_what_it_foretells_is_what_comes() -> None:
    """Customers who do what the model says: their next gaps lie evenly in what was foretold."""
    rng = np.random.default_rng(3)
    size, many = 20_000, 6
    mean = rng.normal(SHOP.mu0, SHOP.tau2**0.5, size)
    scatter = rng.choice(SHOP.sigmas, size, p=SHOP.weights)
    usual = 1 + rng.choice(
        MOST, (many, size), p=np.array(SHOP.skip ** np.arange(MOST)) * (1 - SHOP.skip) / (1 - SHOP.skip**MOST)
    )
    usual[:, scatter > 0.25] = 1
    gaps = rng.normal(mean, scatter, (many, size)) + np.log(usual)
    x = rng.integers(0, many, size)
    before = np.arange(many)[:, None] < x
    found = Rhythm(SHOP, x, (gaps * before).sum(axis=0), (gaps * gaps * before).sum(axis=0))
    following = 7 * np.exp(gaps[x, np.arange(size)])
    place = 1 - found.survival(following)
    for number in range(many):
        own = place[x == number]
        for level in (0.1, 0.5, 0.8, 0.9, 0.95):
            share = float(np.mean(own <= level))
            assert share == pytest.approx(level, abs=4 * math.sqrt(level * (1 - level) / own.size)), (number, level)


def test_irregular_customers_do_not_skip() -> None:
    each = components(0.2, FINE)
    assert (each.of >= 3).sum() == 2
    assert each.share[3:5, 0].tolist() == [1.0, 1.0]
    for one in range(3):
        assert each.share[each.of == one].sum() == pytest.approx(1)
        assert (each.share * each.slope)[each.of == one].sum() == pytest.approx(0)


def test_a_customer_s_figures_are_the_same_alone_and_in_a_crowd() -> None:
    rng = np.random.default_rng(5)
    crowd = [np.round(30 * rng.integers(1, 3, rng.integers(0, 70)) * rng.normal(1, 0.05)).tolist() for _ in range(200)]
    whole = rhythm(SHOP, *crowd)
    windows, silent, late = whole.window(0.8), whole.p_silent(40, 90), whole.overdue(0.8, 90, 0.8)
    for number in (0, 7, 100, 199):
        alone, taken = rhythm(SHOP, crowd[number]), whole.take(np.array([number]))
        for one in (alone, taken):
            assert one.window(0.8)[0] == windows[number]
            assert one.p_silent(40, 90)[0] == silent[number]
            assert one.overdue(0.8, 90, 0.8)[0] == late[number]


@pytest.mark.parametrize(
    "days", [[1.0] * 2000, [1.0, 1e5] * 40, [1e7], [0.001] * 3, [30.0] * 20_000, [30.0, 60.0] * 500]
)
def test_no_history_is_too_odd(days: list[float]) -> None:
    odd = rhythm(SHOP, days)
    for figure in (odd.window(0.5), odd.window(0.9), odd.expected(365), odd.p_alive(50), odd.p_silent(50, 90)):
        assert np.isfinite(figure).all()
        assert (figure >= 0).all()
