"""The invented shops are what their names say: otherwise what they prove of the models is nothing."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.shops import SHOPS, YEAR, Floats, clock_of, orders_of


@pytest.mark.parametrize("name", SHOPS)
def test_a_log_is_sorted_whole_and_the_same_every_time(name: str) -> None:
    log = orders_of(name)
    assert (np.diff(log.time) >= 0).all()
    assert 0 <= log.time[0] <= log.time[-1] < SHOPS[name].days
    assert log.time[-1] > 0.95 * SHOPS[name].days
    assert (log.amount > 0).all()
    again = orders_of(name)
    assert np.array_equal(log.time, again.time)
    assert np.array_equal(log.customer, again.customer)
    assert not np.array_equal(log.time[:100], orders_of(name, seed=2).time[:100])
    assert np.unique(orders_of(name, customers=300).customer).size <= 300


def gaps_of(name: str) -> tuple[NDArray[np.int64], Floats]:
    """Number of the gap of its customer, from 1, and its length in days."""
    log = orders_of(name)
    order = np.lexsort((log.time, log.customer))
    customer, time = log.customer[order], log.time[order]
    inside = customer[1:] == customer[:-1]
    first = np.searchsorted(customer, customer)
    return (np.arange(customer.size) - first)[1:][inside], np.diff(time)[inside]


def test_cohorts_come_at_the_beginning_and_others_all_the_time() -> None:
    def last_comer(name: str) -> float:
        log = orders_of(name)
        firsts = np.full(log.customer.max() + 1, np.inf)
        np.minimum.at(firsts, log.customer, log.time)
        return float(np.quantile(firsts[np.isfinite(firsts)], 0.99)) / SHOPS[name].days

    assert last_comer("cohort") < 0.17
    assert last_comer("steady") > 0.95


def test_the_high_season_has_its_orders_and_the_slump_after_it_few() -> None:
    day = orders_of("seasonal").time % YEAR
    per_day = [np.mean((day >= low) & (day < high)) / (high - low) for low, high in ((315, 355), (0, 40), (90, 150))]
    assert per_day[0] > 1.7 * per_day[2] > 1.7 * per_day[1]


def test_a_promotion_brings_orders_forward() -> None:
    day = orders_of("promotions").time % 61
    assert np.mean(day < 5) / 5 > 2.5 * np.mean(day >= 19) / 42


def test_who_slows_down_has_longer_gaps_the_later_they_are() -> None:
    def growth(name: str) -> float:
        number, gap = gaps_of(name)
        return float(np.median(np.log(gap[number > 8])) - np.median(np.log(gap[number == 1])))

    assert growth("drifting") > growth("steady") + 0.2


def test_subscribers_come_every_thirty_days() -> None:
    _, gap = gaps_of("subscription")
    assert abs(np.median(gap) - 30) < 1
    assert 0.8 < np.mean(np.abs(gap - 30) < 6) < 0.99
    assert np.mean(np.abs(gap - 60) < 8) > 0.03


def test_who_shops_on_one_weekday_has_gaps_of_whole_weeks() -> None:
    _, gap = gaps_of("weekdays")
    assert (gap % 7 == 0).all()


def test_the_clock_runs_as_the_shop_says() -> None:
    assert clock_of(SHOPS["steady"])[-1] == SHOPS["steady"].days
    fading = clock_of(SHOPS["fading"])
    assert fading.shape == (SHOPS["fading"].days + 1,)
    assert np.diff(fading)[-1] == pytest.approx(np.exp(-0.4 * 729 / 365))
