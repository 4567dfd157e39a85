"""Coverage and silence against their definitions, gap by gap; a model scored on its own shop; and no look ahead."""

from collections.abc import Iterator
from typing import cast

import numpy as np
import pytest

from agents.evidence.scoring import (
    BINS,
    CLASSES,
    EVERY,
    HORIZON,
    Trial,
    auc,
    brier,
    class_of,
    coverage,
    foretold_gaps,
    foretold_silence,
    spread,
)
from agents.fit.histories import Floats, Occasions, Orders, occasions_of
from agents.models.levels import LEVELS
from agents.models.timing import Rhythm
from tables.orderchanges import add_order
from tables.orders import DAY, RecentOrder
from tables.orders import Orders as State
from tables.parameters import BUILTIN, TimingPrior
from tests.support.population import BEGIN, invented, shop_of

PRIOR = TimingPrior(1.6, 0.5, 0.5, 3.0, (0.1, 0.3, 0.3, 0.2, 0.1))


def trial(customers: int = 60, days: int = 600, seed: int = 1) -> Trial:
    orders, end = invented(PRIOR, BUILTIN.basket, customers=customers, days=days, seed=seed)
    return Trial(orders, BEGIN + days // 2 * DAY, end)


def plain_gaps(given: Trial) -> Iterator[tuple[int, float]]:
    """(earlier occasions, u) of each gap that counts, order by order with the worker's own state."""
    within = (given.end - given.train_until) / 2
    for customer in np.unique(given.orders.customer):
        times = given.orders.at[given.orders.customer == customer].tolist()
        state: State | None = None
        for place, at in enumerate(times):
            state = add_order(state, RecentOrder(f"o{place}", "e", at, 1.0))
            following = times[place + 1] if place + 1 < len(times) else None
            if following is None or following // DAY == at // DAY:
                continue
            gap = max(following - at, DAY)
            if given.train_until <= at <= given.end - within and gap <= within:
                rhythm = Rhythm(PRIOR, [state.gaps], [state.s1], [state.s2])
                below, most = (1 - float(rhythm.survival(ms / DAY)[0]) for ms in (gap, within))
                yield state.occasions, below / most


def test_gaps_that_count_and_where_they_lie_are_those_of_the_definition() -> None:
    given = trial()
    wanted = list(plain_gaps(given))
    found = foretold_gaps(given, PRIOR)
    assert len(wanted) > 50
    assert found.earlier.tolist() == [earlier for earlier, _ in wanted]
    np.testing.assert_allclose(found.window, [u for _, u in wanted], rtol=1e-7)
    assert coverage(found.window) == {level: np.mean([u <= level for _, u in wanted]) for level in LEVELS}
    assert sum(spread(found.window)) == len(wanted)


def test_on_its_own_shop_the_model_keeps_its_promises() -> None:
    given = trial(customers=4000)
    gaps, silence = foretold_gaps(given, PRIOR), foretold_silence(given, PRIOR)
    for name in CLASSES:
        of_class = gaps.window[class_of(gaps.earlier, name)]
        assert list(coverage(of_class).values()) == pytest.approx(LEVELS, abs=0.035), name
    assert spread(gaps.window) == pytest.approx([gaps.window.size / BINS] * BINS, rel=0.25)
    for date in range(int(silence.date.max()) + 1):
        rows = silence.date == date
        assert silence.p[rows].mean() == pytest.approx(silence.silent[rows].mean(), abs=0.02)
    base = np.full(silence.p.size, silence.silent.mean())
    assert cast("float", brier(silence.p, silence.silent)) < 0.7 * cast("float", brier(base, silence.silent))
    assert cast("float", auc(silence.p, silence.silent)) > 0.85


def test_a_model_of_another_shop_does_not() -> None:
    """The scores tell: half as slow, every window is too wide."""
    slow = TimingPrior(PRIOR.mu0 + np.log(2), PRIOR.tau2, PRIOR.a, PRIOR.b, PRIOR.weights)
    given = trial(customers=2000)
    off = coverage(foretold_gaps(given, slow).window)
    assert cast("float", off[0.5]) > 0.56


def test_silence_is_that_of_the_definition() -> None:
    given = trial(customers=25)
    found = foretold_silence(given, PRIOR)
    rows = 0
    for number, date in enumerate(range(given.train_until, given.end - HORIZON + 1, EVERY)):
        for customer in np.unique(given.orders.customer):
            times = [at for at in given.orders.at[given.orders.customer == customer].tolist() if at < date]
            if not times:
                continue
            state: State | None = None
            for at in times:
                state = add_order(state, RecentOrder(f"o{at}", "e", at, 1.0))
            assert state is not None
            rhythm = Rhythm(PRIOR, [state.gaps], [state.s1], [state.s2])
            p = float(rhythm.p_silent([(date - state.last_at) / DAY], 90)[0])
            later = given.orders.at[given.orders.customer == customer]
            silent = not bool(((later >= date) & (later < date + HORIZON)).any())
            assert (found.date[rows], found.earlier[rows], found.silent[rows]) == (number, state.occasions, silent)
            assert found.p[rows] == pytest.approx(p, rel=1e-7)
            rows += 1
    assert rows == found.p.size
    assert found.date.max() == (given.end - HORIZON - given.train_until) // EVERY


def test_auc_counts_pairs() -> None:
    rng = np.random.default_rng(1)
    p, happened = rng.integers(0, 6, 80) / 6, rng.random(80) < 0.4
    pairs = [(p[i] > p[j]) + 0.5 * (p[i] == p[j]) for i in np.flatnonzero(happened) for j in np.flatnonzero(~happened)]
    assert auc(p, happened) == pytest.approx(np.mean(pairs))
    assert auc(p, np.ones(80, dtype=np.bool_)) is None
    assert brier(np.array([0.8, 0.1]), np.array([True, False])) == pytest.approx(0.025)


@pytest.mark.parametrize("until", [BEGIN, BEGIN + 600 * DAY, BEGIN + 590 * DAY])
def test_nothing_to_score_is_none(until: int) -> None:
    given = trial()
    gone = Trial(given.orders.before(given.train_until), given.end, given.end)
    assert coverage(foretold_gaps(gone, PRIOR).window) == dict.fromkeys(LEVELS)
    nobody = Trial(shop_of(np.zeros(0, dtype=np.int64), np.zeros(0)), until, given.end)
    silence = foretold_silence(nobody, PRIOR)
    assert foretold_gaps(nobody, PRIOR).window.size == silence.p.size == 0
    assert auc(silence.p, silence.silent) is brier(silence.p, silence.silent) is None


# --- no look ahead ----------------------------------------------------------------------------------------------------


def changed_after(orders: Orders, moment: int) -> Orders:
    """The same shop up to a moment; from then on a third of the orders are missing."""
    kept = (orders.at < moment) | (np.arange(len(orders)) % 3 > 0)
    return orders.take(kept)


def looks_ahead(given: Trial) -> bool:
    """Whether what was foretold by a date hangs on what came after it."""
    moment = given.train_until + (given.end - given.train_until) // 3
    other = Trial(changed_after(given.orders, moment), given.train_until, given.end)
    told = [foretold_silence(one, PRIOR) for one in (given, other)]
    early = [one.p[one.date * EVERY + given.train_until <= moment] for one in told]
    gaps = [
        occasions_of(one.orders).take(occasions_of(one.orders).last_at < moment).rhythm(PRIOR).window(0.8)
        for one in (given, other)
    ]
    return not (np.array_equal(early[0], early[1]) and np.allclose(gaps[0], gaps[1], rtol=1e-6))


def test_what_is_foretold_does_not_hang_on_what_comes() -> None:
    assert not looks_ahead(trial(customers=200))


def test_a_look_ahead_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_the_gap_itself(self: Occasions, prior: TimingPrior) -> Rhythm:
        closed = np.isfinite(self.gap)
        y: Floats = np.where(closed, np.log(np.where(closed, self.gap, 7.0) / 7), 0.0)
        return Rhythm(prior, self.x + closed, self.s1 + y, self.s2 + y * y)

    monkeypatch.setattr(Occasions, "rhythm", with_the_gap_itself)
    assert looks_ahead(trial(customers=200))


def test_a_date_that_is_not_kept_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Orders, "before", lambda self, _moment: self)
    assert looks_ahead(trial(customers=200))
