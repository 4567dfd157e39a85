"""Logs that no shop has, or that some shop has after all: a fit and its scores stay figures that a person could use."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from agents.evidence.scoring import Trial
from agents.fit.fitting import fit
from agents.fit.histories import Orders, orders_of
from agents.models.timing import Rhythm
from agents.rulebook.rules import Rules
from streams.backtest import Tally
from streams.histories import Histories
from streams.report.figures import Backtested, figures
from streams.report.fired import Fired
from streams.report.stories import Stories
from tables.orders import DAY
from tests.support.population import BEGIN, Ints

YEAR = 365 * DAY
RNG = np.random.default_rng(1)


def shop(customer: Ints, at: Ints) -> Orders:
    """Orders at times in ms from BEGIN, each worth 10."""
    size = customer.size
    return orders_of(customer, BEGIN + at, np.full(size, 10.0), np.zeros(size, dtype=np.int64))


def many(size: int, customers: int, span: int) -> Orders:
    return shop(RNG.integers(0, customers, size), RNG.integers(0, span, size))


LOGS: dict[str, Callable[[], Orders]] = {
    "one order": lambda: shop(np.array([0]), np.array([0])),
    "two orders": lambda: shop(np.array([0, 1]), np.array([0, DAY])),
    "two orders of one customer": lambda: shop(np.array([0, 0]), np.array([0, 40 * DAY])),
    "one customer": lambda: shop(np.zeros(400, np.int64), np.arange(400) * 2 * DAY),
    "all at the same instant": lambda: shop(np.arange(5000) % 900, np.zeros(5000, np.int64)),
    "all at two instants": lambda: shop(np.arange(6000) % 1500, (np.arange(6000) // 3000) * 300 * DAY),
    "a second apart": lambda: shop(np.arange(20_000) % 50, np.arange(20_000) * 1000),
    "a second before and after midnight": lambda: shop(
        np.repeat(np.arange(300), 40), np.tile(np.arange(40) // 2 * DAY + np.arange(40) % 2 * 1000 - 1, 300) + DAY
    ),
    "twenty years": lambda: many(6000, 600, 20 * YEAR),
    "twenty years, empty but for their ends": lambda: shop(
        np.r_[np.arange(400), np.arange(400)], np.r_[np.zeros(400, np.int64), np.full(400, 20 * YEAR)]
    ),
    "a month, then nothing for years, then a month": lambda: shop(
        RNG.integers(0, 300, 4000), RNG.integers(0, 30 * DAY, 4000) + np.repeat([0, 4 * YEAR], 2000)
    ),
    "three hundred thousand orders on a day": lambda: many(300_000, 100_000, DAY),
    "nearly all orders on one day of a year": lambda: shop(
        RNG.integers(0, 5000, 30_000), np.r_[np.full(25_000, 200 * DAY), RNG.integers(0, YEAR, 5000)]
    ),
    "a canteen": lambda: shop(np.repeat(np.arange(60), 60), np.tile(np.arange(60) * DAY, 60)),
    "before there were computers": lambda: shop(np.arange(900) % 300, np.arange(900) * DAY // 4 - BEGIN - 30 * YEAR),
}


@pytest.mark.parametrize("name", LOGS)
def test_whatever_the_log_says(name: str) -> None:
    orders = LOGS[name]()
    begin, end = int(orders.at.min()), int(orders.at.max())
    for middle in {(begin + end) // 2, end}:
        found = fit(orders.before(middle), middle)
        parameters = found.parameters
        newcomer = Rhythm(parameters.timing, [0], [0.0], [0.0], unsure=parameters.timing.unsure)
        half, most = float(newcomer.window(0.5)[0]), float(newcomer.window(0.9)[0])
        assert 0.4 < half <= most < 60 * 365
        assert all(0.05 <= rate <= 20 for _, rate in parameters.clock)
        trial = Trial(orders, middle, end)
        stories = Stories(Histories(orders, {}, (), frozenset()), trial)
        told = figures(Backtested(trial, parameters, found.notes, True, Rules(), Fired({}), stories, Tally()))
        json.dumps(told, allow_nan=False)
        for share in (*told["window_coverage"].values(), *told["forecast_coverage"].values()):
            assert share is None or 0 <= share <= 1


def test_a_shop_too_small_says_so() -> None:
    assert "customers, 30 are needed" in fit(LOGS["one customer"](), BEGIN + 800 * DAY).notes[0]
    assert "0 gaps between orders, 30 are needed" in fit(LOGS["all at the same instant"](), BEGIN + DAY).notes[0]
