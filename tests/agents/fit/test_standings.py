"""Quantiles of a shop's customers: from a log they are those of the worker's states."""

import numpy as np
import pytest

from agents.fit.fitting import fit
from agents.fit.histories import Orders, orders_of
from agents.fit.standings import MIN_CUSTOMERS, Purses, loyal_customers, standing_of
from agents.rulebook.rules import Rules
from agents.triggers.loyal import Loyalty
from tables.basket import Basket
from tables.customer import Customer
from tables.orders import DAY
from tables.parameters import BUILTIN, dump_parameters, load_parameters
from tables.standing import LEVELS
from tests.support.core import Shop, order
from tests.support.population import BEGIN, invented

NAMES = ("EUR", "CHF")


@pytest.fixture(scope="module")
def shop() -> tuple[Orders, int]:
    """400 customers; every fifth pays the first order in francs, some pay others so."""
    orders, end = invented(BUILTIN.timing, BUILTIN.basket, customers=400, days=500)
    currency = ((orders.customer % 5 == 0) | (np.arange(len(orders)) % 11 == 0)).astype(np.int64)
    total = np.where(np.arange(len(orders)) % 13 == 0, 0.0, orders.total)
    return orders_of(orders.customer, orders.at, total, currency), end


def test_purses_are_the_baskets_of_the_states(shop: tuple[Orders, int]) -> None:
    orders, _ = shop
    worker = Shop()
    for i in np.argsort(orders.at, kind="stable").tolist():
        name = f"c{orders.customer[i]}"
        worker.send(order(int(orders.at[i]), float(orders.total[i]), customer=name, currency=NAMES[orders.currency[i]]))
    worker.settle()
    purses = Purses(orders)
    for i in range(0, purses.customer.size, 7):
        state = worker.customer(f"c{purses.customer[i]}")
        assert state.basket is not None
        assert state.orders is not None
        assert (state.basket.currency, state.basket.n) == (NAMES[purses.currency[i]], purses.n[i])
        assert state.orders.count == purses.orders[i]
        assert state.basket.revenue == pytest.approx(purses.revenue[i])
        assert (state.basket.mean_ln, state.basket.ss) == pytest.approx((purses.mean_ln[i], purses.ss[i]), abs=1e-9)


def test_a_tenth_of_the_customers_is_the_upper_tenth(shop: tuple[Orders, int]) -> None:
    orders, end = shop
    standing = standing_of(orders, NAMES, BUILTIN, end)
    assert standing is not None
    assert set(standing.revenue) == set(standing.value) == set(NAMES)
    purses, place = Purses(orders), LEVELS.index(0.9)
    for number, name in enumerate(NAMES):
        spent = purses.revenue[(purses.currency == number) & (purses.n > 0)]
        assert np.mean(spent >= standing.revenue[name][place]) == pytest.approx(0.1, abs=0.02)
    loyal = loyal_customers(orders, NAMES, standing, 0.1, 1)
    assert loyal.mean() == pytest.approx(0.1, abs=0.02)
    assert (loyal_customers(orders, NAMES, standing, 0.1, 3) <= loyal).all()
    ahead = purses.foretold(BUILTIN, end).value.mean[(purses.currency == 0) & (purses.n > 0)]
    assert np.mean(ahead >= standing.value["EUR"][place]) == pytest.approx(0.1, abs=0.02)


def test_a_fit_carries_it_to_the_rules_and_back_from_a_file(
    shop: tuple[Orders, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    orders, end = shop
    found = fit(orders, end, currencies=NAMES).parameters
    assert found.standing is not None
    assert fit(orders, end).parameters.standing is None
    assert fit(orders, end).parameters.fingerprint != found.fingerprint
    path = tmp_path_factory.mktemp("fit") / "parameters.json"
    path.write_bytes(dump_parameters(found))
    assert load_parameters(path) == found
    loyalty = Loyalty(found, Rules().loyal_at_risk.share)
    least = found.standing.revenue["EUR"][LEVELS.index(0.9)]
    assert loyalty.least(Customer(basket=Basket("EUR", 3, revenue=least))) == pytest.approx(least)
    assert loyalty.least(Customer(basket=Basket("EUR", 3, revenue=0.99 * least))) is None
    assert loyalty.least(Customer(basket=Basket("USD", 3, revenue=1e9))) is None


def test_too_few_customers_are_no_shop(shop: tuple[Orders, int]) -> None:
    orders, end = shop
    few = orders.take(orders.customer < MIN_CUSTOMERS - 1)
    assert standing_of(few, NAMES, BUILTIN, end) is None
    assert standing_of(orders, (), BUILTIN, end) is None
    (note,) = [note for note in fit(few, end, currencies=NAMES).notes if note.startswith("standing")]
    assert note == (
        "standing: unknown, so loyal.at_risk stays silent; in none of its currencies do 50 customers have an amount"
    )
    free = orders_of(orders.customer, orders.at, np.zeros(len(orders)), orders.currency)
    assert not [note for note in fit(free, end, currencies=NAMES).notes if note.startswith("standing")]


def test_a_file_with_other_numbers_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("wrong") / "parameters.json"
    standing = b', "standing": {"revenue": {"EUR": [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]}, "value": {}}}'
    path.write_bytes(dump_parameters(BUILTIN).rstrip().removesuffix(b"}") + standing)
    with pytest.raises(ValueError, match=r"revenue of EUR: the quantiles must be amounts that rise"):
        load_parameters(path)


def test_the_beginning_of_a_shop() -> None:
    none = np.empty(0, np.int64)
    nobody = orders_of(none, none, np.empty(0), none)
    assert standing_of(nobody, NAMES, BUILTIN, BEGIN + DAY) is None
