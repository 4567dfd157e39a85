"""The clock as it goes on: it finds the season, keeps its past, and knows nothing of what comes later."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest

from agents.fit.fitting import fit
from agents.learning.following import extended, week_end
from agents.learning.refit import extend_clock
from agents.learning.remembered import occasions_in
from agents.learning.sample import Sample, merge
from tables.clock import Clock, day_of, ms_of
from tables.orders import DAY, WEEK
from tables.parameters import BUILTIN, Parameters
from tests.support.population import BEGIN, log_of
from tests.support.sampled import sample_of
from tests.support.shops import SHOPS

LOG = log_of("seasonal", 5)
FITTED = fit(LOG.orders.before(LOG.middle), LOG.middle).parameters


def followed(parameters: Parameters, until: int, step: int = WEEK) -> Parameters:
    """A worker's parameters from `LOG.middle` on, up to `until`."""
    at = week_end(parameters, LOG.middle)
    while at <= until:
        found = extend_clock(sample_of(LOG.orders, at, Clock(parameters.clock)), parameters, at)
        parameters = found or parameters
        at += step
    return parameters


@pytest.fixture(scope="module")
def year() -> Parameters:
    return followed(FITTED, LOG.end)


def test_it_finds_the_season(year: Parameters) -> None:
    clock, weeks = Clock(year.clock), np.arange(LOG.middle + 4 * WEEK, LOG.end - WEEK, WEEK)
    true = SHOPS["seasonal"].speed((weeks + WEEK // 2 - BEGIN) / DAY)
    told = clock.all_pace(weeks + WEEK // 2)
    assert np.corrcoef(np.log(told), np.log(true))[0, 1] > 0.9


def test_its_past_stays_as_it_was(year: Parameters) -> None:
    half = followed(FITTED, (LOG.middle + LOG.end) // 2)
    assert half.live is not None
    end = ms_of(half.live.since) + len(half.live.seen) * WEEK
    instants = np.arange(LOG.middle - 300 * DAY, end, DAY)
    before, after = (Clock(p.clock).all_pace(instants) for p in (half, year))
    assert before.tolist() == after.tolist()
    known = instants[instants < ms_of(FITTED.clock[-1][0])]
    assert Clock(FITTED.clock).all_pace(known).tolist() == Clock(year.clock).all_pace(known).tolist()


def test_it_says_how_far_it_is_known(year: Parameters) -> None:
    live = year.live
    assert live is not None
    running, usual = year.clock[-2:]
    assert ms_of(running[0]) == ms_of(live.since) + len(live.seen) * WEEK
    assert (usual[0] - running[0]).days == 7
    assert usual[1] == pytest.approx(live.usual, abs=1e-3)
    assert LOG.end - 2 * WEEK < ms_of(running[0]) <= LOG.end
    assert year.timing.unsure == 0
    assert FITTED.timing.unsure > 0
    assert all(a[0] < b[0] for a, b in pairwise(year.clock))


def test_nothing_is_new_within_a_week(year: Parameters) -> None:
    now = week_end(year, LOG.end) - 1
    assert extend_clock(sample_of(LOG.orders, now, Clock(year.clock)), year, now) is None
    assert extend_clock(sample_of(LOG.orders, now, Clock(year.clock)), year, now + 1) is not None


def test_weeks_that_were_missed_are_made_up_for() -> None:
    weekly, monthly = (followed(FITTED, LOG.middle + 30 * WEEK, step) for step in (WEEK, 4 * WEEK))
    assert weekly.clock[-1] == pytest.approx(monthly.clock[-1])
    instants = np.arange(LOG.middle, LOG.middle + 28 * WEEK, WEEK)
    one, other = (Clock(p.clock).all_pace(instants) for p in (weekly, monthly))
    np.testing.assert_allclose(one, other, rtol=0.1)


def test_partitions_together_see_what_one_sees() -> None:
    at = week_end(FITTED, LOG.middle + 10 * WEEK)
    whole = sample_of(LOG.orders, at, Clock(FITTED.clock))
    parts: list[Sample] = [whole.take(whole.of.hash % np.uint64(5) == part) for part in range(5)]
    assert extend_clock(merge(parts), FITTED, at) == extend_clock(whole, FITTED, at)


def test_without_a_level_there_is_no_clock() -> None:
    occasions = occasions_in(sample_of(LOG.orders, LOG.middle), Clock())
    assert extended(occasions, BUILTIN, LOG.middle) is None
    level = msgspec.structs.replace(BUILTIN.timing, level=1.0)
    assert extended(occasions, msgspec.structs.replace(BUILTIN, timing=level), LOG.middle) is None


def test_an_empty_shop_s_clock_goes_on_evenly() -> None:
    at = ms_of(FITTED.clock[-1][0]) + 5 * WEEK
    found = extend_clock(sample_of(LOG.orders.take(slice(0, 0)), at), FITTED, at)
    assert found is not None
    assert {rate for day, rate in found.clock if ms_of(day) >= LOG.middle + WEEK} == {1.0}


def test_weeks_end_on_mondays_or_with_the_clock() -> None:
    monday = week_end(BUILTIN, LOG.middle)
    assert day_of(monday).weekday() == 0
    assert 0 < monday - LOG.middle <= WEEK
    assert week_end(BUILTIN, monday) == monday + WEEK
    tail = ms_of(FITTED.clock[-1][0])
    assert week_end(FITTED, BEGIN) == tail + WEEK
    assert week_end(FITTED, tail + 3 * WEEK) == tail + 4 * WEEK
