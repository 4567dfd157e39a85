"""Value foretold against what came: scores of rankings that are known, and shops that do what the model says."""

import numpy as np
import pytest

from agents.evidence.scoring import Trial
from agents.evidence.valuescore import Compared, ValueTrial, value_trial
from agents.fit.fitting import fit
from agents.fit.histories import Orders
from agents.models.value import Expected
from tables.orders import DAY
from tables.parameters import BUILTIN, BasketPrior, Parameters, TimingPrior
from tests.support.population import BEGIN, invented, log_of, shop_of

TRUTH = TimingPrior(mu0=1.6, tau2=0.8, a=0.6, b=3.0, weights=(0.1, 0.2, 0.3, 0.2, 0.2))
BASKET = BasketPrior(m0=3.2, k0=1.0, a0=9.0, b0=2.5)
MIDDLE = BEGIN + 500 * DAY


def compared(foretold: list[float], came: list[float]) -> Compared:
    mean = np.array(foretold)
    return Compared(Expected(mean, 0.5 * mean, 2.0 * mean), np.array(came))


def test_rankings_that_are_known() -> None:
    came = [8.0, 4.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    right = compared([9, 7, 5, 3, 0, 0, 0, 0, 0, 0], came)
    assert right.gini == pytest.approx(1.0)
    assert right.spearman == pytest.approx(1.0)
    assert right.caught(0.1) == right.possible == pytest.approx(8 / 15)
    wrong = compared([0, 0, 0, 0, 1, 1, 1, 1, 1, 1], came)
    assert wrong.gini is not None
    assert wrong.gini < -0.4
    assert wrong.caught(0.1) == 0.0
    assert compared([1, 1], [3, 4]).spearman is None
    nothing = compared([2, 1], [0, 0])
    assert (nothing.gini, nothing.caught(0.5), nothing.possible) == (None, None, None)


def test_intervals_are_counted_on_both_sides() -> None:
    assert compared([10] * 10, [1, 5, 6, 7, 8, 9, 10, 20, 21, 22]).interval == pytest.approx((0.1, 0.7, 0.2))


@pytest.fixture(scope="module")
def shop() -> tuple[Orders, int]:
    return invented(TRUTH, BASKET, customers=3000, days=865, joined_within=0.5)


def trial_of(orders: Orders, end: int) -> ValueTrial:
    found = value_trial(Trial(orders, MIDDLE, end), Parameters("truth", TRUTH, BASKET))
    assert found is not None
    return found


def test_a_shop_that_does_as_the_model_says_is_foretold(shop: tuple[Orders, int]) -> None:
    found = trial_of(*shop)
    assert found.days == 365
    assert found.value is not None
    for figure in (found.orders, found.value):
        assert figure.foretold.mean.sum() == pytest.approx(figure.came.sum(), rel=0.1)
        assert figure.gini is not None
        assert figure.gini > 0.7
        below, inside, above = figure.interval
        assert below < 0.12
        assert above < 0.12
        assert inside > 0.78
    rows = found.tenths()
    assert len(rows) == 10
    assert sum(row[0] for row in rows) == found.orders.came.size
    assert sum(row[4] for row in rows) == pytest.approx(found.value.came.sum())
    for _, orders_foretold, orders_came, foretold, came in rows[:7]:
        assert orders_foretold == pytest.approx(orders_came, rel=0.2)
        assert foretold == pytest.approx(came, rel=0.25)


def test_what_comes_after_the_date_changes_no_forecast(shop: tuple[Orders, int]) -> None:
    orders, end = shop
    whole, half = trial_of(orders, end), trial_of(orders.before(MIDDLE), end)
    np.testing.assert_array_equal(whole.orders.foretold.mean, half.orders.foretold.mean)
    assert half.orders.came.sum() == 0


def test_without_amounts_orders_alone_are_foretold(shop: tuple[Orders, int]) -> None:
    orders, end = shop
    bare = trial_of(shop_of(orders.customer, (orders.at - BEGIN) / DAY), end)
    assert bare.value is None
    np.testing.assert_allclose(
        bare.orders.foretold.mean.sum(), trial_of(orders, end).orders.foretold.mean.sum(), rtol=1e-3
    )
    assert all(row[3:] == (0.0, 0.0) for row in bare.tenths())


def test_where_nothing_is_known_nothing_is_told(shop: tuple[Orders, int]) -> None:
    orders, end = shop
    assert value_trial(Trial(orders, BEGIN, end), BUILTIN) is None
    assert value_trial(Trial(orders, end, end), BUILTIN) is None


@pytest.mark.parametrize("kind", ["steady", "cohort"])
def test_invented_shops_are_ranked(kind: str) -> None:
    """Nobody told the model how they were made."""
    log = log_of(kind, 41)
    found = value_trial(
        Trial(log.orders, log.middle, log.end), fit(log.orders.before(log.middle), log.middle).parameters
    )
    assert found is not None
    assert found.value is not None
    assert found.orders.foretold.mean.sum() == pytest.approx(found.orders.came.sum(), rel=0.08)
    assert found.value.gini is not None
    assert found.value.gini > 0.7
    assert found.value.interval[0] < 0.13
    assert found.value.interval[2] < 0.13
