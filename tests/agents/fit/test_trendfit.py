"""Limits of the trend rules that a fit finds: they hold the rate of false alarms on shops of other customers."""

import numpy as np
import pytest

from agents.emitter import Emitter
from agents.fit.fitting import fit
from agents.fit.trendfit import LARGEST, LEAST, Strictness, strictness, trends_of
from agents.rulebook.rules import Rules
from agents.triggers.basket import Baskets
from tables.customer import Customer
from tables.orders import DAY
from tables.parameters import BUILTIN, BasketPrior
from tests.bench.baskets import SHAPES, Buyer, buyers_of, log_of, told_a_year
from tests.support.core import order
from tests.support.population import BEGIN


def test_what_is_followed_is_what_the_agent_follows() -> None:
    rng = np.random.default_rng(5)
    totals = rng.lognormal(3.5, 0.8, (40, 25)) * np.where(rng.random((40, 25)) < 0.05, 50.0, 1.0)
    ends = rng.integers(1, 26, 40)
    logs = np.where(np.arange(25) < ends[:, None], np.log(totals), np.nan)
    found = trends_of(logs, BUILTIN.basket)
    rules = Rules()
    for row, (amounts, end) in enumerate(zip(totals.tolist(), ends.tolist(), strict=True)):
        agent, customer = Baskets(rules, BUILTIN.basket, Emitter()), Customer()
        for number, amount in enumerate(amounts[:end]):
            agent.add("ann", customer, order(number, amount), number)
            basket = customer.basket
            assert basket is not None
            ewma, down, up = basket.ewma or 0.0, basket.down or 0.0, basket.up or 0.0
            shrinking, grown = rules.basket_shrinking, rules.basket_grown
            assert found.down[row, number] == pytest.approx(max(-ewma / shrinking.ewma, down / shrinking.cusum))
            assert found.up[row, number] == pytest.approx(max(ewma / grown.ewma, up / grown.cusum))


@pytest.mark.parametrize("name", ["log-normal, wide", "log-normal, weekly", "gamma", "heavy tails", "price list"])
def test_of_stable_customers_one_in_ten_is_told_a_year(name: str) -> None:
    """Of others than those it was fitted to; by the built-in figures it may be one in four."""
    learned = log_of(buyers_of(name, 400, 3))
    prior = fit(learned, int(learned.at.max())).parameters.basket
    told = told_a_year(buyers_of(name, 400, 4), prior)
    assert max(told.values()) < 0.14, told
    assert max(told.values()) > 0.05, "nor is everything silenced"


def test_customers_who_do_change_are_found_by_the_limits_of_their_shop() -> None:
    learned = log_of(buyers_of("gamma", 400, 3))
    prior = fit(learned, int(learned.at.max())).parameters.basket
    halved = []
    for buyer in buyers_of("gamma", 300, 5):
        if buyer.days.size >= 15:
            amounts = buyer.amounts[:15].copy()
            amounts[8:] *= 0.4
            halved.append(Buyer(buyer.days[:15] / buyer.days[14] * 300, amounts))
    assert told_a_year(halved, prior)["basket.shrinking"] > 0.75


def test_too_little_tells_nothing() -> None:
    few = log_of(buyers_of("log-normal", 5, 1))
    assert strictness(few, BUILTIN.basket, int(few.at.max())) == Strictness()
    once = log_of([Buyer(np.array([float(n)]), np.array([20.0])) for n in range(200)])
    assert strictness(once, BUILTIN.basket, int(once.at.max())) == Strictness()


def test_amounts_that_never_vary_do_not_lower_the_limits_without_end() -> None:
    same = log_of([Buyer(np.arange(0, 1095, 30.0), np.full(37, 9.99)) for _ in range(200)])
    found = strictness(same, BUILTIN.basket, int(same.at.max()))
    assert (found.down, found.up, found.rarer) == (LEAST, LEAST, 1.0)


def test_amounts_without_any_rhythm_do_not_raise_them_without_end() -> None:
    rng = np.random.default_rng(1)
    wild = log_of([Buyer(np.arange(0, 1095, 7.0), rng.lognormal(3, 4, 157).clip(0.01, 1e9)) for _ in range(100)])
    found = strictness(wild, BasketPrior(3.0, 1.0, 50.0, 0.5), int(wild.at.max()))
    assert found.down == found.up == LARGEST
    assert 0 < found.rarer < 0.01


def test_a_young_shop_is_judged_by_its_own_age() -> None:
    """A hundred days of weekly orders: fewer alarms may come in them than in a year."""
    rng = np.random.default_rng(2)
    young = log_of(
        [Buyer(np.sort(rng.uniform(0, 100, 15)), rng.lognormal(3.5, 0.4, 15)) for _ in range(600)],
    )
    old = log_of(
        [Buyer(np.sort(rng.uniform(0, 1000, 150)), rng.lognormal(3.5, 0.4, 150)) for _ in range(200)],
    )
    few, many = (strictness(log, BUILTIN.basket, int(log.at.max())) for log in (young, old))
    assert few.down == pytest.approx(many.down, rel=0.25)
    assert few.up == pytest.approx(many.up, rel=0.25)


def test_the_same_log_gives_the_same_limits_and_only_in_the_main_currency() -> None:
    learned = log_of(buyers_of("gamma", 300, 6))
    found = strictness(learned, BUILTIN.basket, BEGIN + 1095 * DAY)
    assert found == strictness(learned, BUILTIN.basket, BEGIN + 1095 * DAY)
    assert {"gamma", "heavy tails"} <= set(SHAPES)
