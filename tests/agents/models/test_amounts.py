"""Basket scores against the textbook's distributions, and the arithmetic of trends."""

import math

import pytest
from scipy import stats
from scipy.integrate import quad

from agents.models import amounts
from agents.models.amounts import score
from tables.parameters import BUILTIN, BasketPrior

PRIOR = BUILTIN.basket


def pull(amounts: list[float]) -> float:
    """k0 as it counts for these: whoever lies d standard deviations of the population off is pulled to it by less."""
    if not amounts:
        return PRIOR.k0
    mean = math.fsum(map(math.log, amounts)) / len(amounts)
    variance = PRIOR.b0 / PRIOR.a0 * (1 / PRIOR.k0 + 1 / len(amounts))
    return PRIOR.k0 * min(1.0, 5 / (4 + (mean - PRIOR.m0) ** 2 / variance))


def history(logs: list[float]) -> tuple[int, float, float]:
    """n, sum and squared deviations of log amounts."""
    total = math.fsum(logs)
    mean = total / max(len(logs), 1)
    return len(logs), total, math.fsum((value - mean) ** 2 for value in logs)


@pytest.mark.parametrize("amounts", [[], [20.0], [12.0, 30.0, 18.5], [50.0] * 40])
@pytest.mark.parametrize("amount", [0.5, 9.0, 25.0, 400.0])
def test_score_is_the_posterior_predictive(amounts: list[float], amount: float) -> None:
    """Updated one order at a time by the conjugate rules, then Student's t."""
    m, k, a, b = PRIOR.m0, pull(amounts), PRIOR.a0, PRIOR.b0
    for earlier in amounts:
        off = math.log(earlier) - m
        m, k, a, b = m + off / (k + 1), k + 1, a + 0.5, b + 0.5 * k / (k + 1) * off**2
    scale = math.sqrt(b * (k + 1) / (a * k))
    scored = score(PRIOR, *history([math.log(value) for value in amounts]), amount)
    assert scored.t == pytest.approx((math.log(amount) - m) / scale, rel=1e-9)
    assert scored.p == pytest.approx(stats.t.cdf(math.log(amount), 2 * a, m, scale), rel=1e-8)
    assert scored.z == pytest.approx(stats.norm.ppf(scored.p), abs=1e-6)
    assert scored.typical == pytest.approx(math.exp(m))


def test_prior_predictive_is_the_integral_over_the_unknown_variance() -> None:
    """The p of a first order: the mean integrated out by hand, the variance numerically."""
    amount = 10.0

    def given(variance: float) -> float:
        own = stats.norm.cdf(math.log(amount), PRIOR.m0, math.sqrt(variance * (1 + 1 / PRIOR.k0)))
        return float(own * stats.invgamma.pdf(variance, PRIOR.a0, scale=PRIOR.b0))

    assert score(PRIOR, 0, 0.0, 0.0, amount).p == pytest.approx(quad(given, 0, 20, limit=200)[0], rel=1e-6)


@pytest.mark.parametrize("n", [0, 1, 100, 100_000])
@pytest.mark.parametrize("amount", [5e-324, 1e-9, 30.0, 1e12, 1.7e308])
def test_z_stays_finite_where_p_runs_out(n: int, amount: float) -> None:
    scored = score(PRIOR, n, n * math.log(30.0), 0.0, amount)
    assert all(map(math.isfinite, (scored.t, scored.p, scored.z, scored.mn, scored.joins)))
    assert 0 <= scored.p <= 1
    assert abs(scored.z) < 38
    assert (scored.z < 0) == (scored.t < 0)


def test_z_is_symmetric_and_ordered_far_out() -> None:
    prior = BasketPrior(0.0, 1.0, 50.0, 1.0)
    factors = [1.5, 3.0, 10.0, 1e3, 1e9]
    above = [score(prior, 0, 0.0, 0.0, factor).z for factor in factors]
    below = [score(prior, 0, 0.0, 0.0, 1 / factor).z for factor in factors]
    assert above == sorted(above)
    assert above == pytest.approx([-z for z in below])


