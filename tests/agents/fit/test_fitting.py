"""A fit finds the truth where there is one; where there is none it stays sensible and says what stands in for it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.fit.fitting import MIN_CUSTOMERS, Fitted, fit
from agents.fit.histories import Orders, occasions_of, orders_of
from agents.models.timing import Rhythm
from tables.orders import DAY
from tables.parameters import BUILTIN, BasketPrior, Parameters, TimingPrior
from tests.support.population import BEGIN, clockwork, invented, shop_of

TRUTH = TimingPrior(1.6, 0.5, 0.5, 3.0, (0.1, 0.3, 0.3, 0.2, 0.1))
BASKET = BasketPrior(3.5, 2.0, 5.0, 1.5)
YEARS_200 = 200 * 365.0


def newcomer(parameters: Parameters) -> Rhythm:
    return Rhythm(parameters.timing, [0], [0.0], [0.0])


def windows(parameters: Parameters, *levels: float) -> list[float]:
    """Of a customer of whom nothing is known yet, days."""
    return [float(newcomer(parameters).window(level)[0]) for level in levels]


def gone(parameters: Parameters) -> float:
    return parameters.timing.a / (parameters.timing.a + parameters.timing.b)


@pytest.fixture(scope="module")
def large() -> Fitted:
    return fit(*invented(TRUTH, BASKET, customers=5000, days=730))


def test_it_finds_the_truth(large: Fitted) -> None:
    found = large.parameters.timing
    assert found.mu0 == pytest.approx(TRUTH.mu0, abs=0.05)
    assert found.tau2 == pytest.approx(TRUTH.tau2, rel=0.1)
    assert gone(large.parameters) == pytest.approx(0.5 / 3.5, abs=0.01)
    assert found.weights == pytest.approx(TRUTH.weights, abs=0.04)
    true = Parameters("truth", TRUTH, BASKET)
    assert windows(large.parameters, 0.1, 0.5, 0.8, 0.9) == pytest.approx(windows(true, 0.1, 0.5, 0.8, 0.9), rel=0.04)
    basket = large.parameters.basket
    assert basket.m0 == pytest.approx(BASKET.m0, abs=0.03)
    assert (basket.k0, basket.a0, basket.b0) == pytest.approx((BASKET.k0, BASKET.a0, BASKET.b0), rel=0.12)
    assert large.notes == []


def test_gaps_that_are_open_count() -> None:
    """Of a young shop the long gaps are missing: who leaves them out finds a faster one."""
    orders, end = invented(TRUTH, BASKET, customers=6000, days=90, seed=3)
    closed = occasions_of(orders).gap
    naive = float(np.median(closed[np.isfinite(closed)]))
    (half,) = windows(fit(orders, end).parameters, 0.5)
    (true,) = windows(Parameters("truth", TRUTH, BASKET), 0.5)
    assert half == pytest.approx(true, rel=0.08)
    assert naive < 0.7 * true


@pytest.mark.parametrize("customers", [400, 100, 40])
def test_the_smaller_the_shop_the_nearer_to_the_truth_or_to_what_is_built_in(customers: int, large: Fitted) -> None:
    found = fit(*invented(TRUTH, BASKET, customers=customers, days=730, seed=5)).parameters
    low, high = windows(large.parameters, 0.5)[0] / 1.6, windows(large.parameters, 0.9)[0] * 1.6
    assert low < windows(found, 0.5)[0] < windows(found, 0.9)[0] < high


def test_the_same_orders_give_the_same_version_in_whatever_order_customers_are_counted(large: Fitted) -> None:
    orders, end = invented(TRUTH, BASKET, customers=5000, days=730)
    assert fit(orders, end) == large
    assert large.parameters.version == f"fit-{large.parameters.fingerprint}"
    shuffled = np.random.default_rng(1).permutation(5000)[orders.customer]
    renamed = fit(orders_of(shuffled, orders.at, orders.total, orders.currency), end)
    assert renamed.parameters.timing.mu0 == pytest.approx(large.parameters.timing.mu0, rel=1e-4)
    assert windows(renamed.parameters, 0.8) == pytest.approx(windows(large.parameters, 0.8), rel=1e-3)


def test_too_few_customers_keep_the_built_in_timing() -> None:
    orders, end = invented(TRUTH, BASKET, customers=MIN_CUSTOMERS - 1, days=730)
    found = fit(orders, end)
    assert found.parameters.timing == BUILTIN.timing
    assert found.notes == ["timing: the built-in figures; 29 customers, 30 are needed"]
    assert fit(shop_of(orders.customer, orders.at / DAY - BEGIN / DAY), end).parameters is BUILTIN


@pytest.mark.parametrize("days", [60, 1500])
def test_one_order_per_customer_keeps_the_built_in_rhythm(days: int) -> None:
    """And the longer nobody has come back, the surer that nobody will."""
    size = 2000
    found = fit(shop_of(np.arange(size), np.linspace(0, days, size)), BEGIN + days * DAY)
    timing = found.parameters.timing
    assert (timing.mu0, timing.tau2) == (BUILTIN.timing.mu0, BUILTIN.timing.tau2)
    assert timing.weights == pytest.approx(BUILTIN.timing.weights, abs=1e-5)
    assert gone(found.parameters) > 0.95
    assert "0 gaps between orders, 30 are needed" in found.notes[0]
    assert newcomer(found.parameters).p_silent([1.0], 90)[0] > 0.95


def test_customers_who_hardly_ever_return() -> None:
    found = fit(clockwork([[]] * 3000 + [[400.0]] * 35), BEGIN + 1500 * DAY)
    assert gone(found.parameters) > 0.9
    half, most = windows(found.parameters, 0.5, 0.9)
    assert 100 < half < most < 3 * 365


@pytest.mark.parametrize(("every", "shop"), [(30.0, "a subscription"), (1.0, "a canteen"), (365.0, "a tax adviser")])
def test_a_shop_of_equal_gaps(every: float, shop: str) -> None:
    rng = np.random.default_rng(1)
    found = fit(clockwork([every] * size for size in rng.integers(1, 12, 500)), BEGIN + round(13 * every) * DAY)
    half, most = windows(found.parameters, 0.5, 0.9)
    assert half == pytest.approx(every, rel=0.03), shop
    assert every < most < 1.45 * every
    regular = Rhythm(found.parameters.timing, [6], [6 * np.log(every / 7)], [6 * np.log(every / 7) ** 2])
    assert every < regular.window(0.9)[0] < 1.4 * every
    assert found.parameters.timing.weights[0] > 0.9


def test_a_shop_of_two_populations_tells_them_apart_by_their_orders() -> None:
    rng = np.random.default_rng(1)
    weekly = [rng.normal(7, 1, 40).tolist() for _ in range(300)]
    yearly = [rng.normal(365, 20, 3).tolist() for _ in range(300)]
    found = fit(clockwork(weekly + yearly), BEGIN + 1300 * DAY)
    assert found.parameters.timing.tau2 > 2
    for gap in (7.0, 365.0):
        logs = np.log(gap / 7)
        known = Rhythm(found.parameters.timing, [3], [3 * logs], [3 * logs**2])
        assert known.window(0.5)[0] == pytest.approx(gap, rel=0.15)
        assert known.window(0.9)[0] < 2 * gap


def test_one_giant_customer_is_not_the_shop() -> None:
    """A robot that orders every hour, beside a hundred times fewer orders of everybody else."""
    rng = np.random.default_rng(1)
    usual = [np.maximum(rng.normal(30, 8, size), 3).tolist() for size in rng.integers(1, 6, 300)]
    found = fit(clockwork([*usual, [1 / 24] * 9000]), BEGIN + 400 * DAY).parameters
    half, most = windows(found, 0.5, 0.9)
    assert half == pytest.approx(30, rel=0.25)
    assert most < 120


def test_ten_years_of_silence_in_between() -> None:
    rng = np.random.default_rng(1)
    gaps = [[20.0, 20.0 + age, 3650.0, 25.0, 20.0] for age in rng.uniform(0, 10, 400).tolist()]
    found = fit(clockwork(gaps), BEGIN + 3800 * DAY).parameters
    half, most = windows(found, 0.5, 0.9)
    assert 15 < half < 90  # weeks, not years: the shop was closed, as far as anybody can tell
    assert most < 20 * 365


@pytest.mark.parametrize("jitter", [0.0, 0.01])
def test_subscribers_who_never_skip(jitter: float) -> None:
    rng = np.random.default_rng(1)
    months = (30 * rng.normal(1, jitter, (300, 12))).tolist()
    timing = fit(clockwork(months), BEGIN + 365 * DAY).parameters.timing
    assert timing.skip == 0
    known = Rhythm(timing, [6], [6 * np.log(30 / 7)], [6 * np.log(30 / 7) ** 2])
    assert known.window(0.9)[0] < 33


def test_gaps_of_one_month_and_of_two_and_nothing_between() -> None:
    """As many long ones as short ones: skipping or not, windows lie where gaps do."""
    rng = np.random.default_rng(1)
    found = fit(clockwork(rng.choice([30.0, 60.0], (300, 12)).tolist()), BEGIN + 730 * DAY).parameters
    half, most = windows(found, 0.5, 0.9)
    assert 25 < half < 65
    assert most < 100


def test_it_does_not_look_ahead() -> None:
    orders, end = invented(TRUTH, BASKET, customers=50, days=100)
    with pytest.raises(ValueError, match="lies after"):
        fit(orders, end - 50 * DAY)


def test_short_history_is_told() -> None:
    found = fit(*invented(TRUTH, BASKET, customers=2000, days=30))
    assert found.notes == ["timing: only 30 days of history; longer gaps than that are not known yet"]


def test_amounts_of_another_currency_are_another_matter() -> None:
    orders, end = invented(TRUTH, BASKET, customers=1000, days=730)
    yen = orders.customer % 10 == 0
    mixed = Orders(orders.customer, orders.at, np.where(yen, 150, 1) * orders.total, yen.astype(np.int64))
    found = fit(mixed, end)
    assert found.parameters.basket.m0 == pytest.approx(BASKET.m0, abs=0.06)
    assert "baskets: from the currency of 89% of the orders" in found.notes[0]


GAP = st.one_of(st.sampled_from([0.01, 1.0, 7.0, 30.0, 365.0]), st.floats(0.0, 1500.0))
CUSTOMERS = st.lists(st.lists(GAP, max_size=6), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(kinds=CUSTOMERS, copies=st.sampled_from([1, 10, 200]), amounts=st.sampled_from([0.0, 1e-3, 10.0, 1e12]))
def test_whatever_the_shop_every_figure_is_one_that_a_person_could_act_on(
    kinds: list[list[float]], copies: int, amounts: float
) -> None:
    orders = clockwork(kinds * copies)
    end = int(orders.at.max()) + DAY
    paid = orders_of(orders.customer, orders.at, np.full(len(orders), amounts), orders.currency)
    found = fit(paid, end).parameters  # its checks refuse what is not finite
    half, most = windows(found, 0.5, 0.9)
    assert 0.5 <= half <= most <= 30 * 365
    rhythm = occasions_of(orders).rhythm(found.timing)
    for level in (0.1, 0.5, 0.8, 0.9):
        of_all = rhythm.window(level)
        assert ((of_all > 0.02) & (of_all < YEARS_200)).all()
    silent = rhythm.p_silent(np.full(len(rhythm), 30.0), 90)
    assert ((silent >= 0) & (silent <= 1)).all()
