"""Orders to come, against customers who are drawn from the model one order at a time."""

from dataclasses import fields

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from agents.models.outlook import Outlook, sight_of
from agents.models.timing import Rhythm
from agents.models.value import Expected, amounts, expected_orders, expected_value, orders_a_day
from tables.parameters import BUILTIN, TimingPrior
from tests.support.future import futures, spent

SLOWING = msgspec.structs.replace(BUILTIN.timing, shift=(0.28, 0.2, 0.14, -0.04), omega=0.5)
LOYAL = TimingPrior(mu0=1.4, tau2=0.5, a=0.5, b=5.0, weights=(0.2, 0.2, 0.2, 0.2, 0.2))
YEAR = 365.0
DRAWS = 120_000


def gaps_of(x: int, typical: float, scatter: float) -> NDArray[np.float64]:
    """So many gaps in weeks, around a typical one."""
    return typical * np.exp(scatter * np.linspace(-1.5, 1.5, x)) if x > 1 else np.full(x, typical)


def ahead_of(prior: TimingPrior, gaps: NDArray[np.float64], age: float, horizon: float = YEAR) -> Outlook:
    """Of one customer; age and horizon in days."""
    ln = np.log(gaps)
    x, s1, s2 = [float(gaps.size)], [float(ln.sum())], [float(np.square(ln).sum())]
    return sight_of(prior).of(x, Rhythm(prior, x, s1, s2), [age], horizon)


CASES = {
    "one order": (0, 1.0, 0.0, 1),
    "one order, long ago": (0, 1.0, 0.0, 200),
    "two orders": (1, 4.5, 0.0, 14),
    "some, irregular": (3, 2.0, 0.4, 30),
    "eight, irregular": (8, 4.0, 0.9, 7),
    "eight, silent": (8, 4.0, 0.9, 140),
    "twelve, like clockwork": (12, 4.5, 0.05, 3),
    "weekly": (30, 0.9, 0.3, 1),
    "every other day": (60, 0.3, 0.3, 1),
}


