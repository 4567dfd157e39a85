"""How long a product lasts, against the same regression written down with matrices, and what it means for a shop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from agents.models.lasting import Lasts, lasts
from tables.parameters import BUILTIN_PRODUCTS
from tables.productprior import ProductPrior, ProductRhythm
from tables.products import DAY, KEPT, Products, Regular

T0 = 1_704_067_200
QUANTITIES = (0.25, 1.0, 2.0, 5.0)


def regular(bought: list[tuple[float, float]], category: str | None = None) -> Regular:
    """A product bought on these days, so much each."""
    products = Products({}, {}, {})
    for day, quantity in bought:
        products.buy("coffee", category, T0 + round(day * DAY), quantity)
    return products.regulars["coffee"]


def every(days: float, times: int) -> list[tuple[float, float]]:
    return [(days * number, 1.0) for number in range(times)]


def by_matrices(prior: ProductPrior, bought: list[tuple[float, float]]) -> Lasts:
    """Bayesian linear regression with weighted rows, then Student's t: nothing of it in closed form."""
    days, quantities = np.array(bought).T
    y, x = np.log(np.diff(days)), np.log(quantities[:-1])
    w = KEPT ** np.arange(y.size)[::-1]
    rows = np.column_stack([np.ones(y.size), x])
    rhythm = prior.overall
    own = np.diag([rhythm.k, prior.slope_k])
    begin = np.array([rhythm.mu, prior.slope])
    precision = own + rows.T @ (w[:, None] * rows)
    mean = np.linalg.solve(precision, own @ begin + rows.T @ (w * y))
    an = rhythm.a + w.sum() / 2
    off = y - rows @ mean
    bn = rhythm.b + (np.dot(w, off * off) + (mean - begin) @ own @ (mean - begin)) / 2
    now = np.array([1.0, np.log(quantities[-1])])
    scale = np.sqrt(bn / an * (1 + now @ np.linalg.solve(precision, now)))
    low, middle, high = np.exp(now @ mean + scale * student(2 * an).ppf([0.1, 0.5, 0.9]))
    return Lasts(float(middle), float(low), float(high))


@given(st.lists(st.tuples(st.integers(1, 300), st.sampled_from(QUANTITIES)), min_size=2, max_size=12))
def test_it_is_the_regression_that_it_claims_to_be(gaps: list[tuple[int, float]]) -> None:
    bought, day = [(0.0, 1.0)], 0
    for gap, quantity in gaps:
        day += gap
        bought.append((float(day), quantity))
    assert lasts(BUILTIN_PRODUCTS, regular(bought)) == pytest.approx(by_matrices(BUILTIN_PRODUCTS, bought), rel=1e-6)


@pytest.mark.parametrize("days", [3, 7, 30, 120, 300])
def test_a_customer_of_habit_is_believed_after_three_purchases(days: float) -> None:
    found = lasts(BUILTIN_PRODUCTS, regular(every(days, 3)))
    assert found.days == pytest.approx(days, rel=0.15)
    assert found.spread < 7
    sure = lasts(BUILTIN_PRODUCTS, regular(every(days, 12)))
    assert sure.days == pytest.approx(days, rel=0.04)
    assert sure.spread < found.spread


def test_no_rhythm_is_seen_as_such() -> None:
    assert lasts(BUILTIN_PRODUCTS, regular([(0, 1), (5, 1), (205, 1), (235, 1)])).spread > 20


def test_twice_the_quantity_lasts_longer_and_as_much_longer_as_it_did() -> None:
    once = [(0.0, 1.0), (30.0, 1.0), (60.0, 1.0), (90.0, 1.0)]
    unknown = lasts(BUILTIN_PRODUCTS, regular([*once, (120.0, 2.0)]))
    assert unknown.days == pytest.approx(30 * 2**BUILTIN_PRODUCTS.slope, rel=0.03)
    double = [(0.0, 1.0), (30.0, 2.0), (90.0, 1.0), (120.0, 2.0), (180.0, 1.0), (210.0, 2.0), (270.0, 1.0)]
    learned = lasts(BUILTIN_PRODUCTS, regular([*double, (300.0, 2.0)]))
    assert 52 < learned.days < 62
    stocked = [(0.0, 1.0), (30.0, 2.0), (60.0, 1.0), (90.0, 2.0), (120.0, 1.0), (150.0, 2.0), (180.0, 1.0)]
    assert lasts(BUILTIN_PRODUCTS, regular([*stocked, (210.0, 2.0)])).days < 42, "what is more is used up faster"


def test_a_category_has_a_rhythm_of_its_own() -> None:
    milk = ProductRhythm(mu=np.log(5.0), k=0.3, a=6.0, b=0.2)
    prior = ProductPrior(BUILTIN_PRODUCTS.overall, 0.7, 2.0, {"milk": milk})
    bought = [(0.0, 1.0), (9.0, 1.0), (18.0, 1.0)]
    assert lasts(prior, regular(bought, "milk")).days < lasts(prior, regular(bought, "tea")).days
    assert lasts(prior, regular(bought, "tea")) == lasts(prior, regular(bought))


@given(st.lists(st.tuples(st.integers(0, 1 << 31), st.sampled_from((1e-9, 1.0, 1e9))), min_size=3, max_size=20))
def test_whatever_comes_the_figures_are_figures(bought: list[tuple[int, float]]) -> None:
    products = Products({}, {}, {})
    for at, quantity in bought:
        products.buy("x", None, at, quantity)
    for one in products.regulars.values():
        found = lasts(BUILTIN_PRODUCTS, one)
        assert 0 < found.low <= found.days <= found.high < np.inf
