"""The population's clock against its definition: a day of the calendar after the other."""

from datetime import date, timedelta

import numpy as np
import pytest

from tables.clock import CALENDAR, Clock
from tables.orders import DAY

FIRST = date(2024, 1, 1)
BEGIN = 19_723 * DAY
PACES = ((FIRST, 0.5), (FIRST + timedelta(days=10), 2.0), (FIRST + timedelta(days=12), 0.25))


def plain(day: float) -> float:
    """Days of the clock from the first pace on, in steps of a thousandth of a day."""
    return sum(0.001 * (0.5 if at < 10 else 2.0 if at < 12 else 0.25) for at in np.arange(0, day, 0.001) + 0.0005)


@pytest.mark.parametrize("day", [0.0, 3.5, 10.0, 11.0, 12.0, 40.25])
def test_it_runs_at_its_paces(day: float) -> None:
    clock = Clock(PACES)
    at = BEGIN + round(day * DAY)
    assert clock.between(BEGIN, at) / DAY == pytest.approx(plain(day), abs=1e-6)
    assert clock.all_at([at, BEGIN])[0] == clock.at(at)
    assert clock.all_when([clock.at(at)])[0] == clock.when(clock.at(at)) == pytest.approx(at, abs=1)
    assert clock.all_pace([at])[0] == (0.5 if day < 10 else 2.0 if day < 12 else 0.25)


def test_before_its_first_pace_it_runs_as_calendars_do() -> None:
    clock = Clock(PACES)
    assert clock.between(BEGIN - 9 * DAY, BEGIN - 2 * DAY) == 7 * DAY
    assert clock.between(BEGIN - 9 * DAY, BEGIN + 2 * DAY) == 10 * DAY
    assert clock.all_when([clock.at(BEGIN - 5 * DAY)])[0] == BEGIN - 5 * DAY
    assert clock.all_pace([BEGIN - 1])[0] == 1.0


def test_what_never_comes_stays_so() -> None:
    assert Clock(PACES).all_when([np.inf])[0] == np.inf


def test_without_paces_it_is_the_calendar() -> None:
    assert CALENDAR.between(5, 12) == 7
    assert CALENDAR.at(BEGIN) == CALENDAR.when(BEGIN) == BEGIN
    assert CALENDAR.all_pace([BEGIN])[0] == 1.0
    np.testing.assert_array_equal(CALENDAR.all_at([1, BEGIN]), [1, BEGIN])
    np.testing.assert_array_equal(CALENDAR.all_when([1.5, np.inf]), [1.5, np.inf])