@pytest.mark.parametrize("prior", [BUILTIN.timing, LOYAL], ids=["cdnow", "loyal"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_it_is_what_such_customers_do(prior: TimingPrior, case: tuple[int, float, float, float]) -> None:
    x, typical, scatter, age = case
    gaps = gaps_of(x, typical, scatter)
    drawn = futures(prior, gaps, age / 7, YEAR / 7, DRAWS)
    found = ahead_of(prior, gaps, age)
    noise = 4 * drawn.std() / drawn.size**0.5
    assert found.some[0] == pytest.approx((drawn > 0).mean(), abs=4 * 0.5 / drawn.size**0.5)
    assert found.mean[0] == pytest.approx(drawn.mean(), rel=0.02, abs=noise)
    assert found.square[0] == pytest.approx(np.square(drawn).mean(), rel=0.06)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_intervals_hold_what_they_promise(case: tuple[int, float, float, float]) -> None:
    """One in ten customers comes to less, one in ten to more: the chance of no order at all aside."""
    prior, basket = BUILTIN.timing, BUILTIN.basket
    x, typical, scatter, age = case
    gaps, paid = gaps_of(x, typical, scatter), np.exp(3.4 + 0.4 * np.linspace(-1, 1, x + 1))
    drawn = futures(prior, gaps, age / 7, YEAR / 7, DRAWS)[:20_000]
    money = spent(basket, paid, drawn)
    ahead, a_day, ln = ahead_of(prior, gaps, age), np.ones(1), np.log(paid)
    worth = amounts(basket, [x + 1], [ln.mean()], [np.square(ln - ln.mean()).sum()])
    orders, value = expected_orders(ahead, a_day), expected_value(ahead, a_day, worth)
    none = float(1 - ahead.some[0])
    assert (drawn < orders.low[0]).mean() < 0.12
    assert (drawn > orders.high[0]).mean() < 0.12
    assert ((drawn >= orders.low[0]) & (drawn <= orders.high[0])).mean() > 0.78
    assert value.high[0] == 0 if none > 0.9 else 0.06 < (money > value.high[0]).mean() < 0.12
    if none < 0.08:
        assert (money < value.low[0]).mean() == pytest.approx(0.1, abs=0.02)
    else:
        assert none < 0.1 or value.low[0] == orders.low[0] == 0
    assert value.mean[0] == pytest.approx(money.mean(), rel=0.05)


def test_customers_who_slow_down_are_expected_to() -> None:
    gaps = gaps_of(1, 4.5, 0.0)
    same = msgspec.structs.replace(SLOWING, omega=0.0)
    drawn = futures(same, gaps, 2.0, YEAR / 7, DRAWS)
    assert ahead_of(same, gaps, 14).mean[0] == pytest.approx(drawn.mean(), rel=0.02)
    assert ahead_of(same, gaps, 14).mean[0] < 0.95 * ahead_of(BUILTIN.timing, gaps, 14).mean[0]


def everybody(n: int, seed: int = 1) -> tuple[NDArray[np.float64], ...]:
    """x, s1, s2, e1, e2 and ages of n customers of all kinds."""
    rng = np.random.default_rng(seed)
    x = np.minimum(rng.geometric(0.2, n) - 1, 400).astype(np.float64)
    mean = rng.normal(1.0, 1.2, n)
    return x, x * mean, x * (mean**2 + 0.3), x * mean, x * (mean**2 + 0.3), rng.uniform(0, 700, n)


def test_alone_or_among_others_a_customer_has_the_same() -> None:
    x, *sums, ages = everybody(300)
    sight = sight_of(SLOWING)
    together = sight.of(x, sight.rhythm(x, *sums), ages, YEAR)
    order = np.random.default_rng(2).permutation(300)
    other = sight.of(x[order], sight.rhythm(x[order], *(one[order] for one in sums)), ages[order], YEAR)
    for field in fields(Outlook):
        if field.name != "leaves":
            np.testing.assert_array_equal(getattr(other, field.name), getattr(together, field.name)[order])
    for i in range(0, 300, 37):
        alone = sight.of(x[i : i + 1], sight.rhythm(x[[i]], *(one[[i]] for one in sums)), ages[i], YEAR)
        assert (alone.some[0], alone.mean[0]) == (together.some[i], together.mean[i])


def test_more_time_brings_more_orders() -> None:
    x, *sums, ages = everybody(2000)
    sight = sight_of(BUILTIN.timing)
    rhythm = sight.rhythm(x, *sums)
    means = np.array([sight.of(x, rhythm, ages, days).mean for days in (10, 30, 90, 365, 730)])
    assert (np.diff(means, axis=0) >= -1e-3 * means[1:]).all()


def test_the_chance_of_an_order_is_that_of_the_triggers() -> None:
    x, s1, s2, e1, e2, ages = everybody(500)
    prior = BUILTIN.timing
    some = sight_of(prior).of(x, sight_of(prior).rhythm(x, s1, s2, e1, e2), ages, 90.0).some
    silent = Rhythm(prior, x, s1, s2, e1, e2).p_silent(ages, 90.0)
    np.testing.assert_allclose(some, 1 - silent, atol=1e-9)


@pytest.mark.parametrize("age", [0.0, 1e-9, 3650.0, 1e6])
@pytest.mark.parametrize("typical", [1e-3, 1.0, 1e4])
def test_there_is_always_a_number(age: float, typical: float) -> None:
    for prior in (BUILTIN.timing, LOYAL, msgspec.structs.replace(LOYAL, a=1e-6, b=1e6, tau2=100.0)):
        for x in (0, 1, 5, 3000):
            found = ahead_of(prior, gaps_of(x, typical, 0.3), age)
            worth = amounts(BUILTIN.basket, [x], [3.0 if x else 0.0], [0.5])
            for figure in (expected_orders(found, np.ones(1)), expected_value(found, np.ones(1), worth)):
                assert all(np.isfinite(part[0]) and part[0] >= 0 for part in figure)
                assert figure.low[0] <= figure.high[0]


@pytest.mark.parametrize("horizon", [0.0, -1.0, float("nan")])
def test_a_horizon_lies_ahead(horizon: float) -> None:
    with pytest.raises(ValueError, match="horizon_days must be positive"):
        ahead_of(BUILTIN.timing, gaps_of(2, 4.0, 0.1), 5.0, horizon)


# --- amounts ----------------------------------------------------------------------------------------------------------


def mean_amount(*paid: float) -> float:
    ln = np.log(paid)
    sums = ([ln.size], [ln.mean()], [np.square(ln - ln.mean()).sum()]) if paid else ([0], [0.0], [0.0])
    return float(amounts(BUILTIN.basket, *sums).mean[0])


def test_amounts_are_the_customers_own_the_more_of_them_there_are() -> None:
    population = mean_amount()
    assert population == pytest.approx(32, abs=5)
    assert (
        population
        < mean_amount(200)
        < mean_amount(200, 200, 200)
        < mean_amount(*[200] * 50)
        == pytest.approx(202, abs=5)
    )


def test_one_giant_order_does_not_make_a_giant() -> None:
    usual = mean_amount(*[20] * 9)
    assert mean_amount(*[20] * 9, 2000) < 3 * usual < np.mean([20] * 9 + [2000])
    assert mean_amount(*[20] * 9, 2e9) < 16 * usual


def test_orders_of_one_day_are_several() -> None:
    assert orders_a_day([1, 10, 30, 60], [1, 10, 10, 20]).tolist() == pytest.approx([1, 1, 32 / 12, 62 / 22])
    ahead = ahead_of(BUILTIN.timing, gaps_of(12, 4.5, 0.05), 3.0)
    one, two = (expected_orders(ahead, np.full(1, a_day)) for a_day in (1.0, 2.0))
    assert isinstance(one, Expected)
    assert [part[0] for part in two] == [2 * part[0] for part in one]
