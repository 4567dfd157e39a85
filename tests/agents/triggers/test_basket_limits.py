"""The thresholds of basket trends on the real orders by which they were set: see `agents/rulebook/rules.py`."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.emitter import Emitter
from agents.rulebook.rules import Rules
from agents.triggers.basket import Baskets
from tables.customer import Customer
from tables.parameters import BUILTIN
from tests.bench.fit_builtin import read_cdnow
from tests.support.core import order

Totals = NDArray[np.float64]


@pytest.fixture(scope="module")
def regulars() -> list[Totals]:
    """The totals above 0 of each customer who has 13 or more of them, in the order of time."""
    orders = read_cdnow()
    paid = orders.take(orders.total > 0)
    customer, amount = paid.customer, paid.total
    borders = [0, *(np.flatnonzero(np.diff(customer)) + 1), customer.size]
    return [amount[start:end] for start, end in pairwise(borders) if end - start >= 13]


def told(totals: Totals, earlier: int) -> tuple[bool, bool]:
    """Whether the rules' defaults tell, after the first `earlier` orders, that baskets shrink, and that they grow."""
    emitter, customer = Emitter(), Customer()
    agent = Baskets(Rules(), BUILTIN.basket, emitter)
    for number, total in enumerate(totals.tolist()):
        if number == earlier:
            emitter.take()
        agent.add("ann", customer, order(number, total), number)
    types = {decision.type for decision in emitter.take()}
    return "basket.shrinking" in types, "basket.grown" in types


@pytest.mark.parametrize(
    ("shuffled", "later", "factor", "shares"),
    [
        (True, 10, 1.0, (0.09, 0.09)),
        (True, 3, 1.0, (0.02, 0.02)),
        (True, 3, 0.5, (0.28, 0.0)),
        (True, 3, 0.3, (0.67, 0.0)),
        (True, 3, 2.0, (0.0, 0.26)),
        (True, 3, 3.0, (0.0, 0.56)),
        (False, 10, 1.0, (0.14, 0.12)),
    ],
    ids=["stable", "stable, soon", "halved", "cut to 0.3", "doubled", "trebled", "as it was"],
)
def test_who_is_told_of_a_trend(
    regulars: list[Totals], shuffled: bool, later: int, factor: float, shares: tuple[float, float]
) -> None:
    """Shuffled, a customer's own orders do not drift; the later ones are multiplied by `factor`."""
    rng = np.random.default_rng(11)
    found = []
    for totals in regulars:
        for earlier in (3, 5, 8):
            if totals.size >= earlier + 10:
                history = (rng.permutation(totals) if shuffled else totals)[: earlier + later].copy()
                history[earlier:] *= factor
                found.append(told(history, earlier))
    assert (len(regulars), len(found)) == (610, 1303)
    assert np.mean(found, axis=0) == pytest.approx(shares, abs=0.025)
