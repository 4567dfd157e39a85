"""The prior of products: what is true of an invented shop is found, and what a log cannot tell is told."""

from math import exp, log
from pathlib import Path

import numpy as np
import pytest

from agents.fit.fitting import fit
from agents.fit.histories import NOTHING_SOLD, Sold
from agents.fit.productfit import MIN_PAIRS, fit_products
from agents.models.lasting import lasts
from tables.orders import DAY
from tables.parameters import BUILTIN, BUILTIN_PRODUCTS, dump_parameters, load_parameters
from tables.products import DAY as SECONDS
from tables.products import Products
from tests.support.core import T0, day, time_of
from tests.support.pantry import SPAN, Pantry, orders
from tests.support.population import invented

CATEGORIES = ("milk", "coffee", "hats")
MILK, COFFEE, HATS = range(3)


def sold(rows: list[tuple[int, int, int, float, float]]) -> Sold:
    """Rows of customer, product, category, day and quantity."""
    customer, product, category, at, quantity = np.array(rows).T
    return Sold(
        customer.astype(np.int64), (T0 + at * DAY).astype(np.int64), product.astype(np.int64),
        category.astype(np.int64), quantity,
    )  # fmt: skip


def habits(
    category: int, typical: float, pairs: int, *, scatter: float = 0.2, slope: float = 0.5, seed: int = 1
) -> Sold:
    """Customers, each of whom buys a product of their own one to four pieces at a time."""
    rng, rows = np.random.default_rng([seed, category]), []
    for number in range(pairs):
        own, at = rng.normal(log(typical), 0.4), 0.0
        for _ in range(rng.integers(3, 12)):
            quantity = float(rng.integers(1, 5))
            rows.append((number, 1000 * category + number, category, at, quantity))
            at += exp(own + slope * log(quantity) + rng.normal(0, scatter))
    return sold(rows)


def together(*parts: Sold) -> Sold:
    return Sold(*(np.concatenate(columns) for columns in zip(*map(columns_of, parts), strict=True)))


def columns_of(part: Sold) -> list[np.ndarray[tuple[int], np.dtype[np.generic]]]:
    return [part.customer, part.at, part.product, part.category, part.quantity]


def test_level_scatter_and_slope_are_found() -> None:
    prior, notes = fit_products(habits(COFFEE, 30.0, 400), CATEGORIES)
    assert notes == []
    assert prior.slope == pytest.approx(0.5, abs=0.04)
    assert exp(prior.overall.mu) == pytest.approx(30, rel=0.08)
    assert prior.overall.b / prior.overall.a == pytest.approx(0.2**2, rel=0.25)
    assert prior.overall.k <= 0.2


def test_categories_with_enough_of_them_have_their_own() -> None:
    log_of = together(habits(MILK, 5.0, 100), habits(COFFEE, 40.0, 60), habits(HATS, 200.0, MIN_PAIRS - 1))
    prior, _ = fit_products(log_of, CATEGORIES)
    assert set(prior.categories) == {"milk", "coffee"}
    assert exp(prior.categories["milk"].mu) == pytest.approx(5, rel=0.25)
    assert exp(prior.categories["coffee"].mu) == pytest.approx(40, rel=0.25)


def test_the_order_of_rows_and_splits_of_a_day_change_nothing() -> None:
    whole = habits(COFFEE, 30.0, 50)
    mixed = whole.take(np.random.default_rng(2).permutation(len(whole)))
    halves = together(*[
        Sold(whole.customer, whole.at, whole.product, whole.category, whole.quantity / 2) for _ in range(2)
    ])  # fmt: skip
    assert fit_products(whole, CATEGORIES) == fit_products(mixed, CATEGORIES) == fit_products(halves, CATEGORIES)


def test_what_it_cannot_tell_it_says() -> None:
    prior, notes = fit_products(NOTHING_SOLD, ())
    assert prior is BUILTIN_PRODUCTS
    assert notes == ["products: the built-in figures; no order says what was bought"]
    prior, notes = fit_products(habits(COFFEE, 30.0, MIN_PAIRS - 1), CATEGORIES)
    assert prior is BUILTIN_PRODUCTS
    assert notes == ["products: the built-in figures; products that a customer bought on 3 days: 29, 30 are needed"]


@pytest.mark.parametrize("quantity", [1e-9, 1.0, 1e9])
def test_hostile_logs_give_figures(quantity: float) -> None:
    rows = [(n % 40, 1, -1, float(n // 40), quantity) for n in range(400)]
    for some in (rows, [(c, p, k, 0.0, q) for c, p, k, _, q in rows]):
        prior, _ = fit_products(sold(some), ())
        assert np.isfinite([prior.slope, prior.overall.mu, prior.overall.a, prior.overall.b]).all()


def test_a_fit_holds_it_and_a_file_gives_it_back(tmp_path: Path) -> None:
    seen = habits(COFFEE, 30.0, 100)
    shop, end = invented(BUILTIN.timing, BUILTIN.basket, customers=100, days=400)
    found = fit(shop, end, seen, CATEGORIES).parameters
    assert found.products.categories.keys() == {"coffee"}
    assert found.fingerprint != fit(shop, end).parameters.fingerprint
    path = tmp_path / "parameters.json"
    path.write_bytes(dump_parameters(found))
    assert load_parameters(path) == found
    path.write_bytes(dump_parameters(BUILTIN))
    assert b"products" not in path.read_bytes()


def test_ranges_hold_what_they_promise_once_the_shop_is_known() -> None:
    """Learned on one half of an invented shop, held to the other."""
    bought = [one for one in orders(Pantry(), 200, 7) if one.items[0].product_id == "coffee"]
    rows = [(int(one.customer_id[1:]), 1, 0, (time_of(one) - T0) / DAY, one.items[0].quantity) for one in bought]
    prior, _ = fit_products(sold([row for row in rows if row[3] < SPAN / 2]), ("drinks",))
    inside, kept = [], {row[0]: Products({}, {}, {}) for row in rows}
    for place, (customer, _, _, at, quantity) in enumerate(rows):
        regular = kept[customer].buy("coffee", "drinks", day(at) // 1000, quantity)
        following = [row[3] for row in rows[place + 1 :] if row[0] == customer and row[3] >= at + 1]
        if regular is not None and SPAN / 2 < at < SPAN - 150 and customer % 10 and following:
            found = lasts(prior, regular)
            inside.append(found.low <= following[0] - day_of(regular.last) <= found.high)
    assert len(inside) > 500
    assert 0.75 < np.mean(inside) < 0.95


def day_of(at: int) -> float:
    return (at - T0 // 1000) / SECONDS
