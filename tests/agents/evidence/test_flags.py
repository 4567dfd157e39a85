"""What flags are worth: each figure on customers one can count, and all of them against a plain count."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from agents.evidence.flags import Flags, Jury
from agents.evidence.scoring import HORIZON, Trial
from agents.fit.histories import occasions_of
from tables.orders import DAY
from tests.support.population import BEGIN, clockwork

END = 1000


def jury(*gaps: Sequence[float], train_until: float = 500) -> Jury:
    """Customers who order on day 0 and after these gaps; the log ends on day 1000."""
    orders = clockwork(gaps)
    given = Trial(orders, BEGIN + round(train_until * DAY), BEGIN + END * DAY)
    return Jury(given, occasions_of(orders))


def flags(*of: tuple[int, float]) -> Flags:
    """(customer, day) of each."""
    customer, day = np.array(of, dtype=np.float64).reshape(-1, 2).T
    return Flags(customer.astype(np.int64), BEGIN + np.rint(day * DAY).astype(np.int64))


def test_precision_is_of_those_raised_after_the_date_and_early_enough_to_be_judged() -> None:
    judge = jury([300.0, 300.0], [300.0], [300.0, 600.0])
    found = judge.score(flags((0, 400), (0, 550), (1, 550), (2, 820), (2, 950), (1, 911)))
    # raised before; back after 50 days; never back; back after 80 days; too late, twice
    assert (found.fired, found.judged) == (5, 3)
    assert found.precision == pytest.approx(1 / 3)
    assert found.precision_by_class == {"1": None, "2-3": pytest.approx(1 / 3), "4-6": None, "7+": None}
    assert judge.score(flags((0, 550 - 40.5))).precision == 1.0  # back after 90.5 days
    assert judge.score(flags((0, 510))).precision == 0.0  # after 90: within the horizon


def test_recall_is_of_those_whose_last_order_is_long_past() -> None:
    judge = jury([300.0], [819.0], [821.0], [300.0, 300.0])
    assert judge.ended.tolist() == [True, True, False, True]
    found = judge.score(flags((0, 400), (1, 911), (2, 850), (3, 400), (3, 700)))
    assert found.recall == pytest.approx(2 / 3)  # the second came too late
    only = judge.score(flags((0, 400), (3, 400)), judge.count == 3)
    assert only.recall == 0.0  # flagged in a gap that closed


def test_delay_and_false_alarms() -> None:
    judge = jury([300.0, 300.0, 300.0], [600.0])
    found = judge.score(flags((0, 350), (0, 560), (0, 580), (0, 890), (1, 700)))
    assert found.median_delay_days == pytest.approx(np.median([260, 280, 290, 100]))
    assert found.false_alarms == pytest.approx(2 / 3)  # of the gaps that closed on days 600, 900 and 600


def test_who_never_ordered_and_who_did_not_yet() -> None:
    judge = jury([700.0], train_until=-10)
    placed = judge.place(flags((-1, 20.0), (0, -5.0)))
    assert placed.back.tolist() == [math.inf, 5.0]
    assert np.isnan(placed.delay).all()
    assert placed.earlier.tolist() == [0, 0]
    assert judge.score(flags((-1, 20.0))).recall == 0.0


def test_without_orders_or_flags_nothing_can_be_told() -> None:
    empty = jury()
    found = empty.score(flags())
    assert (found.fired, found.judged) == (0, 0)
    assert found.precision is found.recall is found.median_delay_days is found.false_alarms is None
    assert empty.place(flags((-1, 600.0))).back.tolist() == [math.inf]


@pytest.mark.parametrize("seed", range(4))
def test_all_figures_are_those_of_a_plain_count(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gaps = [rng.uniform(1.5, 250, rng.integers(0, 7)).tolist() for _ in range(60)]
    raised = [
        (int(who), float(day)) for who, day in zip(rng.integers(0, 60, 300), rng.uniform(0, END, 300), strict=True)
    ]
    times = [np.cumsum([0.0, *own]) for own in gaps]
    found = jury(*gaps).score(flags(*raised))
    horizon = HORIZON / DAY
    right, judged, delays, flagged, hit = 0, 0, [], set(), set()
    for who, day in raised:
        later, before = times[who][times[who] > day], times[who][times[who] <= day]
        if later.size and later[0] >= 500:
            flagged.add((who, float(later[0])))
        if not later.size and day <= END - horizon:
            hit.add(who)
        if day >= 500:
            delays.append(day - before[-1])
            if day <= END - horizon:
                judged += 1
                right += not later.size or later[0] - day > horizon
    ended = [who for who, own in enumerate(times) if own[-1] <= END - 2 * horizon]
    assert (found.fired, found.judged) == (len(delays), judged)
    assert found.precision == pytest.approx(right / judged)
    assert found.recall == pytest.approx(len(hit & set(ended)) / len(ended))
    assert found.median_delay_days == pytest.approx(np.median(delays), abs=1e-6)
    closed = sum(int((own[1:] >= 500).sum()) for own in times)
    assert found.false_alarms == pytest.approx(len(flagged) / closed)
