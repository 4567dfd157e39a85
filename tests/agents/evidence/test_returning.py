"""The curve of returning: plain shares where everybody is watched to the end, and right where they are not."""

import numpy as np
import pytest

from agents.evidence.returning import returning
from agents.fit.histories import occasions_of
from tables.orders import DAY
from tests.support.population import BEGIN, clockwork


def test_watched_to_the_end_it_is_the_share() -> None:
    orders = clockwork([[10.0]] * 3 + [[50.0]] * 2 + [[]] * 5)
    found = returning(occasions_of(orders).take(occasions_of(orders).x == 0), BEGIN + 400 * DAY)
    assert found == pytest.approx({7: 0.0, 14: 0.3, 30: 0.3, 60: 0.5, 90: 0.5, 120: 0.5, 180: 0.5, 270: 0.5, 365: 0.5})


def test_who_joined_late_is_watched_for_less() -> None:
    """Half join on day 0 and half on day 80 of 100, all alike: the plain share would be too low."""
    rng = np.random.default_rng(1)
    gaps = rng.exponential(50, 40_000)
    orders = clockwork([[gap] if gap < (100 if i % 2 else 20) else [] for i, gap in enumerate(np.maximum(gaps, 1.0))])
    at = orders.at + np.where(orders.customer % 2 == 1, 0, 80 * DAY)
    occasions = occasions_of(type(orders)(orders.customer, at, orders.total, orders.currency))
    found = returning(occasions.take(occasions.x == 0), BEGIN + 100 * DAY)
    for day in (7, 14, 30, 60, 90):
        assert found[day] == pytest.approx(1 - np.exp(-day / 50), abs=0.02)


def test_nobody_has_no_curve() -> None:
    assert returning(occasions_of(clockwork([])), BEGIN) == {}
