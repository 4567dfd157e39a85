"""One giant order: it makes no trend, nor does it hide one for years."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.decisions import Trigger
from agents.emitter import Emitter
from agents.rulebook.rules import Rules
from agents.triggers.basket import Baskets
from tables.basket import Basket
from tables.customer import Customer
from tables.parameters import BUILTIN
from tests.support.core import order

Floats = NDArray[np.float64]
CUSTOMERS = 1500
LEVEL, SCATTER = 3.2, 0.5


def stable(rng: np.random.Generator, orders: int) -> Floats:
    levels = rng.normal(LEVEL, 0.4, CUSTOMERS)
    return np.asarray(np.exp(rng.normal(levels[:, None], SCATTER, (CUSTOMERS, orders))), dtype=np.float64)


def lived(totals: Floats) -> tuple[list[tuple[int, str]], Basket]:
    """What was told, with the number of the order, and what is remembered in the end."""
    emitter, customer, told = Emitter(), Customer(), []
    agent = Baskets(Rules(), BUILTIN.basket, emitter)
    for number, total in enumerate(totals.tolist()):
        agent.add("ann", customer, order(number, total), number)
        told += [(number, decision.type) for decision in emitter.take() if isinstance(decision, Trigger)]
    assert customer.basket is not None
    return told, customer.basket


def share(totals: Floats, name: str, since: int) -> float:
    """Of customers that are told of it, from that order on."""
    return float(np.mean([any(kind == name and at >= since for at, kind in lived(row)[0]) for row in totals]))


@pytest.mark.parametrize("when", [3, 6, 12])
def test_it_tells_nobody_that_baskets_have_grown(when: int) -> None:
    """Hardly more than are told without it; and not many more afterwards that they shrink."""
    totals = stable(np.random.default_rng(1), when + 11)
    giants = totals.copy()
    giants[:, when] *= 100
    usual, with_it = share(totals, "basket.grown", when), share(giants, "basket.grown", when)
    assert with_it < usual + 0.01, (usual, with_it)
    assert share(giants[:, : when + 1], "basket.grown", when) < 0.02, "nor is the giant itself told of as a trend"
    assert share(giants, "basket.shrinking", when) < share(totals, "basket.shrinking", when) + 0.05


@pytest.mark.parametrize("when", [3, 6])
def test_it_hides_no_trend_that_comes_later(when: int) -> None:
    """Baskets cut to 0.4 of their size from the eighth order after it on: found about as often as without it."""
    totals = stable(np.random.default_rng(2), when + 14)
    totals[:, when + 8 :] *= 0.4
    giants = totals.copy()
    giants[:, when] *= 100
    without, with_it = (share(rows, "basket.shrinking", when + 8) for rows in (totals, giants))
    assert without > 0.7
    assert with_it > without - 0.2


def test_what_is_usual_stays_near_what_it_was() -> None:
    totals = stable(np.random.default_rng(3), 16)
    giants = totals.copy()
    giants[:, 5] *= 100
    off, wider = [], []
    for row, changed in zip(totals[:400], giants[:400], strict=True):
        before, after = lived(row)[1], lived(changed)[1]
        off.append(after.typical / before.typical)
        wider.append((after.log_spread or 0.0) / (before.log_spread or 1.0))
        assert after.revenue == pytest.approx(math.fsum(changed.tolist())), "money is money"
    assert np.median(off) < 1.12, "100 ** (1 / 16) = 1.33 as a plain mean has it"
    assert np.median(wider) < 1.4


def test_a_change_for_good_is_caught_up_with() -> None:
    """From the tenth order on ten times as much: told within five orders, and the usual basket follows."""
    totals = stable(np.random.default_rng(4), 40)[:300]
    totals[:, 10:] *= 10
    found = [lived(row) for row in totals]
    told = [min((at for at, kind in events if kind == "basket.grown" and at >= 10), default=99) for events, _ in found]
    assert np.mean(np.array(told) < 15) > 0.95
    usual = np.median([basket.typical for _, basket in found])
    assert usual > 4 * math.exp(LEVEL)
