"""Dates of absence by a clock that is not the calendar's, against the model's own days of that clock."""

from datetime import date

import numpy as np
import pytest

from agents.models.planning import due_after, horizon_days, silent_after
from agents.models.timing import Rhythm
from tables.clock import CALENDAR, Clock
from tables.orders import DAY
from tests.support.rhythm import SHOP

DAY_0 = 19_700
RUSH = Clock(((date(2023, 12, 9), 1.0), (date(2024, 1, 28), 3.0), (date(2024, 2, 27), 0.5), (date(2024, 6, 1), 1.0)))
"""From day 0 on 50 calm days, a month of threefold pace, a slump, then calm again."""
SLOW = Clock(((date(2000, 1, 1), 0.5),))
X = np.array([0.0, 1.0, 3.0, 6.0, 12.0])
MEANS = np.log(np.array([5.0, 5.0, 1.0, 3.0, 9.0]))


def rhythm(unsure: float = 0.0) -> Rhythm:
    return Rhythm(SHOP.timing, X, X * MEANS, X * MEANS**2 + 0.1 * X, unsure=unsure)


def at(day: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.full(X.size, (DAY_0 + day) * DAY)


def test_by_the_calendar_it_is_the_model_s_own_date() -> None:
    found = silent_after(rhythm(), CALENDAR, at(0), 0.8, 90 * DAY, 0.8)
    assert found == pytest.approx(rhythm().overdue(0.8, 90, 0.8) * DAY)
    assert due_after(rhythm(), CALENDAR, at(0), 365 * DAY) == pytest.approx(rhythm().expected(365) * DAY)


def test_by_a_clock_of_half_the_pace_days_are_twice_as_long_and_horizons_half() -> None:
    found = silent_after(rhythm(), SLOW, at(0), 0.8, 90 * DAY, 0.8)
    assert found == pytest.approx(2 * rhythm().overdue(0.8, 45, 0.8) * DAY, rel=1e-5)
    assert due_after(rhythm(), SLOW, at(0), 365 * DAY) == pytest.approx(2 * rhythm().expected(182.5) * DAY, rel=1e-5)


@pytest.mark.parametrize("day", [0.0, 20.0, 60.0, 100.0])
def test_when_it_comes_both_conditions_hold_and_not_long_before(day: float) -> None:
    known, last = rhythm(), at(day)
    due = last + silent_after(known, RUSH, last, 0.8, 90 * DAY, 0.8)
    assert np.isfinite(due).sum() >= 4

    def holds(when: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        age = (RUSH.all_at(when) - RUSH.all_at(last)) / DAY
        sure = known.p_silent(age, horizon_days(RUSH, when, 90 * DAY)) >= 0.8 - 1e-4
        return np.asarray((age >= known.window(0.8) * (1 - 1e-6)) & sure)

    reached = np.isfinite(due)
    assert holds(np.where(reached, due, last + 4000 * DAY))[reached].all()
    before = last + 0.6 * (np.where(reached, due, last) - last)
    assert not holds(before)[reached].all()


def test_who_does_not_know_the_clock_waits_longer() -> None:
    sure, unsure = (silent_after(rhythm(blur), CALENDAR, at(0), 0.8, 90 * DAY, 0.8) for blur in (0.0, 0.8))
    assert (unsure > sure).all()
    assert rhythm(0.8).window(0.5) == pytest.approx(rhythm().window(0.5), rel=0.1)
