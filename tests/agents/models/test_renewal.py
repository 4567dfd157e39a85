"""Sums of log-normal gaps, against laws that are known of them."""

import numpy as np
import pytest
from scipy.special import ndtr

from agents.models.renewal import GRID, MOST, follow, smoothed, stay, sums

SIGMAS = (0.2, 0.4, 0.7, 1.0, 1.4)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_sums_are_those_of_drawn_gaps(sigma: float) -> None:
    gaps = np.exp(sigma * np.random.default_rng(1).standard_normal((20_000, 60)))
    total, found = np.cumsum(gaps, axis=1), sums(sigma)
    for k in (1, 2, 3, 8, 13, 21, 60):
        drawn = np.searchsorted(np.sort(total[:, k - 1]), np.exp(GRID)) / len(total)
        np.testing.assert_allclose(found[k - 1], drawn, atol=0.03, err_msg=str(k))


@pytest.mark.parametrize("sigma", SIGMAS)
def test_in_the_long_run_orders_come_at_the_rate_of_the_mean_gap(sigma: float) -> None:
    """E M(t) -> t / mean + (variance - mean^2) / (2 mean^2), for gaps that go on for ever (Feller 1971, XI.3)."""
    mean = np.exp(sigma**2 / 2)
    beyond = (np.expm1(sigma**2) - 1) / 2
    expected = stay()[0] @ sums(sigma)
    for orders, within in ((60, 0.01), (150, 0.01), (500, 0.06)):
        t = orders * mean
        assert np.interp(np.log(t), GRID, expected) == pytest.approx(t / mean + beyond, rel=within)


def test_more_gaps_take_longer() -> None:
    found = sums(0.7)
    assert found.shape == (MOST, GRID.size)
    assert (np.diff(found, axis=0) <= 0.01).all()
    assert (np.diff(found, axis=1) >= -1e-6).all()
    assert found[:, -1].min() > 0.999
    assert found.min() >= 0


def test_who_may_leave_orders_less() -> None:
    (often, often_squared), (rarely, _) = stay(), follow(1.0, 1.0)
    assert rarely[:3].tolist() == pytest.approx([1 / 2, 1 / 3, 1 / 4])  # a uniform chance to leave
    assert often[:3].tolist() == [1, 1, 1]
    assert often_squared[:3].tolist() == [1, 3, 5]
    assert follow(1e-6, 1e6)[0] == pytest.approx(often, abs=1e-8)


def test_what_is_not_known_of_the_mean_smooths() -> None:
    table = np.array([ndtr((GRID - 1.0) / 0.5), np.ones(GRID.size)])
    found = smoothed(table, 1.2)
    inside = np.abs(GRID - 1) < 2
    np.testing.assert_allclose(found[0, inside], ndtr((GRID - 1.0) / 1.3)[inside], atol=1e-3)
    np.testing.assert_allclose(found[1], 1.0)
    assert smoothed(table, 0.0) is table
