"""The gap model against the same formulas written out customer by customer, and what it promises of its arithmetic."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import brentq

from agents.models.timing import Rhythm
from tables.parameters import BUILTIN, SIGMAS, TimingPrior

Floats = NDArray[np.float64]

PRIORS = {
    "builtin": BUILTIN.timing,
    "even": TimingPrior(1.5, 0.8, 0.5, 1.5, (0.2, 0.2, 0.2, 0.2, 0.2)),
    "regular": TimingPrior(0.5, 0.3, 0.05, 1.5, (0.1, 0.3, 0.4, 0.15, 0.05)),
    "wide": TimingPrior(2.0, 4.0, 0.1, 2.0, (0.3, 0.1, 0.1, 0.1, 0.4)),
    "one class": TimingPrior(1.0, 0.5, 0.2, 1.0, (0.0, 0.0, 1.0, 0.0, 0.0)),
}


@pytest.fixture(params=PRIORS)
def prior(request: pytest.FixtureRequest) -> TimingPrior:
    return PRIORS[request.param]


@pytest.fixture(autouse=True)
def _strict_numpy() -> Iterator[None]:
    with np.errstate(divide="raise", over="raise", invalid="raise", under="ignore"):
        yield


def gaps(seed: int, count: int) -> list[list[float]]:
    """Gaps in weeks of made-up customers, whole days: hourly rhythms aside, everything from daily to yearly."""
    rng = np.random.default_rng(seed)
    made: list[list[float]] = []
    for _ in range(count):
        size = int(rng.choice([0, 1, 2, 3, 5, 10, 40]))
        centre, spread = rng.normal(1.5, 1.3), rng.choice([0.01, 0.2, 0.4, 1.0, 2.0])
        days = np.maximum(1.0, np.round(7 * np.exp(rng.normal(centre, spread, size))))
        made.append((days / 7).tolist())
    return made


def sums(customers: list[list[float]]) -> tuple[Floats, Floats, Floats]:
    return (
        np.array([float(len(ys)) for ys in customers]),
        np.array([math.fsum(math.log(y) for y in ys) for ys in customers]),
        np.array([math.fsum(math.log(y) ** 2 for y in ys) for ys in customers]),
    )


class Plain:
    """One customer, straight from the formulas; ages and horizons in weeks."""

    def __init__(self, prior: TimingPrior, ys: list[float]) -> None:
        x, s1, s2 = len(ys), math.fsum(map(math.log, ys)), math.fsum(math.log(y) ** 2 for y in ys)
        logs = []
        self.classes = []
        for weight, sigma in zip(prior.weights, SIGMAS, strict=True):
            precision = 1 / prior.tau2 + x / sigma**2
            mean = (prior.mu0 / prior.tau2 + s1 / sigma**2) / precision
            fit = (s2 - 2 * prior.mu0 * s1 + x * prior.mu0**2) / sigma**2
            fit -= ((s1 - x * prior.mu0) / sigma**2) ** 2 / precision
            ln_l = -0.5 * (x * math.log(2 * math.pi * sigma**2) + math.log(1 + x * prior.tau2 / sigma**2) + fit)
            logs.append(ln_l + math.log(weight) if weight else -math.inf)
            self.classes.append((mean, math.sqrt(1 / precision + sigma**2)))
        shares = [math.exp(value - max(logs)) for value in logs]
        self.pi = [share / sum(shares) for share in shares]
        self.odds = prior.a / (prior.b + x)

    def below(self, age: float) -> float:
        return self._mass(age, -1)

    def survival(self, age: float) -> float:
        return self._mass(age, 1)

    def _mass(self, age: float, sign: int) -> float:
        u = math.log(age)
        return math.fsum(
            share * 0.5 * math.erfc(sign * (u - mean) / spread / math.sqrt(2))
            for share, (mean, spread) in zip(self.pi, self.classes, strict=True)
        )

    def silent(self, age: float, horizon: float) -> float:
        return (self.survival(age + horizon) + self.odds) / (self.survival(age) + self.odds)

    def root(self, function: Callable[[float], float], low: float = -60.0, high: float = 60.0) -> float:
        """In weeks, of a function of the age, by ln age."""
        return math.exp(brentq(lambda u: function(math.exp(u)), low, high, xtol=1e-13, rtol=1e-14))

    def quantile(self, p: float) -> float:
        if p <= 0.5:
            return self.root(lambda age: self.below(age) / p - 1)
        return self.root(lambda age: 1 - self.survival(age) / (1 - p))

    def overdue(self, window: float, horizon: float, probability: float) -> float:
        """A fine grid upward from the window, then the root inside the first step that gets there."""
        if self.silent(window, horizon) >= probability:
            return window
        grid = [math.log(window) + 0.01 * step for step in range(1, 3000)]
        for u in grid:
            if self.silent(math.exp(u), horizon) >= probability:
                return self.root(lambda age: self.silent(age, horizon) - probability, u - 0.01, u)
        raise AssertionError("never reached")


def test_posterior_of_a_class_is_the_integral_over_the_customers_mean() -> None:
    """The closed forms of l_g, m_g and v_g against the integral over the mean log gap that they stand for."""
    prior = PRIORS["even"]
    ys = [1.0, 2.5, 1.5]

    def normal(value: float, mean: float, deviation: float) -> float:
        return math.exp(-0.5 * ((value - mean) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))

    def joint(mean: float, sigma: float) -> float:
        own = math.prod(normal(math.log(y), mean, sigma) for y in ys)
        return own * normal(mean, prior.mu0, math.sqrt(prior.tau2))

    levels = [quad(joint, -8, 10, args=(sigma,), points=[0.4, 1.5])[0] for sigma in SIGMAS]
    means = [
        quad(lambda mean, s=sigma: mean * joint(mean, s), -8, 10, points=[0.4, 1.5])[0] / level
        for sigma, level in zip(SIGMAS, levels, strict=True)
    ]
    squares = [
        quad(lambda mean, s=sigma: mean**2 * joint(mean, s), -8, 10, points=[0.4, 1.5])[0] / level
        for sigma, level in zip(SIGMAS, levels, strict=True)
    ]
    rhythm = Rhythm(prior, *sums([ys]))
    np.testing.assert_allclose(rhythm.pi[:, 0], np.array(levels) / sum(levels), rtol=1e-7)
    np.testing.assert_allclose(rhythm.location[:, 0], means, rtol=1e-7)
    variances = np.array(squares) - np.square(means) + np.square(SIGMAS)
    np.testing.assert_allclose(rhythm.spread[:, 0] ** 2, variances, rtol=1e-7)


def test_probabilities_are_those_of_the_formulas(prior: TimingPrior) -> None:
    customers = gaps(1, 150)
    rhythm = Rhythm(prior, *sums(customers))
    ages = np.random.default_rng(2).uniform(1, 900, len(customers))
    plain = [Plain(prior, ys) for ys in customers]
    each = list(zip(plain, (ages / 7).tolist(), strict=True))
    np.testing.assert_allclose(rhythm.survival(ages), [one.survival(age) for one, age in each], rtol=1e-9, atol=1e-300)
    alive = [1 / (1 + one.odds / one.survival(age)) if one.survival(age) > 0 else 0.0 for one, age in each]
    np.testing.assert_allclose(rhythm.p_alive(ages), alive, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(rhythm.p_silent(ages, 90), [one.silent(age, 90 / 7) for one, age in each], rtol=1e-9)


def test_one_order_gives_the_population(prior: TimingPrior) -> None:
    rhythm = Rhythm(prior, [0], [0.0], [0.0])
    np.testing.assert_allclose(rhythm.pi[:, 0], prior.weights, rtol=1e-12)
    np.testing.assert_allclose(rhythm.location[:, 0], prior.mu0)
    assert rhythm.odds[0] == prior.a / prior.b


@pytest.mark.parametrize("p", [0.001, 0.1, 0.5, 0.8, 0.9, 0.9999])
def test_window_is_the_quantile(prior: TimingPrior, p: float) -> None:
    customers = gaps(3, 100)
    windows = Rhythm(prior, *sums(customers)).window(p)
    for ys, window in zip(customers, windows.tolist(), strict=True):
        one = Plain(prior, ys)
        assert window / 7 == pytest.approx(one.quantile(p), rel=1e-6)


@pytest.mark.parametrize("within", [7.0, 90.0, 3650.0])
def test_expected_is_the_median_given_a_return(prior: TimingPrior, within: float) -> None:
    customers = gaps(4, 100)
    dates = Rhythm(prior, *sums(customers)).expected(within)
    assert np.all((dates > 0) & (dates < within))
    for ys, date in zip(customers, dates.tolist(), strict=True):
        one = Plain(prior, ys)
        half = 0.5 * one.below(within / 7)
        if half > 1e-280:
            assert math.log(one.below(date / 7)) == pytest.approx(math.log(half), abs=1e-3)
            assert date / 7 == pytest.approx(one.quantile(half), rel=1e-6)


def test_expected_of_a_customer_who_cannot_be_back_so_soon() -> None:
    """500 gaps of exactly ten years, within a day: no probability is left to take the median of."""
    ys = [3650 / 7] * 500
    rhythm = Rhythm(PRIORS["even"], *sums([ys]))
    assert 0 < rhythm.expected(1e-6)[0] <= 1e-6


@pytest.mark.parametrize(
    ("p", "horizon", "probability"), [(0.8, 90, 0.8), (0.5, 90, 0.7), (0.8, 30, 0.8), (0.9, 180, 0.95), (0.5, 7, 0.9)]
)
def test_overdue_is_the_first_age_where_both_hold(
    prior: TimingPrior, p: float, horizon: float, probability: float
) -> None:
    customers = gaps(5, 60)
    rhythm = Rhythm(prior, *sums(customers))
    windows = rhythm.window(p)
    dates = rhythm.overdue(p, horizon, probability, limit_days=1e12)
    assert np.all(dates >= windows)
    for ys, window, date in zip(customers, windows.tolist(), dates.tolist(), strict=True):
        expected = Plain(prior, ys).overdue(window / 7, horizon / 7, probability)
        assert date / 7 == pytest.approx(expected, rel=2e-6)


def test_overdue_searches_past_a_fall_of_the_silence() -> None:
    """A yearly customer: silence for 90 days is likely at once, unlikely about the date, likely after it."""
    rhythm = Rhythm(PRIORS["even"], *sums([[52.0, 52.3, 51.9, 52.1]]))
    early, about = rhythm.p_silent(120, 90)[0], rhythm.p_silent(330, 90)[0]
    assert early > 0.8 > about
    date = rhythm.overdue(0.05, 90, 0.8)[0]
    assert date > rhythm.window(0.05)[0] + 30
    assert rhythm.p_silent(date * 1.001, 90)[0] >= 0.8 > rhythm.p_silent(date * 0.999, 90)[0]


def test_overdue_beyond_the_limit_is_infinite() -> None:
    rhythm = Rhythm(PRIORS["wide"], *sums([[1.0, 1.1], [3000.0, 200.0]]))
    dates = rhythm.overdue(0.8, 90, 0.8)
    assert dates[0] < 3650 < rhythm.overdue(0.8, 90, 0.8, limit_days=1e9)[1] < math.inf == dates[1]
    assert rhythm.overdue(0.8, 90, 0.8, limit_days=dates[0])[0] == dates[0]


def figures(prior: TimingPrior, x: Floats, s1: Floats, s2: Floats) -> Floats:
    """Everything a Rhythm tells, (12, n)."""
    rhythm = Rhythm(prior, x, s1, s2)
    return np.array([
        *rhythm.pi, rhythm.window(0.8), rhythm.window(0.1), rhythm.expected(365), rhythm.overdue(0.8, 90, 0.8),
        rhythm.survival(40), rhythm.p_alive(40), rhythm.p_silent(40, 90),
    ])  # fmt: skip


def test_figures_are_the_same_to_the_last_bit_in_any_batch(prior: TimingPrior) -> None:
    x, s1, s2 = sums(gaps(6, 1000))
    together = figures(prior, x, s1, s2)
    for size in (1, 3, 17):
        parts = [figures(prior, x[i : i + size], s1[i : i + size], s2[i : i + size]) for i in range(0, 999, size)][:250]
        joined = np.concatenate(parts, axis=1)
        assert joined.tobytes() == together[:, : joined.shape[1]].tobytes()
    order = np.random.default_rng(7).permutation(1000)
    assert figures(prior, x[order], s1[order], s2[order]).tobytes() == together[:, order].tobytes()
    assert figures(prior, x[::-1], s1[::-1], s2[::-1]).tobytes() == together[:, ::-1].tobytes()


@pytest.mark.parametrize("count", [0, 1, 2, 100, 20_000])
def test_extremes_stay_finite(prior: TimingPrior, count: int) -> None:
    logs = np.array([math.log(1 / 7), math.log(3650 / 7), math.log(1e-9), math.log(1e9), 0.0])
    x = np.full(5, float(count))
    for s1, s2 in ((logs * x, logs**2 * x), (logs * x, 900.0 * x), (logs * x, 0.0 * x), (1e3 * x, 1e6 * x)):
        rhythm = Rhythm(prior, x, s1, s2)
        assert np.all(np.abs(_sum(rhythm.pi) - 1) < 1e-12)
        for age in (-5, 0, 1e-9, 1, 3650, 1e9):
            for share in (rhythm.survival(age), rhythm.p_alive(age), rhythm.p_silent(age, 90)):
                assert np.all((share >= 0) & (share <= 1 + 1e-12))
        for p in (1e-9, 0.5, 0.8, 1 - 1e-12):
            assert np.all(np.isfinite(rhythm.window(p)) & (rhythm.window(p) > 0))
        assert np.all((rhythm.expected(365) > 0) & (rhythm.expected(365) <= 365))
        for probability in (0.01, 0.8, 1 - 1e-12):
            dates = rhythm.overdue(0.8, 90, probability)
            assert not np.any(np.isnan(dates))
            assert np.all(dates >= rhythm.window(0.8))


def _sum(pi: Floats) -> Floats:
    total: Floats = pi.sum(axis=0)
    return total


def test_nobody_is_a_batch_too() -> None:
    rhythm = Rhythm(BUILTIN.timing, [], [], [])
    assert len(rhythm) == 0
    assert rhythm.overdue(0.8, 90, 0.8).shape == rhythm.expected(365).shape == (0,)


def test_twenty_thousand_equal_gaps_leave_one_class_and_their_own_mean() -> None:
    ys = [4.0] * 20_000
    rhythm = Rhythm(PRIORS["even"], *sums([ys]))
    assert rhythm.pi[0, 0] == 1.0
    assert rhythm.window(0.5)[0] == pytest.approx(28, rel=1e-3)


@pytest.mark.parametrize(
    "call",
    [
        lambda r: r.window(0.0),
        lambda r: r.window(1.0),
        lambda r: r.window(math.nan),
        lambda r: r.expected(0),
        lambda r: r.expected(math.nan),
        lambda r: r.overdue(0.8, 0, 0.8),
        lambda r: r.overdue(0.8, 90, 1.0),
        lambda r: r.overdue(1.5, 90, 0.8),
    ],
)
def test_levels_out_of_range_are_refused(call: Callable[[Rhythm], Floats]) -> None:
    with pytest.raises(ValueError, match="must"):
        call(Rhythm(BUILTIN.timing, [0], [0], [0]))


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \(n,\)"):
        Rhythm(BUILTIN.timing, [1, 2], [0.0], [0.0])
