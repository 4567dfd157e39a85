"""A clock that runs as the shop's own does, and windows that hold because of it, on shops that it was not tuned to."""

import math
from functools import cache

import msgspec
import numpy as np
import pytest

from agents.evidence.scoring import CLASSES, Gaps, Trial, class_of, course_in, coverage, foretold_gaps
from agents.fit.clockfit import MIN_GAPS, Timing, refine
from agents.fit.course import Course, course_of
from agents.fit.fitting import fit, snapshot_at
from agents.fit.pacing import Observers
from agents.fit.smoothing import smoothed
from agents.fit.timingfit import fit_timing
from agents.models.bend import Bend
from tables.orders import DAY
from tables.parameters import BUILTIN, Parameters, TimingPrior
from tests.bench.calibration import flagged
from tests.support.population import BEGIN, clockwork, log_of

from tests.support.shops import SHOPS, clock_of as true_clock  # isort: skip

OTHER = 11
"""The seed of shops that nothing was chosen on."""


MOVING = ("seasonal", "seasonal cohort", "fading", "drifting", "subscription")
"""Shops of which the plain model is far off."""


def each(*names: str) -> pytest.MarkDecorator:
    """For each of these shops, all tests of a shop in one process: its fit takes seconds, and is made once."""
    marks = [pytest.param(name, marks=pytest.mark.xdist_group(f"clock of {name}")) for name in names]
    return pytest.mark.parametrize("name", marks)


def base(name: str, seed: int) -> TimingPrior:
    log = log_of(name, seed)
    return fit_timing(snapshot_at(log.orders.before(log.middle), log.middle))


@cache
def fitted(name: str) -> Parameters:
    """To the first half of the shop that nothing was chosen on."""
    log = log_of(name, OTHER)
    return fit(log.orders.before(log.middle), log.middle).parameters


@cache
def foretold(name: str) -> tuple[Gaps, Gaps]:
    """By the fit of the first half: with what it finds, and by the model without memory, shift, bend and clock."""
    log = log_of(name, OTHER)
    trial = Trial(log.orders, log.middle, log.end)
    found = fitted(name)
    return foretold_gaps(trial, found.timing, course_in(trial, found)), foretold_gaps(trial, base(name, OTHER))


