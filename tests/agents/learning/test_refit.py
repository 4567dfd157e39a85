"""A refit: what it finds, who judges it, what it leaves alone, and when it is due."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import msgspec
import numpy as np
import pytest

from agents.fit.histories import Orders
from agents.learning.judging import judge, judge_baskets
from agents.learning.livefit import baskets_in, fit_rhythm
from agents.learning.refit import EVERY, Refit, orders_in, refit, refit_due, renew
from agents.learning.remembered import occasions_in
from agents.learning.sample import EVERYBODY, Sample
from agents.learning.worth import FIRST
from tables.clock import CALENDAR, Clock
from tables.live import Live
from tables.orders import DAY, WEEK
from tables.parameters import BUILTIN, Parameters
from tests.support.population import log_of
from tests.support.sampled import sample_of

LOG = log_of("steady", 4)
SAMPLE = sample_of(LOG.orders, LOG.middle)
LOG_DAY = date(2021, 9, 13)


@pytest.fixture(scope="module")
def first() -> Refit:
    return refit(SAMPLE, BUILTIN, LOG.middle)


def adopted(found: Refit) -> Parameters:
    assert found.adopted
    assert found.parameters is not None
    return found.parameters


def test_a_shop_s_own_parameters_are_better_on_customers_who_had_no_part_in_them(first: Refit) -> None:
    found = adopted(first)
    assert first.before is not None
    assert first.after is not None
    assert first.after.ln_likelihood > first.before.ln_likelihood + 0.05
    later = occasions_in(sample_of(LOG.orders, LOG.end, remembered=10_000), CALENDAR)
    fresh = later.take(later.last_at >= LOG.middle)
    mine, builtin = (judge(fresh, prior, CALENDAR, LOG.end) for prior in (found.timing, BUILTIN.timing))
    assert mine.ln_likelihood > builtin.ln_likelihood
    assert mine.off is not None
    assert builtin.off is not None
    assert mine.off < 0.025 < builtin.off


def test_it_is_named_and_says_why(first: Refit) -> None:
    found = adopted(first)
    assert found.version == "live-2021-09-13T00:00Z"
    assert first.why.startswith("the rhythm is new: ln likelihood +")
    assert "\n" not in first.why
    assert found.timing.level > 0
    assert found.clock
    assert found.live is not None
    assert (found.live.fitted_at, found.live.orders) == (
        LOG.middle,
        orders_in(SAMPLE, occasions_in(SAMPLE, CALENDAR)),
    )


def test_who_judges_was_not_fitted_on(first: Refit) -> None:
    half = SAMPLE.held_back & (SAMPLE.of.hash % np.uint64(2) == 0)
    found = refit(SAMPLE.take(~half), BUILTIN, LOG.middle)
    assert found.after is not None
    assert first.after is not None
    assert found.after.gaps < 0.6 * first.after.gaps
    assert adopted(found).timing.mu0 == adopted(first).timing.mu0
    assert adopted(found).basket == adopted(first).basket


def faster(sample: Sample, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Sample:
    """Some customers order four times as fast as they did."""
    owner = np.repeat(rows, sample.of.orders)
    at = np.where(owner, LOG.middle - (LOG.middle - sample.at) // 4000 * 1000, sample.at)
    return replace(sample, at=at, of=replace(sample.of, x=np.full(len(sample), -1)))


def test_what_is_worse_for_who_is_held_back_is_not_adopted_and_says_so(first: Refit) -> None:
    current = msgspec.structs.replace(adopted(first), clock=(), live=None)
    odd = faster(SAMPLE, ~SAMPLE.held_back)
    found = refit(odd, current, LOG.middle)
    assert not found.adopted or "baskets are new" in found.why
    assert found.tried
    assert found.parameters is not None
    kept = msgspec.structs.replace(found.parameters.timing, level=current.timing.level, unsure=current.timing.unsure)
    assert kept == current.timing
    assert found.why.startswith("the rhythm stays, as it makes what customers who are held back did no likelier")
    assert found.before is not None
    assert found.after is not None
    assert found.after.ln_likelihood < found.before.ln_likelihood
    both = refit(faster(SAMPLE, np.ones(len(SAMPLE), dtype=np.bool_)), current, LOG.middle)
    assert both.why.startswith("the rhythm is new")


def test_the_clock_s_past_and_what_it_knows_nothing_of_stay(first: Refit) -> None:
    before = adopted(first)
    now = LOG.middle + 10 * WEEK
    found = refit(sample_of(LOG.orders, now, Clock(before.clock)), before, now)
    assert found.parameters is not None
    instants = np.arange(LOG.middle - 300 * DAY, LOG.middle - WEEK, DAY)
    one, other = (Clock(p.clock).all_pace(instants) for p in (before, found.parameters))
    assert one.tolist() == other.tolist()
    ours = {"version", "timing", "basket", "clock", "live"}
    for name in set(Parameters.__struct_fields__) - ours:
        assert getattr(found.parameters, name) == getattr(before, name)


def test_many_remembered_by_few_orders_give_nearly_the_same() -> None:
    log = log_of("weekdays", 6, customers=600)
    whole, part = (
        fit_rhythm(occasions_in(sample_of(log.orders, log.end, remembered=many), CALENDAR), CALENDAR, log.end).prior
        for many in (10_000, 6)
    )
    assert part.mu0 == pytest.approx(whole.mu0, abs=0.05)
    assert part.tau2 == pytest.approx(whole.tau2, rel=0.2)
    gone = [prior.a / (prior.a + prior.b) for prior in (part, whole)]
    assert gone[0] == pytest.approx(gone[1], abs=0.03)


def test_baskets_are_of_one_currency_and_judged_as_well(first: Refit) -> None:
    found = adopted(first)
    judging = baskets_in(SAMPLE.take(SAMPLE.held_back))
    assert judging is not None
    assert found.basket != BUILTIN.basket
    assert judge_baskets(judging, found.basket) > judge_baskets(judging, BUILTIN.basket)
    other = replace(SAMPLE, of=replace(SAMPLE.of, currency=np.arange(len(SAMPLE))))
    assert baskets_in(other) is None
    assert adopted(refit(other, BUILTIN, LOG.middle)).basket == BUILTIN.basket


@pytest.mark.parametrize(
    ("live", "due"),
    [
        (lambda orders: Live(LOG_DAY, 1.0, fitted_at=LOG.middle, orders=orders), False),
        (lambda orders: Live(LOG_DAY, 1.0, fitted_at=LOG.middle - EVERY, orders=orders), False),
        (lambda orders: Live(LOG_DAY, 1.0, fitted_at=LOG.middle - EVERY, orders=orders * 9 // 10), True),
        (lambda orders: Live(LOG_DAY, 1.0, fitted_at=LOG.middle - WEEK, orders=orders * 9 // 10), False),
        (lambda orders: Live(LOG_DAY, 1.0, fitted_at=LOG.middle - WEEK, orders=orders // 4), True),
        (lambda _orders: None, True),
    ],
)
def test_when_a_refit_is_due(live: Callable[[int], Live | None], due: bool) -> None:
    orders = orders_in(SAMPLE, occasions_in(SAMPLE, CALENDAR))
    current = msgspec.structs.replace(BUILTIN, live=live(orders))
    assert refit_due(SAMPLE, current, LOG.middle) is due


def test_a_new_shop_waits_for_its_first_orders() -> None:
    few = first_orders(LOG.orders, FIRST - 1)
    now = int(few.at.max()) + DAY
    found = renew(sample_of(few, now), BUILTIN, now)
    assert (found.parameters, found.tried, found.why) == (None, False, "builtin-1 stays: nothing is new")
    more = first_orders(LOG.orders, FIRST + 20)
    now = int(more.at.max()) + DAY
    found = renew(sample_of(more, now), BUILTIN, now)
    assert found.tried
    assert found.parameters is not None
    assert found.parameters.clock == ()
    again = renew(sample_of(more, now + WEEK), found.parameters, now + WEEK)
    assert (again.tried, again.parameters) == (False, None)


def first_orders(orders: Orders, count: int) -> Orders:
    """As they came."""
    last = np.sort(orders.at)[count - 1]
    return orders.take(orders.at <= last)


def test_a_sample_tells_the_shop_s_orders() -> None:
    threshold = int(SAMPLE.of.hash[len(SAMPLE) // 2])
    half = replace(SAMPLE.take(SAMPLE.of.hash < np.uint64(threshold)), threshold=threshold)
    whole = orders_in(SAMPLE, occasions_in(SAMPLE, CALENDAR))
    assert SAMPLE.threshold == EVERYBODY
    assert orders_in(half, occasions_in(half, CALENDAR)) == pytest.approx(whole, rel=0.15)


def test_nobody_at_all_changes_nothing() -> None:
    empty = sample_of(LOG.orders.take(slice(0, 0)), LOG.middle)
    assert renew(empty, BUILTIN, LOG.middle).parameters is None
    found = refit(empty, BUILTIN, LOG.middle)
    assert not found.adopted
    assert "nobody is held back who could judge it" in found.why