def test_squared_deviations_below_zero_are_rounding() -> None:
    assert score(PRIOR, 4, 4 * 3.0, -1e-12, 25.0).t == score(PRIOR, 4, 4 * 3.0, 0.0, 25.0).t


@pytest.mark.parametrize("amount", [0.0, -5.0])
def test_an_amount_of_nothing_has_no_score(amount: float) -> None:
    with pytest.raises(ValueError, match=r"math domain error|expected a positive input"):
        score(PRIOR, 0, 0.0, 0.0, amount)


def test_shrunk_needs_both_rarity_and_size() -> None:
    steady = history([math.log(50.0)] * 60)
    small, mild = score(PRIOR, *steady, 20.0), score(PRIOR, *steady, 30.0)
    assert amounts.is_shrunk(small, 20.0, p=0.05, ratio=0.5)
    assert not amounts.is_shrunk(mild, 30.0, p=0.5, ratio=0.5)  # rare enough, but more than half
    assert not amounts.is_shrunk(small, 20.0, p=small.p, ratio=0.5)
    loose = score(PRIOR, 0, 0.0, 0.0, 12.0)
    assert not amounts.is_shrunk(
        loose, 12.0, p=0.01, ratio=0.5
    )  # half of the typical amount, but not rare for a stranger


def test_who_spends_like_nobody_else_is_compared_with_themselves() -> None:
    """In yen, say: after three orders the fourth is no surprise, and a tenth of it is one."""
    logs = [math.log(8000.0), math.log(8300.0), math.log(7900.0)]
    far = history(logs)
    assert abs(score(PRIOR, *far, 8100.0).z) < 0.3
    assert score(PRIOR, *far, 8100.0).typical == pytest.approx(8066, rel=0.15)
    assert score(PRIOR, *far, 800.0).p < 0.02
    near = history([math.log(26.0), math.log(27.0), math.log(25.5)])
    usual = (PRIOR.k0 * PRIOR.m0 + near[1]) / (PRIOR.k0 + 3)
    assert score(PRIOR, *near, 26.0).typical == pytest.approx(math.exp(usual)), "others are pulled as they were"


@pytest.mark.parametrize("n", [1, 3, 40])
def test_an_amount_joins_no_further_out_than_it_would_be_believed(n: int) -> None:
    past = n, n * math.log(30.0), 0.1 * n
    for amount in (1e-6, 12.0, 31.0, 70.0, 1e9):
        scored = score(PRIOR, *past, amount)
        out = abs(scored.t) > 2.5
        assert (scored.joins == math.log(amount)) is not out
        if out:
            again = score(PRIOR, *past, math.exp(scored.joins))
            assert again.t == pytest.approx(amounts.weighed(scored.t))
    assert score(PRIOR, 0, 0.0, 0.0, 1e9).joins == math.log(1e9), "the first one says who the customer is"


def test_what_a_surprise_counts_for_a_trend() -> None:
    counts = {0.0: 0.0, 1.3: 1.3, 2.5: 2.5, 3.0: 2.5, 3.5: 2.5, 4.25: 1.25, 5.0: 1.2, 30.0: 1.2}
    for z, weight in counts.items():
        assert amounts.weighed(z) == pytest.approx(weight)
        assert amounts.weighed(-z) == pytest.approx(-weight)


def test_trend_arithmetic() -> None:
    assert amounts.smooth(0.5, -1.0) == pytest.approx(0.3 * -1.0 + 0.7 * 0.5)
    assert amounts.drift_down(1.0, -1.2) == pytest.approx(1.7)
    assert amounts.drift_down(1.0, 2.0) == 0.0
    assert amounts.drift_up(1.0, 1.2) == pytest.approx(1.7)
    assert amounts.drift_up(1.0, -2.0) == 0.0