def misses(u: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[float]:
    return [abs((share or 0.0) - level) for level, share in coverage(u).items()]


def most(gaps: Gaps) -> float:
    """What a share of that many may be off by chance, three standard errors."""
    return 1.5 / math.sqrt(gaps.window.size)


@each(*(name for name in SHOPS if name != "month"))
def test_windows_hold_out_of_time(name: str) -> None:
    found, plain = foretold(name)
    assert max(misses(found.window)) < 0.02 + most(found)
    assert max(misses(found.forecast)) < 0.035 + most(found)
    assert max(misses(found.window)) < max(misses(plain.window)) + 0.02
    for of_class in CLASSES:
        own = found.window[class_of(found.earlier, of_class)]
        if own.size > 150:
            assert max(misses(own)) < 0.05 + 1.5 / own.size**0.5, of_class


@each(*MOVING)
def test_without_it_they_would_not(name: str) -> None:
    found, plain = foretold(name)
    assert max(misses(plain.window)) > 0.08
    assert max(misses(found.window)) < 0.5 * max(misses(plain.window))


@each("seasonal", "seasonal cohort")
def test_triggers_allow_for_the_clock_that_they_do_not_follow(name: str) -> None:
    """As sure as they were asked to be, four in five, where they would be right about two times in three."""
    log = log_of(name, OTHER)
    trial = Trial(log.orders, log.middle, log.end)
    found = fitted(name)
    rash = msgspec.structs.replace(found, timing=msgspec.structs.replace(found.timing, unsure=0.0))
    precision, recall, _ = flagged(trial, found)
    assert precision > 0.78
    assert recall > 0.75
    assert flagged(trial, rash)[0] < precision - 0.08


@cache
def timing_and_course(name: str) -> tuple[Timing, Course]:
    """What the first half of a shop tells, and the clock of the whole of it."""
    log = log_of(name)
    timing = refine(log.orders.before(log.middle), base(name, 1), log.middle)
    return timing, course_of(log.orders, timing.prior, timing.clock, log.end)


@pytest.mark.parametrize(("name", "near"), [("seasonal", 0.2), ("seasonal cohort", 0.2), ("fading", 0.1)])
def test_the_clock_runs_as_the_shop_s_own(name: str, near: float) -> None:
    _, course = timing_and_course(name)
    days = np.arange(120, SHOPS[name].days, 30)
    found = np.diff(course.clock.all_at(BEGIN + days * DAY)) / DAY
    true = np.diff(true_clock(SHOPS[name])[days])
    ratio = np.log(found / true)
    assert np.std(ratio) < near < np.std(np.log(true)) + 0.05


@pytest.mark.parametrize("name", ["steady", "cohort", "decade"])
def test_of_a_calm_shop_it_runs_as_calendars_do(name: str) -> None:
    timing, course = timing_and_course(name)
    rates = course.clock.all_pace(BEGIN + np.arange(70, SHOPS[name].days) * DAY)
    assert np.std(np.log(rates)) < 0.04
    assert timing.prior.bend == (0.0, 0.0, 0.0)


def test_a_season_of_a_closed_cohort_is_no_change_of_its_customers() -> None:
    """All came at once, and order most in the last weeks: customers who order faster the more often they have."""
    timing, _ = timing_and_course("seasonal cohort")
    assert np.abs(timing.prior.shift).max() < 0.2
    rates = np.array([rate for _, rate in timing.clock])
    assert rates.max() > 3 * rates.min()


def test_what_comes_later_changes_no_week() -> None:
    log = log_of("seasonal")
    timing, whole = timing_and_course("seasonal")
    until = log.middle + 20 * 7 * DAY
    early = course_of(log.orders.before(until), timing.prior, timing.clock, until)
    weeks = early.since.size - 1
    np.testing.assert_allclose(whole.foretold[:weeks], early.foretold[:weeks], rtol=1e-9)
    np.testing.assert_allclose(whole.came_to[:weeks], early.came_to[:weeks], rtol=1e-9)
    assert len(whole.since) > weeks + 20


def test_weeks_that_are_over_are_told_by_those_around_them() -> None:
    rng = np.random.default_rng(1)
    season = np.exp(0.7 * np.sin(2 * np.pi * np.arange(104) / 52) ** 3)
    found = smoothed(rng.poisson(100 * season).astype(np.float64), np.full(104, 100.0))
    assert found.wander > 0
    assert np.abs(np.log(found.paces * season.mean() / season)).mean() < 0.06
    assert math.isclose(float(found.paces.mean()), 1.0)


@pytest.mark.parametrize("level", [0.5, 10.0, 1_000.0, 100_000.0])
def test_noise_is_no_season(level: float) -> None:
    rng = np.random.default_rng(3)
    found = smoothed(rng.poisson(level, 104).astype(np.float64), np.full(104, level))
    assert found.wander == 0
    assert np.array_equal(found.paces, np.ones(104))


@pytest.mark.parametrize("expected", [0.0, 1e-9, 50.0])
def test_weeks_without_orders_give_paces_all_the_same(expected: float) -> None:
    for weeks in (1, 2, 60):
        paces = smoothed(np.zeros(weeks), np.full(weeks, expected)).paces
        np.testing.assert_allclose(paces, 1.0, atol=0.02)


def test_a_shop_that_was_closed_for_years_goes_on_as_before() -> None:
    seen = np.concatenate([np.full(30, 100.0), np.zeros(300), np.full(30, 100.0)])
    paces = smoothed(seen, np.full(360, 100.0)).paces
    assert 0.8 < np.median(paces[:30]) < 1.2
    assert paces[100:250].max() < 0.25


def test_observers_follow_a_season_and_foretell_the_next_one() -> None:
    rng = np.random.default_rng(1)
    season = np.exp(0.6 * np.sin(2 * np.pi * np.arange(208) / 52) ** 3)
    observers, told = Observers(), []
    for rate in season:
        told.append(observers.tell())
        observers.learn(float(rng.poisson(150 * rate)), 150.0)
    off = np.abs(np.log(np.array(told) / season))
    assert off[:52].mean() < 0.12 < np.abs(np.log(season)).mean()
    assert off[156:].mean() < 0.7 * off[:52].mean()


def test_observers_go_along_with_a_short_season() -> None:
    """It runs up to seven times as fast within weeks: without those who follow a rise they are off by .34 to .41."""
    season = np.exp(2.0 * np.exp(-0.5 * np.square((np.arange(52) - 40) / 3)))
    weeks = slice(33, 47)
    for seed in range(2, 8):
        rng = np.random.default_rng(seed)
        observers, told = Observers(), []
        for rate in season:
            told.append(observers.tell())
            observers.learn(float(rng.poisson(150 * rate)), 150.0)
        assert np.abs(np.log(np.array(told) / season))[weeks].mean() < 0.33
        assert np.std(told[5:25]) < 0.1


def test_observers_stay_calm_over_noise() -> None:
    rng = np.random.default_rng(2)
    for level in (3.0, 100.0, 100_000.0):
        observers, told = Observers(), []
        for _ in range(150):
            told.append(observers.tell())
            observers.learn(float(rng.poisson(level)), level)
        assert np.std(np.log(told)) < (0.05 if level < 10 else 0.02), level


def test_no_orders_and_none_expected_are_no_news() -> None:
    observers = Observers()
    for _ in range(20):
        observers.learn(0.0, 0.0)
    assert observers.tell() == 1.0


def test_a_small_shop_keeps_the_plain_rhythm() -> None:
    orders = clockwork([[30.0, 31.0]] * (MIN_GAPS // 2 - 1))
    timing = refine(orders, BUILTIN.timing, BEGIN + 200 * DAY)
    assert (timing.prior, timing.clock) == (BUILTIN.timing, ())


@pytest.mark.parametrize("numbers", [(0.0, 0.0, 0.0), (0.3, 0.2, -0.2), (-1.0, 0.7, 1.0), (2.0, -2.0, 2.0)])
def test_a_bend_is_undone_by_its_inverse(numbers: tuple[float, float, float]) -> None:
    bend = Bend(*numbers)
    u = np.array([1e-6, 0.01, 0.3, 0.5, 0.8, 0.99, 1 - 1e-6])
    bent = bend.of(u)
    assert (np.diff(bent) > 0).all()
    assert ((bent > 0) & (bent < 1)).all() or numbers == (2.0, -2.0, 2.0)
    inside = (bent > 1e-20) & (bent < 1 - 1e-12)
    np.testing.assert_allclose(bend.inverse(bent)[inside], u[inside], rtol=1e-3)
